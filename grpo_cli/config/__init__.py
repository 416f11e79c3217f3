"""Composing and validating a configuration; imports nothing heavy."""
