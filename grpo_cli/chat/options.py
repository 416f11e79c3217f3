"""What `grpo-chat` is asked for, and where that run's models and habits stand. Light."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo_cli.config.suggest import meant_or_known
from grpo_cli.errors import ConfigError
from grpo_cli.runs.checkpoints import COMPLETE_MARK, latest_checkpoint
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read
from grpo_cli.runs.result import read_result


@dataclass
class ChatOptions:
    """The command line, `key=value` each; None: as the run had it."""

    run: str = ""
    base: bool = True
    temperature: float | None = None
    max_new_tokens: int | None = None
    system: str | None = None
    history: bool | None = None
    seed: int = 0


@dataclass(frozen=True)
class Subject:
    """Who one talks to.

    Attributes:
        model: folder of the trained model or checkpoint.
        config: the run's frozen configuration.
        temperature: of sampling, as in training.
        max_new_tokens: the longest answer, as in training.
        system: the system message of the training prompts, if they had one.
        several_turns: whether training prompts held a conversation rather than one question.
    """

    model: Path
    config: dict[str, Any]
    temperature: float
    max_new_tokens: int
    system: str | None
    several_turns: bool


def parse(arguments: Sequence[str]) -> ChatOptions:
    """Read the command line.

    Raises:
        ConfigError: an unknown key, a value of the wrong kind, or no run.
    """
    options = ChatOptions()
    known = [field.name for field in dataclasses.fields(ChatOptions)]
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals and not options.run and Path(key).expanduser().is_dir():
            options.run = key
        elif key not in known or not equals:
            raise ConfigError(f"grpo-chat has no setting {key}{meant_or_known(key, known)}")
        else:
            setattr(options, key, _READ[key](key, value))
    if not options.run:
        raise ConfigError("Which run? Write grpo-chat run=outputs/<name>/<date and time>, or one of its checkpoints.")
    return options


def find(options: ChatOptions) -> Subject:
    """Find the model and what is known of how it was trained.

    Raises:
        ConfigError: nothing there to talk to.
    """
    from omegaconf import OmegaConf

    path = Path(options.run).expanduser().absolute()
    if not path.is_dir():
        raise ConfigError(f"run={options.run}: there is no such folder.")
    inside = [path, path.parent, path.parent.parent]  # a run, its model/, one of its checkpoints
    root = next((p for p in inside if (p / "config.yaml").exists()), None)
    if root is None:
        raise ConfigError(f"run={options.run} is neither a run folder nor a checkpoint of one (no config.yaml there).")
    folder = RunFolder(root)
    config = OmegaConf.to_container(OmegaConf.load(folder.config), resolve=False)
    assert isinstance(config, dict)
    training = config.get("training") or {}
    first = next(read(folder.completions("train")), {})
    messages = first.get("prompt") if isinstance(first.get("prompt"), list) else []
    assert isinstance(messages, list)
    system = next((str(m.get("content")) for m in messages if m.get("role") == "system"), None)
    return Subject(
        model=_model_in(path, folder, options.run),
        config={str(key): value for key, value in config.items()},
        temperature=_or(options.temperature, float(training.get("temperature") or 1.0)),
        max_new_tokens=_or(options.max_new_tokens, int(training.get("max_completion_length") or 256)),
        system=_or(options.system, system) or None,
        several_turns=_or(options.history, sum(m.get("role") != "system" for m in messages) > 1),
    )


def _model_in(path: Path, folder: RunFolder, shown: str) -> Path:
    """The model of a run folder, or the checkpoint or model folder that was named itself."""
    if path != folder.root:
        if path == folder.model or (path / COMPLETE_MARK).exists():
            return path
        raise ConfigError(f"run={shown} is no complete checkpoint; give the run folder, or another checkpoint.")
    if folder.model.is_dir():
        return folder.model
    status = read_result(folder).get("status") or "not finished"
    checkpoint = latest_checkpoint(folder.checkpoints)
    instead = f"talk to its last checkpoint with run={checkpoint}" if checkpoint else "nor has it saved a checkpoint"
    raise ConfigError(f"run={shown}: that run is {status} and has no model/ yet; {instead}.")


def _or(given: Any, otherwise: Any) -> Any:
    return otherwise if given is None else given


def _text(key: str, value: str) -> str:
    return value


def _truth(key: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ConfigError(f"{key}={value}: write {key}=true or {key}=false.")
    return value.lower() == "true"


def at_least(least: float, kind: type) -> Callable[[str, str], Any]:
    """A reader of numbers that are not below `least`."""

    def number(key: str, value: str) -> Any:
        try:
            found = kind(value)
        except ValueError:
            found = None
        if found is None or not least <= found < float("inf"):
            what = "a whole number" if kind is int else "a number"
            raise ConfigError(f"{key}={value}: it must be {what} of at least {least:g}.")
        return found

    return number


_READ: dict[str, Callable[[str, str], Any]] = {
    "run": _text,
    "base": _truth,
    "temperature": at_least(0, float),
    "max_new_tokens": at_least(1, int),
    "system": _text,
    "history": _truth,
    "seed": at_least(0, int),
}
