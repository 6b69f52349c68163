"""Stars of an image: their selection, the PSF, the match of two images, bright stars."""
