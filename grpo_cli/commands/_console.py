"""What the smaller commands share: help, version, and how an error or an interruption ends them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from grpo_cli.errors import EXIT_DONE, EXIT_SIGINT, GrpoTrainError


def run_command(name: str, help_text: str, work: Callable[[list[str]], int], *, needs_arguments: bool = False) -> int:
    """Run a console script on this process's arguments.

    Args:
        name: the command, as its messages begin and its version is told.
        help_text: what `--help` prints.
        work: what it does with its arguments; returns the exit code.
        needs_arguments: whether it shows its help when given nothing.

    Returns:
        The exit code: `work`'s own, that of an error told to the user, 130 after a Ctrl-C.
    """
    argv = sys.argv[1:]
    if (needs_arguments and not argv) or "-h" in argv or "--help" in argv:
        print(help_text, end="")
        return EXIT_DONE
    if "--version" in argv:
        from grpo_cli import __version__

        print(f"{name} {__version__}")
        return EXIT_DONE
    try:
        return work(argv)
    except GrpoTrainError as error:
        for line in str(error).splitlines():
            print(f"{name}: {line}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone (… | head)
        return EXIT_DONE
    except KeyboardInterrupt:
        return EXIT_SIGINT
