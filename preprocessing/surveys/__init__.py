"""One description per survey: what it means by its names, keys, units, times, bits and stamps."""
