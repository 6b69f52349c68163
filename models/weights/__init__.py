"""Weights that come with the package: plain numbers in JSON, a card and a digest for each. ``make weights`` makes them."""
