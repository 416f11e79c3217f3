"""Adapters: what becomes of them at the end."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.preflight.finding import WARNING, Finding
from grpo_cli.preflight.situation import Situation


def kept_dora(situation: Situation) -> Iterator[Finding]:
    """A DoRA adapter kept apart, which transformers loads without its magnitudes."""
    peft = situation.config["peft"]
    if peft["method"] != "none" and peft["use_dora"] and not peft["merge"]:
        yield Finding(
            "peft.kept_dora",
            WARNING,
            "peft.merge",
            "peft.merge=false keeps a DoRA adapter, of which AutoModelForCausalLM.from_pretrained loses the magnitudes",
            "It loads and answers as another model; peft's own AutoPeftModelForCausalLM reads it rightly.",
            ("peft.merge=true",),
        )


RULES = (kept_dora,)
