"""Trackers and the hub without a login: the run would stop, or wait for an answer, when it starts to log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grpo_cli.preflight.finding import NOTE, WARNING, Finding
from grpo_cli.preflight.situation import Situation

# Tracker → the environment variable with its key, how else to log in.
_KEYS = {
    "wandb": ("WANDB_API_KEY", "wandb login"),
    "comet_ml": ("COMET_API_KEY", "comet login"),
    "neptune": ("NEPTUNE_API_TOKEN", "export NEPTUNE_API_TOKEN=…"),
    "swanlab": ("SWANLAB_API_KEY", "swanlab login"),
}
_OFFLINE = ("offline", "disabled", "dryrun")


def login(situation: Situation) -> Iterator[Finding]:
    """A tracker that wants a key where there is none."""
    given = situation.training.get("report_to") or []
    trackers = [str(name) for name in (given if isinstance(given, list) else [given])]
    env = {**situation.env, **{k: str(v) for k, v in (situation.config["launch"].get("env") or {}).items()}}
    for name in trackers:
        if name not in _KEYS or not situation.installed(name):
            continue
        variable, how = _KEYS[name]
        if env.get(variable) or (name == "wandb" and (env.get("WANDB_MODE") in _OFFLINE or _in_netrc(env))):
            continue
        if (Path(env.get("HOME", "~")).expanduser() / f".{name.removesuffix('_ml')}.config").exists():
            continue
        offline = ("launch.env.WANDB_MODE=offline",) if name == "wandb" else ()
        yield Finding(
            "tracker.login",
            WARNING,
            "training.report_to",
            f"training.report_to={name} and nobody is logged in ({variable} is not set)",
            f"A worker has no terminal to ask in, so the tracker stops the run at its first log. Or: {how}.",
            (*offline, "tracker=none"),
        )


def _in_netrc(env: dict[str, str]) -> bool:
    """Whether `wandb login` has left a key."""
    home = Path(env.get("HOME", "~")).expanduser()
    for file in (Path(env["NETRC"]) if env.get("NETRC") else home / ".netrc", home / "_netrc"):
        try:
            if "wandb" in file.read_text("utf-8", "replace"):
                return True
        except OSError:
            continue
    return False


def hub(situation: Situation) -> Iterator[Finding]:
    """Pushing to the hub without a token."""
    if not situation.value("push_to_hub"):
        return
    env = situation.env
    home = Path(env.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    file = Path(env["HF_TOKEN_PATH"]) if env.get("HF_TOKEN_PATH") else home / "token"
    known = env.get("HF_TOKEN") or env.get("HUGGING_FACE_HUB_TOKEN") or situation.value("hub_token")
    if not known and not file.is_file():
        yield Finding(
            "tracker.hub_login",
            WARNING,
            "training.push_to_hub",
            "training.push_to_hub=true and there is no token for the hub (HF_TOKEN is not set)",
            "The run would fail when it makes the repository. Or: hf auth login.",
            ("training.push_to_hub=false",),
        )


def completions_table(situation: Situation) -> Iterator[Finding]:
    """TRL's own table of completions, beside the run folder's."""
    if situation.value("log_completions"):
        yield Finding(
            "tracker.completions",
            NOTE,
            "training.log_completions",
            "training.log_completions=true prints and uploads TRL's own table",
            "Every completion is in the run folder's completions/ anyway.",
            ("training.log_completions=false",),
        )


RULES = (login, hub, completions_table)
