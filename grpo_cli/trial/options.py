"""The options of `grpo-reward`, taken out of a command line whose other words are overrides. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grpo_cli.config.suggest import nearest
from grpo_cli.errors import ConfigError


def take_options(argv: Sequence[str], takes: Mapping[str, bool]) -> tuple[dict[str, str], list[str]]:
    """Separate options from overrides.

    Args:
        argv: the command line after the subcommand; a value follows its option or stands behind `=`.
        takes: option → whether it has a value.

    Returns:
        The options given ("" for one without a value), and everything else in its order.

    Raises:
        ConfigError: an option lacks its value, or looks like one that is misspelled.

    Example:
        >>> take_options(["--rows", "8", "seed=1", "--json"], {"--rows": True, "--json": False})
        ({'--rows': '8', '--json': ''}, ['seed=1'])
    """
    options: dict[str, str] = {}
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        option, equals, value = word.partition("=")
        if option not in takes:
            meant = nearest(option, takes, cutoff=0.8) if option.startswith("--") else None
            if meant:
                raise ConfigError(f"There is no option {option}; did you mean {meant}?")
            rest.append(word)
        elif takes[option]:
            value = value if equals else next(words, "")
            if not value or value.startswith("--"):
                raise ConfigError(f"{option} needs a value; see grpo-reward --help.")
            options[option] = value
        elif equals:
            raise ConfigError(f"{option} takes no value.")
        else:
            options[option] = ""
    return options, rest


def whole_number(options: Mapping[str, str], option: str, default: int) -> int:
    """An option's value as a number from 1.

    Raises:
        ConfigError: it is none.
    """
    text = options.get(option, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{option} must be a whole number above 0, not {text!r}.")
    return int(text)
