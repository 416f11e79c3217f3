"""The errors a user sees, and the exit code each one means."""

from __future__ import annotations

from collections.abc import Sequence

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2
EXIT_SIGINT = 130
EXIT_SIGTERM = 143


class GrpoTrainError(Exception):
    """An error with a message written for the user; it is printed without a traceback."""

    exit_code = EXIT_FAILED


class ConfigError(GrpoTrainError):
    """The configuration (or a file it names) is wrong; nothing was trained.

    Args:
        problems: one sentence per problem, each saying what is wrong, where, and what to write instead.
    """

    exit_code = EXIT_CONFIG

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems: Sequence[str] = problems


class RunError(GrpoTrainError):
    """The run was well configured and failed while running (a reward returned NaN, a rank died, …)."""
