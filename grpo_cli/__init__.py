"""grpo-train: train language models with GRPO from Hydra configs."""

__version__ = "0.1.0"
