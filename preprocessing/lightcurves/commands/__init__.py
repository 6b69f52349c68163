"""Commands over light curves: convert."""
