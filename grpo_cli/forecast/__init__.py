"""What a run will need, told from a model's config.json and the settings alone. Light: no torch."""
