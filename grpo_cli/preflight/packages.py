"""Optional packages that a configuration needs: looked for, not imported, in the environment the workers will have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from grpo_cli.config.suggest import meant_or_known

# How an optimizer's name in `training.optim` tells which package it comes from; the first that matches counts.
# (transformers looks for it only when training starts, after the model is loaded.)
OPTIMIZERS: tuple[tuple[str, str, str], ...] = (
    # names, package as imported, package as installed
    (r"galore_.*", "galore_torch", "galore-torch"),
    (r"apollo_.*", "apollo_torch", "apollo-torch"),
    (r"adamw_torch_[48]bit", "torchao", "torchao"),
    (r".*_bnb.*|paged_.*|.*_8bit|ademamix|lion_32bit", "bitsandbytes", "bitsandbytes"),
    (r"lomo|adalomo", "lomo_optim", "lomo-optim"),
    (r"grokadamw", "grokadamw", "grokadamw"),
    (r"schedule_free_.*", "schedulefree", "schedulefree"),
    (r"stable_adamw", "optimi", "torch-optimi"),
    (r"adamw_anyprecision", "torchdistx", "torchdistx"),
    (r"adamw_torch_xla", "torch_xla", "torch-xla"),
    (r"adamw_torch_npu_fused", "torch_npu", "torch-npu"),
)
# Trackers in `training.report_to`: packages as imported (any one of them will do), package as installed.
TRACKERS: dict[str, tuple[tuple[str, ...], str]] = {
    "tensorboard": (("tensorboard", "tensorboardX"), "tensorboard"),
    "wandb": (("wandb",), "wandb"),
    "trackio": (("trackio",), "trackio"),
    "mlflow": (("mlflow",), "mlflow"),
    "comet_ml": (("comet_ml",), "comet-ml"),
    "clearml": (("clearml",), "clearml"),
    "codecarbon": (("codecarbon",), "codecarbon"),
    "dagshub": (("dagshub",), "dagshub"),
    "dvclive": (("dvclive",), "dvclive"),
    "flyte": (("flytekit",), "flytekit"),
    "neptune": (("neptune",), "neptune"),
    "swanlab": (("swanlab",), "swanlab"),
}
# What else `training.report_to` may say.
OTHER_TRACKERS = ("none", "all", "azure_ml", "kubeflow")


def package_problems(
    config: Mapping[str, Any], on_cpu: bool, installed: Callable[[str], bool] | None = None
) -> list[str]:
    """Name the packages that are missing for what a configuration asks for.

    Args:
        config: the composed configuration as plain containers.
        on_cpu: whether the workers will run on the CPU (`hardware_problems` then refuses what needs a GPU).
        installed: tells whether a package is there; looked for in this environment when not given.

    Returns:
        One sentence per problem: the setting, what to install, and what to write to do without.
    """
    unknown = [name for name in _trackers(config["training"]) if name not in (*TRACKERS, *OTHER_TRACKERS)]
    return [
        *(f"training.report_to cannot be {name}{meant_or_known(name, TRACKERS)}" for name in unknown),
        *(
            f"{setting} needs the package {install}, which is not installed: pip install {install}, or write {instead}."
            for setting, packages, install, instead in _needed(config, on_cpu)
            if not any((installed or _installed)(package) for package in packages)
        ),
    ]


def _needed(config: Mapping[str, Any], on_cpu: bool) -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    """Yield (setting, packages of which one will do, what to install, what to write instead)."""
    training, model, method = config["training"], config["model"], config["peft"]["method"]
    if method != "none":
        yield f"peft={method}", ("peft",), "peft", "peft=none"
    if method == "qlora" and not on_cpu:
        yield "peft=qlora", ("bitsandbytes",), "bitsandbytes", "peft=lora"
    if training.get("use_vllm") is True and not on_cpu:
        yield "training.use_vllm=true", ("vllm",), "vllm", "rollout=transformers"
    if training.get("use_liger_kernel") is True:
        yield "training.use_liger_kernel=true", ("liger_kernel",), "liger-kernel", "training.use_liger_kernel=false"
    sharding = str((config.get("launch") or {}).get("sharding", "none"))
    if sharding.startswith("zero"):
        yield f"launch.sharding={sharding}", ("deepspeed",), "deepspeed", "launch.sharding=none"
    if training.get("deepspeed"):
        yield "training.deepspeed", ("deepspeed",), "deepspeed", "training.deepspeed=null"
    if str(model["attn_implementation"]).startswith("flash_attention") and not on_cpu:
        setting = f"model.attn_implementation={model['attn_implementation']}"
        # transformers takes the same kernels from the hub where the package `kernels` is installed.
        packages = ("flash_attn_interface" if setting.endswith("3") else "flash_attn", "kernels")
        yield setting, packages, "kernels", "model.attn_implementation=sdpa"
    optimizer = str(training.get("optim") or "")
    for names, package, install in OPTIMIZERS:
        if re.fullmatch(names, optimizer):
            yield f"training.optim={optimizer}", (package,), install, "training.optim=adamw_torch"
            break
    for tracker in _trackers(training):
        if tracker in TRACKERS:
            yield f"training.report_to={tracker}", *TRACKERS[tracker], "tracker=none"


def _trackers(training: Mapping[str, Any]) -> list[str]:
    names = training.get("report_to") or []
    return [str(name) for name in names] if isinstance(names, list) else [str(names)]


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # a module without a spec, put into sys.modules by hand
        return True
