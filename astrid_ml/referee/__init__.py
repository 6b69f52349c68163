"""A run as a bundle that a referee can check, and the checks."""
