"""Multirun: jobs thought up, checked, run side by side, stopped together, gone on with."""
