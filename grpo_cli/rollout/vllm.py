"""The installed vLLM, and the versions the installed TRL takes; both read without importing either."""

from __future__ import annotations

import functools
import re
from importlib import metadata

from grpo_cli.config.trl_fields import package_dir

_RANGE = re.compile(r'Version\("([\d.]+)"\) <= \w+ <= Version\("([\d.]+)"\)')


@functools.lru_cache(maxsize=1)
def supported_versions() -> tuple[str, str] | None:
    """The first and the last vLLM that the installed TRL takes, as `is_vllm_available` states them.

    Returns:
        (first, last), both included; None where TRL's source does not say.
    """
    found = _RANGE.search((package_dir("trl") / "import_utils.py").read_text(encoding="utf-8"))
    return (found[1], found[2]) if found else None


def vllm_version() -> str | None:
    """The version of the installed vLLM; None where there is none."""
    try:
        return metadata.version("vllm")
    except metadata.PackageNotFoundError:
        return None


def version_problem(version: str | None) -> str | None:
    """Say why TRL does not take a vLLM.

    Args:
        version: of the installed vLLM; None where its metadata does not tell.

    Returns:
        A clause ("vllm 0.11.0 is installed and TRL takes 0.22.0 to 0.31.0"), or None where it fits.
    """
    supported = supported_versions()
    if version is None or supported is None:
        return None
    from packaging.version import InvalidVersion, Version

    try:
        # Without the local part ("+cu129"), which orders above the plain release.
        release = Version(Version(version).base_version)
    except InvalidVersion:
        return None
    if Version(supported[0]) <= release <= Version(supported[1]):
        return None
    return f"vllm {version} is installed and TRL takes {supported[0]} to {supported[1]}"
