"""Quality control: a record and a verdict for each pair."""
