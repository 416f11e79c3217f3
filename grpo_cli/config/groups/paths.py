"""`paths`: where files go."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import option


@dataclass
class PathsConfig:
    """Folders; relative ones start at the working directory."""

    output_dir: str = option("outputs", help="Run folders are made here: <output_dir>/<name>/<date and time>.")
