"""Difference images: from two FITS files to detected candidates and their cutouts."""
