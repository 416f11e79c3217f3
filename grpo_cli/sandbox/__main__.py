"""Say which protections programs run under on this machine: `python -m grpo_cli.sandbox`; exit code 1 for too few."""

from __future__ import annotations

import sys

from grpo_cli.errors import ConfigError
from grpo_cli.sandbox.isolation import PROTECTIONS, find_isolation, how, missing_isolation, protections


def main() -> int:
    """Print a line per protection, and what is open without those that are missing."""
    try:
        found, problems = protections(), missing_isolation()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    for name, held in found.items():
        print(f"{'yes' if held else 'no ':3}  {name:10}  {PROTECTIONS[name]}")
    print(f"A program could {', '.join(problems)}." if problems else f"Programs can be run, {how(find_isolation())}.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
