"""Labelled triplets of stamps from subtracted pairs around supernovae."""
