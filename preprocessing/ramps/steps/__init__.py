"""One pixel's reads: steps, their likelihood, telegraph noise."""
