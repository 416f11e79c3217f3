"""The doctor: rules over a run's own metrics that say what is wrong, why it probably is, and what to try."""
