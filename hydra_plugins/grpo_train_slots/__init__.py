"""Hydra plugin of grpo-train: multirun jobs on slots."""
