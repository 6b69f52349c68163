"""What values of a light curve's table mean, whatever its layout: angles, words, names of objects."""
