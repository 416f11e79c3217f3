"""Hydra, tamed: composes a job's config, says in one sentence what is wrong with it, leaves nothing behind.

Hydra runs here and nowhere else: the workers read the frozen file. All its own habits stay (`--cfg job`, `--info`,
`-m`, `--config-dir`, `--config-name`, tab completion); what is added: our schema as the bottom layer of every
composition, the user's `./conf` behind ours, model and dataset by name or path, and errors a person can act on.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from grpo_cli.config import places, schema
from grpo_cli.config.command_line import check_options, config_dirs, rewrite
from grpo_cli.config.run_mode import looked_up_once
from grpo_cli.errors import ConfigError

Job = Callable[[DictConfig, list[str]], float | list[float] | None]

_FULL_ERROR = "HYDRA_FULL_ERROR"


class UserConf(SearchPathPlugin):
    """Appends the user's `./conf`: prepended, any other project's `conf/` would replace ours."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folder, where it exists and is not ours."""
        mine = places.user_conf_dir()
        if mine is not None:
            search_path.append("user", f"file://{mine}")


def register() -> None:
    """Put the schema and the user's search path into Hydra."""
    node = OmegaConf.create(schema.defaults())
    for key in node:
        if isinstance(node[key], DictConfig):
            # Open for keys that no file has set yet, so that `training.beta=0.04` needs no `+`; the check that follows
            # knows every valid key, and suggests the right one.
            node[key]._set_flag("struct", False)
    ConfigStore.instance().store(name="grpo_train_schema", node=node, provider="grpo-train")
    Plugins.instance().register(UserConf)


def run(argv: Sequence[str], job: Job, program: str = "grpo-train") -> None:
    """Compose, check and run: one job, with -m several, or one of Hydra's own commands (--cfg, --info, …).

    Args:
        argv: the command line without the program's name.
        job: gets the checked config and its overrides as given; its return value goes to the sweeper.
        program: name for Hydra's usage lines.

    Raises:
        ConfigError: the command line, a config file or the composed config is wrong.
        Exception: whatever the job raised, as it raised it.
    """
    wanted_by_user = os.environ.get(_FULL_ERROR)
    completing = any(a.startswith(("--shell-completion", "-sc")) for a in argv)
    arguments = list(argv) if completing else rewrite(argv)
    check_options(arguments)
    sys.argv = [sys.argv[0] if completing else program, *arguments]
    register()
    main = hydra.main(version_base="1.3", config_path=str(places.conf_dir()), config_name="train")
    task = Task(job, wanted_by_user)
    os.environ[_FULL_ERROR] = "1"  # in this process only: lets the original exceptions through
    mine = places.user_conf_dir()
    folders = [places.conf_dir(), *([mine] if mine else []), *config_dirs(argv)]
    try:
        with looked_up_once(arguments, folders):
            main(task.__call__)()
    except Exception as e:
        if e in task.raised or wanted_by_user == "1":
            raise
        from grpo_cli.config.hydra_errors import explain  # only an error needs it

        explained = explain(e, config_dirs(argv))
        if explained is None and isinstance(e, OSError) and e.filename:
            explained = ConfigError(
                f"The run folder {e.filename} cannot be made: {e.strerror}; write paths.output_dir=<a folder you may "
                "write to>."
            )
        if explained is None:
            raise
        raise explained from None
    finally:
        _restore(wanted_by_user)
    if task.raised:
        raise task.raised[0]


def _restore(value: str | None) -> None:
    """Give the environment back as the user had it."""
    os.environ.pop(_FULL_ERROR, None)
    if value is not None:
        os.environ[_FULL_ERROR] = value


class Task:
    """A job as Hydra calls it: checked first, with our environment variable kept from its children.

    Args:
        job: what to run on a checked config.
        wanted_by_user: HYDRA_FULL_ERROR as the user has it.
    """

    def __init__(self, job: Job, wanted_by_user: str | None) -> None:
        self.job = job
        self.wanted_by_user = wanted_by_user
        self.raised: list[Exception] = []

    def __call__(self, cfg: DictConfig) -> float | list[float] | None:
        """Check the config and run the job."""
        multirun = HydraConfig.get().mode == RunMode.MULTIRUN
        # Unresolved: an override may refer to a secret, or to nothing that exists.
        overrides = [str(o) for o in OmegaConf.to_container(HydraConfig.get().overrides.task)]  # type: ignore[union-attr]
        try:
            if not multirun:  # a sweep checks job by job itself, since one bad job does not end it
                check_or_discard(cfg, run_folder())
            _restore(self.wanted_by_user)
            return self.job(cfg, overrides)
        except Exception as e:
            self.raised.append(e)
            if multirun:
                raise  # the sweeper wants to know which job failed
            return None  # raised again after Hydra is done, without Hydra's own lines about it
        finally:
            os.environ[_FULL_ERROR] = "1"


def check_or_discard(cfg: DictConfig, folder: Path) -> None:
    """Check a config; where it is wrong, remove the run folder that Hydra has made already.

    Args:
        cfg: the composed config.
        folder: the run folder.

    Raises:
        ConfigError: with every problem found.
    """
    from grpo_cli.config.validate import check  # showing a config (--cfg) does not need it

    try:
        check(cfg)
    except ConfigError:
        top = OmegaConf.select(cfg, "paths.output_dir", throw_on_resolution_failure=False)
        discard_empty(folder, Path(str(top)) if top else folder.parent)
        raise


def discard_empty(folder: Path, top: Path) -> None:
    """Remove a run folder that nothing was written to, and the folders above it that held only it.

    Args:
        folder: the run folder (or a multirun job's).
        top: the last folder that may go (`paths.output_dir`).
    """
    folder, top = folder.resolve(), top.resolve()
    with contextlib.suppress(OSError):
        folder.rmdir()
        for above in folder.parents:
            if top != above and top not in above.parents:
                break
            above.rmdir()


def run_folder() -> Path:
    """Folder of the job that is running; to be called inside a job."""
    return Path(HydraConfig.get().runtime.output_dir)
