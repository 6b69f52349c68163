"""Simulated exposures with cosmic rays, telegraph noise and snowballs."""
