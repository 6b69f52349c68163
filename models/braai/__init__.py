"""Braai: convolutional networks for real/bogus (Duev et al. 2019, MNRAS 489, 3582)."""
