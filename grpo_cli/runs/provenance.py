"""`provenance.json`: what one needs to know to get the same run again, gathered without heavy imports."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import grpo_cli
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_json
from grpo_cli.runs.result import now, read_json

PACKAGES = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "deepspeed",
    "flash-attn",
    "hydra-core",
    "numpy",
    "omegaconf",
    "peft",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
    "vllm",
)
RELEVANT_ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "MKL_NUM_THREADS",
    "NCCL_DEBUG",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTORCH_CUDA_ALLOC_CONF",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_ID",
    "SLURM_JOB_NODELIST",
    "SLURM_JOB_PARTITION",
    "SLURM_RESTART_COUNT",
)
SECRET_WORDS = ("token", "key", "secret", "password")


def redact(argument: str) -> str:
    """Blank the value of an override whose last key names a secret (`training.hub_token=…`)."""
    key, sign, value = argument.partition("=")
    words = key.rsplit(".", 1)[-1].lower().split("_")
    return f"{key}=<redacted>" if sign and value and any(w in SECRET_WORDS for w in words) else argument


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that a run's numbers depend on."""
    versions = {"python": platform.python_version(), "grpo-train": grpo_cli.__version__}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_state(directory: Path) -> tuple[dict[str, Any] | None, str]:
    """The commit of the repository a directory lies in, and the patch of what is not committed.

    Returns:
        ({"sha", "branch", "dirty", "untracked"} or None outside a repository or without git, the patch).
    """

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, timeout=10, check=True)
        return done.stdout.decode(errors="replace")

    try:
        sha = git("rev-parse", "HEAD").strip()
        status = git("status", "--porcelain").splitlines()
        patch = git("diff", "HEAD") if any(not line.startswith("??") for line in status) else ""
        branch = git("rev-parse", "--abbrev-ref", "HEAD").strip()
    except (OSError, subprocess.SubprocessError):
        return None, ""
    untracked = [line[3:] for line in status if line.startswith("??")]
    return {"sha": sha, "branch": branch, "dirty": bool(status), "untracked": untracked}, patch


def write_provenance(folder: RunFolder, **facts: Any) -> None:
    """Write what is known when the run starts: command, code, packages, and the facts given.

    Args:
        folder: the run; a patch of uncommitted work goes to `logs/git.patch` beside it.
        facts: further entries (hardware, launch, rewards, …).
    """
    git, patch = git_state(Path.cwd())
    if patch:
        (folder.logs / "git.patch").write_text(patch, encoding="utf-8")
    add_provenance(
        folder,
        command=[redact(a) for a in sys.argv],
        working_directory=str(Path.cwd()),
        created=now(),
        git=git,
        packages=package_versions(),
        platform={"system": platform.platform(), "machine": platform.machine()},
        environment={k: v for k, v in sorted(os.environ.items()) if k in RELEVANT_ENVIRONMENT},
        **facts,
    )


def add_provenance(folder: RunFolder, **facts: Any) -> None:
    """Merge facts that are known later (data fingerprints, resolved `auto` values) into `provenance.json`."""
    write_json(folder.provenance, {**read_json(folder.provenance), **facts})
