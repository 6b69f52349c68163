"""Simulated triplets of four missions: stars, galaxies, transients and artefacts, with truth."""
