"""Ways to subtract the reference from the science image."""
