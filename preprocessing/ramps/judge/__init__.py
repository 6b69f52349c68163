"""Found events against the truth."""
