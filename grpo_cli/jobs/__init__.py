"""From a composed configuration to a finished run: one job, launched, watched and recorded."""
