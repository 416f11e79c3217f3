"""Talking to a trained model, beside the one it was trained from, in a terminal."""
