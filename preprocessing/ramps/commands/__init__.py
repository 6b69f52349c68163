"""Commands over ramps: predict, score, visualise."""
