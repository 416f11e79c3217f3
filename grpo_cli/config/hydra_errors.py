"""Hydra's and OmegaConf's exceptions, each turned into one sentence that says what to write instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import MarkedYAMLError

from grpo_cli.config import places
from grpo_cli.config.other_names import unknown
from grpo_cli.config.suggest import nearest, or_list
from grpo_cli.config.validate import unresolved
from grpo_cli.errors import ConfigError

_OPEN_GROUPS = {
    "model": " A hub id has a slash (Qwen/Qwen3-0.6B), and a folder must exist.",
    "dataset": " A hub id has a slash (openai/gsm8k), and a file must exist or end in .jsonl, .json, .csv or .parquet.",
}


def explain(error: BaseException, extra: Sequence[Path] = ()) -> ConfigError | None:
    """Explain an exception raised while composing.

    Args:
        error: what Hydra raised.
        extra: folders given with `--config-dir`, for the lists of choices.

    Returns:
        The error for the user; None where it is not about the user's input.
    """
    cause: BaseException = error
    chain = [error]
    while cause.__cause__ is not None:
        cause = cause.__cause__
        chain.append(cause)
    for e in chain:
        if isinstance(e, MarkedYAMLError):
            return ConfigError(_bad_yaml(e))
        if isinstance(e, MissingConfigException):
            return ConfigError(_missing_file(e, extra))
        if isinstance(e, OverrideParseException):
            return ConfigError(_bad_override(e.override))
        if isinstance(e, ConfigKeyError | ConfigAttributeError) and getattr(e, "full_key", None):
            section, _, name = str(e.full_key).rpartition(".")
            return ConfigError(unknown(section, name))
        if isinstance(e, MissingMandatoryValue):
            return ConfigError(f"{e.full_key or 'A value'} must be set; write {e.full_key or 'key'}=<value>.")
    if isinstance(cause, OmegaConfBaseException):
        return ConfigError(unresolved(cause))
    if isinstance(error, ConfigCompositionException):
        return ConfigError(_composition(str(error), extra))
    if isinstance(error, HydraException | ValueError) and _from_hydra(error):
        return ConfigError(_one_line(str(error)))
    return None


def _from_hydra(error: BaseException) -> bool:
    """Tell Hydra's own ValueErrors (they have no class of their own) from bugs of ours."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb is not None and tb.tb_frame.f_globals.get("__name__", "").startswith("hydra.")


def _one_line(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text).strip().rstrip(".") + "."


def _bad_yaml(error: MarkedYAMLError) -> str:
    mark = error.problem_mark
    where = f"{mark.name.removeprefix('file://')}:{mark.line + 1}" if mark else "A config file"
    line = ""
    if mark and Path(mark.name).is_file():
        lines = Path(mark.name).read_text(encoding="utf-8", errors="replace").splitlines()
        line = f" in '{lines[mark.line].strip()}'" if mark.line < len(lines) else ""
    hint = " (a key needs a space after its colon, and lines of one level the same indent)"
    return f"{where} is not valid YAML: {error.problem}{line}{hint}."


def _missing_file(error: MissingConfigException, extra: Sequence[Path]) -> str:
    """A choice that does not exist, or a config name."""
    group, _, choice = (error.missing_cfg_file or "").rpartition("/")
    if not group:
        there = sorted({f.stem for place in places.search_path(extra) for f in place.glob("*.yaml")})
        if not choice:
            return _one_line(str(error).split("Config search path")[0])
        near = nearest(choice, there)
        hint = f"; did you mean {near}?" if near else "."
        return f"There is no config {choice}{hint} Configs: {or_list(there)} (looked in {_looked(extra)})."
    options = places.choices(group, extra)
    if not options:
        return f"{group}={choice}: there is no group {group}; groups: {or_list(places.groups(extra), 30)}."
    near = nearest(choice, options)
    hint = f"; did you mean {near}?" if near else "."
    more = _OPEN_GROUPS.get(group, "")
    return f"{group}={choice}: no such choice{hint} Choices: {or_list(options, 40)}.{more}"


def _looked(extra: Sequence[Path]) -> str:
    return ", ".join(str(p) for p in places.search_path(extra))


def _bad_override(override: str) -> str:
    """An override that Hydra's grammar does not take."""
    key, equals, value = override.partition("=")
    if not equals:
        if override.startswith("-"):
            return f"There is no option {override}; see grpo-train --help."
        group = override.strip()
        if group in places.groups():
            options = or_list(places.choices(group), 40)
            return f"{group} needs a value; write {group}=<choice>. Choices: {options}."
        return (
            f"'{override}' is not key=value; write key=value, and put quotes round a value with spaces: "
            "'name=\"two words\"'."
        )
    if not key.strip():
        return f"'{override}' has no key; write key=value."
    if key != key.strip() or value != value.strip():
        return f"'{override}': there must be no space round the =; write {key.strip()}={value.strip()}."
    if value.count("[") != value.count("]") or value.count("{") != value.count("}"):
        return (
            f"{override}: a bracket is not closed; quote the whole override for the shell, without spaces outside it: "
            "'reward=[exact_match,format]'."
        )
    inner = value.replace("'", "\\'")
    return f"{override}: the value cannot be read; put quotes round it, \"{key}='{inner}'\"."


def _composition(message: str, extra: Sequence[Path]) -> str:
    """Hydra's own sentences about overrides, in this program's terms."""
    no_match = re.search(r"Could not override '([^']+)'", message)
    if no_match:
        name = no_match[1].split("@")[0]
        section, _, key = name.rpartition(".")
        near = None if section else nearest(name, places.groups(extra), cutoff=0.7)
        return f"{name}: no such group; did you mean {near}=…?" if near else unknown(section, key)
    sweep = re.search(r"Sweep parameters '([^']+)' requires --multirun", message)
    if not sweep:
        sweep = re.search(r"Ambiguous value for argument '([^']+)'", message)
    if sweep:
        key, _, value = sweep[1].partition("=")
        if key in places.groups(extra):
            return f"{sweep[1]} gives several values: add -m to run each, or write '{key}=[{value}]' for a list."
        return (
            f"{sweep[1]} gives several values: add -m to run each, write '{key}=[{value}]' for a list, "
            f"or \"{key}='{value}'\" if it is one text with a comma."
        )
    append = re.search(r"An item is already at '([^']+)'", message)
    if append:
        return f"+{append[1]}: the key is there already; write {append[1]}=… without the +."
    group = re.search(r"looks like a config group override, but config group '([^']+)' does not exist", message)
    if group:
        near = nearest(group[1], places.groups(extra))
        hint = f"; did you mean {near}?" if near else "."
        return f"{group[1]}: no such group{hint} Groups: {or_list(places.groups(extra), 30)}."
    return _one_line(message)
