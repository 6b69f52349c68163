"""Simulated light curves of 19 classes as SNANA files."""
