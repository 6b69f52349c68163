"""The feature baseline of light curves: features and boosted trees."""
