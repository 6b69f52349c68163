"""Which epochs count: selection, extinction, augmentation, flags."""
