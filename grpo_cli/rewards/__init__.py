"""Rewards: small functions of one completion each, and what turns any function into a trainer's reward."""
