"""The report of a run: one HTML file to look at, the same in the terminal, its plots for papers. Light: no torch."""
