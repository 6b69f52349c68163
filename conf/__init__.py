"""Every choice that a user makes, as Hydra configuration."""
