"""The errors a user sees, and the exit code each one means."""

from __future__ import annotations

from collections.abc import Sequence

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2
EXIT_SIGINT = 130
EXIT_SIGTERM = 143


class GrpoTrainError(Exception):
    """An error with a message written for the user; it is printed without a traceback.

    Args:
        sentences: what went wrong; each gets its full stop where it has none.
    """

    exit_code = EXIT_FAILED

    def __init__(self, *sentences: str) -> None:
        self.problems: Sequence[str] = [_ended(sentence) for sentence in sentences]
        super().__init__("\n".join(self.problems))


class ConfigError(GrpoTrainError):
    """The configuration (or a file it names) is wrong; nothing was trained.

    Args:
        sentences: one per problem, each saying what is wrong, where, and what to write instead.
    """

    exit_code = EXIT_CONFIG


class RunError(GrpoTrainError):
    """The run was well configured and failed while running (a reward returned NaN, a rank died, …)."""


def _ended(sentence: str) -> str:
    """End a sentence with a full stop, unless it ends already."""
    return sentence if sentence.rstrip().endswith((".", "?", "!", "…")) else f"{sentence.rstrip()}."
