"""Held-out evaluation: generation and the statistics, apart."""
