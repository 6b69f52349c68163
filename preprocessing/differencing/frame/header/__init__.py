"""The dialects of FITS headers: numbers, units, times, filters, gains and zero points under every usual key."""
