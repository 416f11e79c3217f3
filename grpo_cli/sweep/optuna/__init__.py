"""A multirun whose jobs Optuna thinks up: the space, the samplers, the pruners, the study on disk, its trials."""
