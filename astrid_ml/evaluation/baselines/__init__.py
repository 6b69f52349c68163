"""What a network must beat: the best single column, and boosted trees on what was measured of each sample."""
