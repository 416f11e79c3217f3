"""The typed schema of our own config groups, one dataclass a file; light (no torch, no Hydra)."""
