"""What the fields of a packet say: numbers, times and angles, in the forms in which people write them."""
