"""Tools on arrays: stamps, profiles, Fourier planes, masks, peaks, interpolation."""
