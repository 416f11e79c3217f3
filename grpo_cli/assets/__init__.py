"""What ships inside the package: the embedded model and the scripts that make it.

Light: this module only knows where the folder is; loading it is transformers' work.
"""

from __future__ import annotations

from pathlib import Path

EMBEDDED_MODEL = Path(__file__).parent / "embedded"
"""Weights, tokenizer and chat template, as `AutoModelForCausalLM.from_pretrained` takes them."""


def model_path(name: str) -> str:
    """Turn `model.name` into what `from_pretrained` takes: the shipped folder for "embedded", else the name."""
    return str(EMBEDDED_MODEL) if name == "embedded" else name
