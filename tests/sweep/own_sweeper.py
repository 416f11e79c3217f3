"""A Hydra sweeper of the user's own, as a plugin in a folder of theirs: `hydra/sweeper=own`."""

import os
import textwrap
from pathlib import Path

from real_runs import REPOSITORY

_START = """import json
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper


@dataclass
class Conf:
    _target_: str = "hydra_plugins.own.sweeper.Own"


ConfigStore.instance().store(group="hydra/sweeper", name="own", node=Conf)


class Own(Sweeper):
    def setup(self, *, hydra_context, task_function, config):
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

"""


def write_sweeper(place: Path, methods: str) -> str:
    """Write the plugin; its `sweep(arguments)` and what else it needs are given as text.

    Returns:
        A PYTHONPATH under which Hydra finds it.
    """
    package = place / "hydra_plugins" / "own"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "sweeper.py").write_text(_START + textwrap.indent(textwrap.dedent(methods).strip("\n"), " " * 4) + "\n")
    return os.pathsep.join([str(place), os.environ.get("PYTHONPATH", str(REPOSITORY))])
