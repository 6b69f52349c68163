"""Which observations of a target can be subtracted from each other, told before anything is downloaded."""
