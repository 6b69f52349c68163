"""A sky, its exposures and its files, as missions deliver them."""
