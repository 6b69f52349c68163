"""Features of light curves that run with the epochs: statistics by passband, colours, a multiband periodogram."""
