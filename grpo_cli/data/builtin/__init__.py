"""Data sets that need no network: generated from a seed, or taken from Python itself.

Light (standard library only). Each function returns `{"train": rows, "test": rows}`, rows being dictionaries.
"""

from __future__ import annotations

from grpo_cli.data.builtin.addition import addition
from grpo_cli.data.builtin.code import code
from grpo_cli.data.builtin.zen import zen

__all__ = ["addition", "code", "zen"]
