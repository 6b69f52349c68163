"""The containers in which people keep stamps: arrays in files and folders, groups of HDF5, an array a channel."""
