"""Fusion: images and catalogue features in one classifier, and each alone."""
