"""From a list of objects to files on this disk: targets, archives, pairs of frames that can be subtracted."""
