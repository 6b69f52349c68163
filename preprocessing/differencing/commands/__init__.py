"""Commands over images: difference, recover, forced, associate, depth, inject."""
