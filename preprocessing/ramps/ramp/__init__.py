"""What a ramp is: reads, times, noise, codes of its events, its reference pixels."""
