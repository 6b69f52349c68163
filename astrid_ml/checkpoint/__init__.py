"""Checkpoints that carry all that a prediction needs."""
