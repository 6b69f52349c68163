"""Metrics: AUCPR first."""
