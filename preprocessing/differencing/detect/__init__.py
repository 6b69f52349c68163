"""Candidates on a difference: significance, peaks, measurement."""
