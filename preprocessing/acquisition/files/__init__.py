"""Files of the chosen pairs: brought many at a time, then laid out as the subtraction reads them."""
