"""The command line before Hydra sees it: conveniences turned into plain overrides, unknown options refused.

`model=Qwen/Qwen3-0.6B` becomes `model=hub model.name=Qwen/Qwen3-0.6B`, `dataset=rows.jsonl` becomes `dataset=custom
dataset.path=rows.jsonl`, `reward=[format,my_rewards.py:polite]` becomes `reward=[format]` with
`reward.polite.target=my_rewards.py:polite`, `evaluation.reward=[…]` and `evaluation.datasets=[…]` become one choice of
the group each, and `resume=<run folder>` is preceded by the overrides recorded there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from grpo_cli.config.places import choices, search_path
from grpo_cli.config.suggest import did_you_mean
from grpo_cli.errors import ConfigError

# TRL's names for what is decided for the whole run here.
RUN_KEYS = {"training.output_dir": "hydra.run.dir", "training.resume_from_checkpoint": "resume"}
# group → (the choice that takes any value, the key that holds it)
OPEN_GROUPS = {"model": ("hub", "model.name"), "dataset": ("custom", "dataset.path")}
# Sections of `evaluation` that hold entries of a group: → (the group, the key that holds a free value)
EVALUATION_LISTS = {"evaluation.datasets": ("dataset", "path"), "evaluation.reward": ("reward", "target")}
# What may be said beside `reproduce=<run folder>`: where the new run goes and how it is watched.
REPRODUCE_KEYS = ("reproduce", "name", "paths", "hydra", "display", "dry_run", "resume")
DATA_FILES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt", ".jsonl.gz", ".json.gz", ".csv.gz")
_UNQUOTED = re.compile(r"[\w/\-\\+.$%*@?|:]+")
_OWN_REWARD = re.compile(r"[^,\[\]'\"]+:[A-Za-z_]\w*")  # my_rewards.py:polite, package.module:polite
_OVERRIDE = re.compile(r"[+~]{0,2}[\w./@:-]+")


def rewrite(argv: Sequence[str]) -> list[str]:
    """Turn the conveniences of a command line into plain overrides.

    Args:
        argv: the arguments as given, options among them.

    Returns:
        Arguments for Hydra.

    Raises:
        ConfigError: `resume` names a folder that is no run, or choices and free values are mixed in a way
            that one override cannot say.
    """
    extra = config_dirs(argv)
    out: list[str] = []
    for arg in _with_recorded(_reproducing([_as_run_key(a) for a in argv])):
        group, equals, value = arg.partition("=")
        if equals and group in OPEN_GROUPS and value:
            out += _open_value(group, value, extra)
        elif equals and group == "reward" and _OWN_REWARD.search(value):
            out += _own_rewards(value)
        elif equals and group in EVALUATION_LISTS and value.startswith("[") and value != "[]":
            out += _of_evaluation(group, value, extra)
        else:
            out.append(arg)
    return out


def config_dirs(argv: Sequence[str]) -> list[Path]:
    """Find the folders given with `--config-dir` (or -cd).

    Raises:
        ConfigError: one of them does not exist.
    """
    found = []
    for i, arg in enumerate(argv):
        option, equals, value = arg.partition("=")
        if option in ("--config-dir", "-cd"):
            value = value if equals else (argv[i + 1] if i + 1 < len(argv) else "")
            if not value or not Path(value).is_dir():
                raise ConfigError(f"The folder {value} given with --config-dir does not exist.")
            found.append(Path(value))
    return found


def check_options(arguments: Sequence[str]) -> None:
    """Refuse an unknown option in our own words; Hydra would print the usage of all of its.

    Raises:
        ConfigError: an option that Hydra does not have, or one without its value.
    """
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> None:
        unknown = message.removeprefix("unrecognized arguments: ")
        what = f"There is no option {unknown}" if unknown != message else message.strip().capitalize()
        raise ConfigError(f"{what}; see grpo-train --help.")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign,assignment]
    parser.parse_args(list(arguments))


def _as_run_key(argument: str) -> str:
    """Turn `training.output_dir=out` into `hydra.run.dir=out`, and TRL's name for resuming into ours."""
    key, equals, value = argument.partition("=")
    return f"{RUN_KEYS[key]}={value}" if equals and key in RUN_KEYS else argument


def _is_free(group: str, value: str, extra: Sequence[Path]) -> bool:
    """Tell whether a value is no choice of the group but a hub id, a folder or a file."""
    if value in choices(group, extra):
        return False
    if "/" in value:
        folder = value.split("/")[0]
        return value.startswith((".", "/", "~")) or not any((p / group / folder).is_dir() for p in search_path(extra))
    return value.lower().endswith(DATA_FILES) or Path(value).exists()


def _open_value(group: str, value: str, extra: Sequence[Path]) -> list[str]:
    """Rewrite `model=…` or `dataset=…`; a sweep's values one by one."""
    if value[0] in "[{'\"" or "(" in value:
        return [f"{group}={value}"]
    values = value.split(",")
    free = [_is_free(group, v, extra) for v in values]
    if not any(free):
        return [f"{group}={value}"]
    choice, key = OPEN_GROUPS[group]
    if not all(free):
        known = ", ".join(v for v, f in zip(values, free, strict=True) if not f)
        raise ConfigError(
            f"{group}={value} mixes choices of the group ({known}) with hub ids or paths, which one "
            f"sweep cannot vary together; run the two kinds one after the other."
        )
    return [f"{group}={choice}", f"{key}=" + ",".join(_quoted(v) for v in values)]


