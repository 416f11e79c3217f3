"""The leaderboard of a sweep: which setting is best, how sure that is, and what mattered. Light: no torch."""
