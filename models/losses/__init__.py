"""Losses of the tasks."""
