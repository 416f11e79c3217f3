"""Trying rewards on real rows before a run is spent on them: `grpo-reward`."""
