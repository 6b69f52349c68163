"""Simulated job folders with their truth."""
