"""Configuration: schema, composition and checks. Nothing in here imports torch, transformers or TRL."""
