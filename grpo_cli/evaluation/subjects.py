"""What `grpo-eval` evaluates: models, runs, checkpoints, a model behind an endpoint. Light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grpo_cli.config.command_line import read_list
from grpo_cli.config.suggest import nearest
from grpo_cli.errors import ConfigError
from grpo_cli.runs.checkpoints import is_complete, step_of
from grpo_cli.runs.folder import RunFolder

# Words of grpo-eval's own; everything else on its command line is an override of grpo-train.
OWN = ("run", "model", "checkpoints", "endpoint", "api_key_env", "fresh", "cache")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Subject:
    """One model to evaluate.

    Attributes:
        label: how tables call it.
        name: a folder, a hub id, or the endpoint's name for it; None for the model of the configuration.
        step: optimizer steps it has had, where that is known.
    """

    label: str
    name: str | None
    step: int | None = None


@dataclass(frozen=True)
class Asked:
    """A command line of `grpo-eval`, understood.

    Attributes:
        overrides: for the composer.
        subjects: what is evaluated; the first is what the others are compared with.
        run: the first run's folder; None where only models are named.
        endpoint: address of an OpenAI-compatible service; None to load the models here.
        api_key_env: name of the environment variable with its key.
        fresh: generate anew what the cache holds.
        cache: folder of the cache; None for the user's own.
        as_json: print JSON.
        own_data: whether the command line names the data itself.
    """

    overrides: list[str]
    subjects: list[Subject]
    run: RunFolder | None = None
    endpoint: str | None = None
    api_key_env: str | None = None
    fresh: bool = False
    cache: str | None = None
    as_json: bool = False
    own_data: bool = False


def understand(argv: Sequence[str]) -> Asked:
    """Separate what is grpo-eval's own from overrides, and find the models.

    Args:
        argv: the command line.

    Returns:
        What was asked for.

    Raises:
        ConfigError: a folder that is no run, a checkpoint that is not there, nothing to evaluate.
    """
    given: dict[str, str] = {}
    rest: list[str] = []
    for word in argv:
        name, equals, value = word.partition("=")
        if equals and name in OWN:
            given[name] = value
        elif word != "--json":
            _refuse_misspelled(word)
            rest.append(word)
    runs, models = words(given.get("run", "")), words(given.get("model", ""))
    if given.get("endpoint") and (runs or not models):
        raise ConfigError("endpoint=<address> asks a service: name its models with model=<name>, and no run=.")
    of_runs = [found for folder in runs for found in _of_run(Path(folder).expanduser(), given.get("checkpoints"))]
    if given.get("checkpoints") and not runs:
        raise ConfigError("checkpoints=… are a run's: name it with run=<run folder>.")
    subjects = [
        Subject(f"{folder}: {one.label}", one.name, one.step) if len(runs) > 1 else one for folder, one in of_runs
    ]
    subjects += [Subject(model, model) for model in models]
    if not subjects:
        raise ConfigError(
            "There is nothing to evaluate: write run=<run folder>, or model=<hub id or folder> dataset=<data>."
        )
    folder = _run_folder(Path(runs[0]).expanduser()) if runs else None
    recorded = _recorded(folder, rest) if folder else []
    chosen = [] if folder else _model_override(models[0], bool(given.get("endpoint")))
    return Asked(
        overrides=[*recorded, *chosen, *rest],
        subjects=subjects,
        run=folder,
        endpoint=given.get("endpoint"),
        api_key_env=given.get("api_key_env"),
        fresh=_flag("fresh", given.get("fresh", "false")),
        cache=given.get("cache"),
        as_json="--json" in argv,
        own_data=any(word.split("=")[0].split(".")[0].lstrip("+~") == "dataset" for word in rest),
    )


def words(value: str) -> list[str]:
    """The items of `a,b` or `[a,b]`."""
    return [item.strip().strip("'\"") for item in value.strip("[]").split(",") if item.strip()]


def _of_run(path: Path, checkpoints: str | None) -> list[tuple[str, Subject]]:
    """The models of a run: its final one, or checkpoints."""
    if step_of(path) >= 0:
        if not path.is_dir():
            raise ConfigError(f"run={path}: there is no such checkpoint.")
        return [(str(path.parent.parent), Subject(path.name, str(path), step_of(path)))]
    folder = _run_folder(path)
    there = {step_of(p): p for p in folder.checkpoints.glob("checkpoint-*") if step_of(p) >= 0 and is_complete(p)}
    if checkpoints is None:
        if not folder.model.is_dir():
            steps = f"; it has checkpoints: write checkpoints={max(there)} or checkpoints=all" if there else ""
            raise ConfigError(f"run={path}: the run has no model/, since it did not come to its end{steps}.")
        return [(str(path), Subject("model", str(folder.model)))]
    if not there:
        raise ConfigError(f"run={path}: the run has no complete checkpoint.")
    if checkpoints == "all":
        chosen = sorted(there)
        return [(str(path), Subject("step 0", None, 0)), *((str(path), _checkpoint(there[s])) for s in chosen)]
    found = []
    for word in words(checkpoints):
        step = max(there) if word in ("last", "latest") else int(word) if word.isdecimal() else -1
        if step not in there:
            known = ", ".join(map(str, sorted(there)))
            raise ConfigError(f"checkpoints={word}: there is no such checkpoint; write all, last, or of {known}.")
        found.append((str(path), _checkpoint(there[step])))
    return found


def _checkpoint(path: Path) -> Subject:
    return Subject(f"step {step_of(path)}", str(path), step_of(path))


def _run_folder(path: Path) -> RunFolder:
    folder = RunFolder((path.parent.parent if step_of(path) >= 0 else path).absolute())
    if not folder.overrides.is_file():
        raise ConfigError(
            f"run={path} is no run folder (it holds no overrides.yaml); runs lie in <paths.output_dir>/<name>/<date "
            "and time>. For a model, write model=<folder>."
        )
    return folder


def _recorded(folder: RunFolder, given: Sequence[str]) -> list[str]:
    """The run's own overrides, without those given anew and those about starting."""
    anew = {word.partition("=")[0].lstrip("+~") for word in given}
    reopened = {"dataset.path"} if "dataset" in anew else set()
    starting = {"resume", "dry_run", "display", "hydra.run.dir"}
    keys = anew | reopened | starting
    return [o for o in read_list(folder.overrides) if o.partition("=")[0].lstrip("+~") not in keys]


def _model_override(model: str, endpoint: bool) -> list[str]:
    """The model for the composer; what an endpoint calls it need not be a hub id."""
    return ["model=hub", f"model.name='{model}'"] if endpoint else [f"model={model}"]


def _flag(name: str, value: str) -> bool:
    if value.lower() not in (*_TRUE, *_FALSE):
        raise ConfigError(f"{name}={value}: write {name}=true or {name}=false.")
    return value.lower() in _TRUE


def _refuse_misspelled(word: str) -> None:
    """An option, or a word nearly one of grpo-eval's own."""
    name = word.partition("=")[0]
    if name in ("-m", "--multirun"):
        raise ConfigError("grpo-eval evaluates under one configuration: leave out -m; give several models instead.")
    if word.startswith("--") and nearest(word, ["--json"], 0.8):
        raise ConfigError(f"There is no option {word}; did you mean --json?")
    if name not in OWN and (meant := nearest(name, OWN, 0.8)):
        raise ConfigError(f"{name}: no such key; did you mean {meant}?")
