"""Many images of one place: forced photometry, association, depth."""
