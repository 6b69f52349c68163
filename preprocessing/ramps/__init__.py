"""Up-the-ramp exposures of infrared detectors: cosmic rays, telegraph noise, snowballs."""
