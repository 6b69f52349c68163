"""Weights that come with the package: plain numbers, each with a card and a digest. ``make weights`` makes them."""
