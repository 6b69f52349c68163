"""Archives behind one protocol: search, products, fetch."""
