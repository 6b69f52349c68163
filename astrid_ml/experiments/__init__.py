"""Experiments over many trainings: what is tried, in which order, and what became of it."""
