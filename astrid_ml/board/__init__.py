"""One offline site over many runs."""
