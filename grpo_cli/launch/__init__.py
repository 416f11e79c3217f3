"""From a frozen run folder to worker processes and back: hardware, plan, supervision (light: no torch)."""
