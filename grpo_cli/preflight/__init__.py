"""Checks that need no torch: what is wrong with a run is said before a GPU is touched."""
