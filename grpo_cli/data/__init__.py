"""From files, hub ids and generators to prompts and held-out prompts."""
