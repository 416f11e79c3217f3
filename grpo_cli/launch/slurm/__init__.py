"""Runs as Slurm jobs: what is asked for, the job script, submitting it and seeing how it went (light: no torch)."""
