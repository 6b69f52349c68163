"""Background, noise, spectra of the noise."""
