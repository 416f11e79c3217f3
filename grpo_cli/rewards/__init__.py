"""The reward library and what adapts any reward to the trainer."""
