"""Hydra plugin of grpo-train: a multirun whose jobs Optuna thinks up."""