def _own_rewards(value: str) -> list[str]:
    """Rewrite `reward=[format,my_rewards.py:polite]`: functions of the user's own are no choices of the group."""
    if "],[" in value.replace(" ", ""):
        raise ConfigError(
            f"reward={value}: a sweep over sets of rewards takes choices of the group; give your own function a file, "
            "conf/reward/<name>.yaml with '# @package reward.<name>' and its target, and use that name."
        )
    names = [name.strip().strip("'\"") for name in value.strip("[]").split(",") if name.strip()]
    own = {name.rpartition(":")[2]: name for name in names if ":" in name}
    if len(own) < sum(":" in name for name in names):
        raise ConfigError(f"reward={value}: two functions of one name; write reward.<name>.target=… for one of them.")
    chosen = ",".join(name for name in names if ":" not in name)
    return [f"reward=[{chosen}]", *(f"reward.{name}.target={_quoted(target)}" for name, target in own.items())]


def _of_evaluation(section: str, value: str, extra: Sequence[Path]) -> list[str]:
    """Rewrite `evaluation.datasets=[gsm8k,rows.jsonl]`: choices of the group, or values that are none."""
    group, key = EVALUATION_LISTS[section]
    out: list[str] = []
    for item in (word.strip().strip("'\"") for word in value.strip("[]").split(",")):
        if item in choices(group, extra):
            out.append(f"+{group}@{section}.{item}={item}")
            continue
        if not item or (group == "reward" and ":" not in item):
            known = ", ".join(choices(group, extra))
            raise ConfigError(
                f"{section}={value}: '{item}' is no choice of the group {group}"
                f"{did_you_mean(item, choices(group, extra)) or '.'} Choices: {known}."
            )
        # The name in the metrics: the function's, or the file's or hub id's last part without its ending.
        name = item.rpartition(":")[2] if group == "reward" else Path(item).name.split(".")[0] or "data"
        out.append(f"++{section}.{re.sub(r'[^A-Za-z0-9_-]', '_', name)}.{key}={_quoted(item)}")
    return out


def _quoted(value: str) -> str:
    """Quote a path as Hydra's override grammar wants it."""
    return value if _UNQUOTED.fullmatch(value) else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _key(override: str) -> str:
    """The key or group an override sets."""
    return override.partition("=")[0].lstrip("+~")


def _with_recorded(argv: Sequence[str]) -> list[str]:
    """Put the overrides recorded in the run that `resume=` names (its folder, or a checkpoint) before those given."""
    folder = next((a.partition("=")[2].strip("'\"") for a in reversed(argv) if a.startswith("resume=")), "auto")
    if folder in ("auto", "never", "") or "," in folder:
        return list(argv)
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ConfigError(f"resume={folder}: there is no such folder; give a run folder, a checkpoint, auto or never.")
    candidates = [path / "overrides.yaml", path.absolute().parent.parent / "overrides.yaml"]
    file = next((f for f in candidates if f.exists()), candidates[0])
    if not file.exists():
        if list(path.glob("*.safetensors")) or (path / "trainer_state.json").exists():
            return list(argv)  # a checkpoint outside any run: its settings are this command line's
        raise ConfigError(
            f"resume={folder}: the folder has no overrides.yaml, so it is neither a run folder nor a "
            "checkpoint (runs lie in <paths.output_dir>/<name>/<date and time>)."
        )
    given = {_key(a) for a in argv if "=" in a and _OVERRIDE.match(a)}
    # A group chosen now drops the recorded values of its keys only where they were written `model=hub model.name=…`.
    reopened = {key for group, (_, key) in OPEN_GROUPS.items() if group in given}
    recorded = [o for o in read_list(file) if _key(o) not in given | reopened | {"resume", "dry_run"}]
    return [*recorded, *argv]


def _reproducing(argv: Sequence[str]) -> list[str]:
    """Complete `reproduce=<run folder>`: an absolute path, the run's own name, and no resuming.

    Raises:
        ConfigError: the folder is no run, or something else is set that would make it another one.
    """
    given = next((a.partition("=")[2].strip("'\"") for a in reversed(argv) if a.startswith("reproduce=")), "")
    if given in ("", "null"):
        return list(argv)
    path = Path(given).expanduser().absolute()
    if not (path / "config.yaml").exists():
        raise ConfigError(f"reproduce={given}: there is no run in that folder (a run folder holds config.yaml).")
    changes = [a for a in argv if _key(a).split(".")[0] not in REPRODUCE_KEYS or a in ("-m", "--multirun")]
    if changes:
        raise ConfigError(
            f"reproduce={given} takes all settings from that run, so {' '.join(changes)} cannot be given beside it; "
            f"leave it out (allowed: {', '.join(REPRODUCE_KEYS[1:])})."
        )
    from omegaconf import OmegaConf

    name = OmegaConf.select(OmegaConf.load(path / "config.yaml"), "name")
    rest = [a for a in argv if not a.startswith(("reproduce=", "resume="))]
    named = [] if any(a.startswith("name=") for a in rest) or not name else [f"name={_quoted(str(name))}"]
    return [f"reproduce={_quoted(str(path))}", "resume=never", *named, *rest]


def read_list(file: Path) -> list[str]:
    """Read a YAML list of overrides."""
    from omegaconf import ListConfig, OmegaConf

    loaded = OmegaConf.load(file)
    if not isinstance(loaded, ListConfig):
        raise ConfigError(f"{file} should hold a list of overrides, one a line, each like '- training.beta=0.04'.")
    return [str(o) for o in OmegaConf.to_container(loaded)]  # type: ignore[union-attr]
