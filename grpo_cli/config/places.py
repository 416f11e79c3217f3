"""Where config files are looked for: ours first, then a `conf/` folder in the working directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def conf_dir() -> Path:
    """Folder of the configs that ship with the program: inside the package, or beside it in a checkout.

    Found through this file, not through `pkg://`, which picks up a stale copy in an editable install.
    """
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def user_conf_dir() -> Path | None:
    """The user's own `./conf`, where there is one and it is not ours (as in a checkout of this project)."""
    mine = Path.cwd() / "conf"
    return mine.resolve() if mine.is_dir() and mine.resolve() != conf_dir().resolve() else None


def search_path(extra: Sequence[Path] = ()) -> list[Path]:
    """Give the folders in the order in which a config is looked for.

    Args:
        extra: folders given with `--config-dir`, which come first.
    """
    mine = user_conf_dir()
    return [*extra, conf_dir(), *([mine] if mine else [])]


def choices(group: str, extra: Sequence[Path] = ()) -> list[str]:
    """List the choices of a config group.

    Args:
        group: name of the group ("model").
        extra: folders given with `--config-dir`.

    Returns:
        Names without `.yaml`, sorted; a choice in a subfolder as `folder/name`.
    """
    found: set[str] = set()
    for place in search_path(extra):
        base = place / group
        found.update(str(f.relative_to(base).with_suffix("")) for f in base.rglob("*.yaml"))
    return sorted(found)


def is_users(group: str, choice: str) -> bool:
    """Tell whether a choice comes from the user's own `./conf` (ours goes first where both have it)."""
    return user_conf_dir() is not None and not (conf_dir() / group / f"{choice}.yaml").exists()


def groups(extra: Sequence[Path] = ()) -> list[str]:
    """List the config groups, in the order of the defaults list, then those only the user has."""
    order = [
        "model", "dataset", "reward", "training", "algorithm", "rollout", "peft", "guard", "doctor",
        "launch", "evaluation", "report", "tracker", "experiment", "debug", "paths",
    ]  # fmt: skip
    there = {d.name for place in search_path(extra) for d in place.iterdir() if d.is_dir()}
    return [g for g in order if g in there] + sorted(there - set(order) - {"hydra"})
