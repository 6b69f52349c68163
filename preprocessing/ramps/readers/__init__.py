"""Readers of up-the-ramp exposures, one file format a module."""
