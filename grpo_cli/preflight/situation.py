"""What the rules look at: a composed configuration, the launch it will get, and the machine. Light."""

from __future__ import annotations

import copy
import functools
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from grpo_cli.config.schema import training_default
from grpo_cli.errors import ConfigError
from grpo_cli.forecast.architecture import Architecture, read_architecture
from grpo_cli.launch.hardware import Gpu, Hardware
from grpo_cli.launch.plan import plan_launch
from grpo_cli.launch.slurm.request import job_hardware
from grpo_cli.preflight.batch import BatchPlan
from grpo_cli.preflight.rows import Rows, known_rows
from grpo_cli.rollout.engine import auto_continuous_batching, auto_vllm
from grpo_cli.rollout.gpus import share_gpus
from grpo_cli.rollout.vllm import vllm_version

_SIZES = ("per_device_train_batch_size", "gradient_accumulation_steps", "num_generations", "num_iterations")
_KEY = re.compile(r"[a-z_]+(?:\.[\w-]+)+")


def is_installed(package: str) -> bool:
    """Whether a package can be imported here; it is looked for, not imported."""
    try:
        return find_spec(package) is not None
    except ValueError:  # a module without a spec, put into sys.modules by hand
        return True


def free_space(path: Path) -> int:
    """Bytes free on the disk under a path, which need not exist yet."""
    there = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    return shutil.disk_usage(there).free


@dataclass(frozen=True)
class Situation:
    """A configuration on a machine.

    Attributes:
        config: the whole configuration as plain containers, references resolved.
        hardware: the machine.
        world_size: processes that will be launched.
        kind: how (cpu, single_gpu, multi_gpu; what was asked for where the launch is refused).
        gpus: the GPUs those processes get.
        refused: why this launch cannot be, one sentence each.
        folder: the run folder; None where there is none yet.
        named: whether the user named that folder.
        env: the environment.
        installed: tells whether a package is there.
        free_bytes: tells how much room a path's disk has.
    """

    config: dict[str, Any]
    hardware: Hardware
    world_size: int = 1
    kind: str = "cpu"
    gpus: tuple[Gpu, ...] = ()
    refused: tuple[str, ...] = ()
    folder: Path | None = None
    named: bool = False
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    installed: Callable[[str], bool] = is_installed
    free_bytes: Callable[[Path], int] = free_space

    @property
    def training(self) -> dict[str, Any]:
        """The `training` section: the keys that are set."""
        return self.config["training"]

    @property
    def on_cpu(self) -> bool:
        """Whether the workers will run on the CPU."""
        return self.kind == "cpu"

    def value(self, key: str) -> Any:
        """A `training` key as the worker will see it: set, or TRL's default, `auto` as far as known here."""
        given = self.training.get(key)
        if given is None:
            return training_default(key)
        if given != "auto":
            return given
        if key == "use_vllm":
            return auto_vllm(on_cpu=self.on_cpu, installed=self.installed("vllm"), version=vllm_version()).value
        if key == "use_transformers_continuous_batching":
            sharding = str(self.config["launch"].get("sharding") or "none")
            use_vllm = bool(self.value("use_vllm"))
            return auto_continuous_batching(use_vllm=use_vllm, cuda=not self.on_cpu, sharding=sharding).value
        return {
            "use_cpu": self.on_cpu,
            "bf16": not self.on_cpu and not self.old_gpu and self.training.get("fp16") is not True,
            "fp16": not self.on_cpu and bool(self.old_gpu) and self.training.get("bf16") is not True,
        }.get(key, given)

    def is_set(self, key: str) -> bool:
        """Whether a `training` key is set to something else than TRL's default."""
        return self.training.get(key) is not None and self.training[key] != training_default(key)

    @property
    def sizes_valid(self) -> bool:
        """Whether the batch sizes are numbers one can divide by (`batch.positive` tells of those that are not)."""
        values = [self.value(key) for key in _SIZES]
        more = [self.training.get(key) for key in ("steps_per_generation", "generation_batch_size")]
        return all(isinstance(v, int) and v >= 1 for v in values) and all(v is None or v >= 1 for v in more)

    @functools.cached_property
    def batch(self) -> BatchPlan:
        """The batches as TRL will form them."""
        return BatchPlan.from_training(self.training, self.world_size, training_default)

    @functools.cached_property
    def rows(self) -> Rows | None:
        """How many prompts there are, as far as that can be told without loading them."""
        return known_rows(self.config["dataset"])

    @functools.cached_property
    def architecture(self) -> Architecture | None:
        """The model's shape, where its config.json is on this machine."""
        model = self.config["model"]
        return read_architecture(str(model["name"]), model.get("revision"), self.env)

    @property
    def old_gpu(self) -> str | None:
        """The name of a GPU of the launch that has no bfloat16 (older than Ampere)."""
        return next((gpu.name for gpu in self.gpus if _OLD.search(gpu.name)), None)

    def changed(self, fix: str) -> Situation | None:
        """The situation with a fix applied; None where the fix does more than set keys (`launch=cpu`)."""
        config = copy.deepcopy(self.config)
        for override in fix.split():
            key, equals, text = override.partition("=")
            if not equals or not _KEY.fullmatch(key):
                return None
            *sections, name = key.split(".")
            if sections[0] in ("launch", "hydra"):
                return None
            node = config
            for section in sections:
                if node.get(section) is None:
                    node[section] = {}
                node = node[section]
            node[name] = _plain(text)
        changed = replace(self, config=config)
        # Counting rows and reading a model's config once is enough.
        for name, section in (("rows", "dataset"), ("architecture", "model")):
            if name in self.__dict__ and config[section] == self.config[section]:
                changed.__dict__[name] = self.__dict__[name]
        return changed


_OLD = re.compile(r"\b(V100|T4|P100|P40|P4|K80|M60|GTX|RTX 20\d\d|Quadro RTX|TITAN)\b", re.IGNORECASE)


def _plain(text: str) -> Any:
    """A value as Hydra reads it, as far as the fixes need it."""
    words = {"true": True, "false": False, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    if text.startswith("["):
        return [_plain(t.strip()) for t in text.strip("[]").split(",") if t.strip()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text.strip("'")


def situation_of(config: dict[str, Any], hardware: Hardware, **facts: Any) -> Situation:
    """Put a configuration onto a machine.

    Args:
        config: the configuration as plain containers.
        hardware: the machine.
        **facts: other fields of `Situation`.
    """
    launch = config["launch"]
    hardware = job_hardware(launch, hardware)
    try:
        trainers, _ = share_gpus(config, hardware)
        plan = plan_launch(launch, config["training"], Path(), hardware=trainers)
    except ConfigError as error:
        wanted = launch.get("num_processes")
        facts["refused"] = tuple(error.problems)
        return Situation(config, hardware, wanted if isinstance(wanted, int) else 1, str(launch["kind"]), **facts)
    return Situation(config, hardware, plan.world_size, plan.kind, plan.gpus, **facts)
