"""Keys that cost memory: a reference model, an adapter where none can be, and the forecast against what is there."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.forecast.memory import forecast
from grpo_cli.forecast.savings import savings
from grpo_cli.forecast.setup import available, setup_of
from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding
from grpo_cli.preflight.show import size
from grpo_cli.preflight.situation import Situation


def reference_copy(situation: Situation) -> Iterator[Finding]:
    """The second model that beta costs without an adapter."""
    if situation.value("beta") <= 0 or situation.config["peft"]["method"] != "none":
        return
    shape = situation.architecture
    how_much = f" ({size(shape.parameters * 4)} in float32)" if shape else ""
    yield Finding(
        "memory.reference",
        NOTE,
        "training.beta",
        f"training.beta={situation.value('beta'):g} keeps a reference model beside the policy{how_much}",
        "Every completion goes through both. With an adapter the reference is the model without it, at no cost.",
        ("training.beta=0", "peft=lora"),
    )


def adapter_on_head(situation: Situation) -> Iterator[Finding]:
    """An adapter on the output projection, which TRL's fused projection would not see."""
    peft = situation.config["peft"]
    targets = peft["target_modules"]
    if peft["method"] == "none" or not isinstance(targets, list) or "lm_head" not in targets:
        return
    others = [name for name in targets if name != "lm_head"]
    fixes = [f"peft.target_modules=[{','.join(others)}]"] if others else []
    yield Finding(
        "memory.adapter_on_head",
        ERROR,
        "peft.target_modules",
        "peft.target_modules names lm_head, which cannot have an adapter",
        "TRL computes log-probabilities from lm_head.weight itself, would never train the adapter, and so refuses.",
        (*fixes, "peft.target_modules=auto"),
    )


def fits(situation: Situation) -> Iterator[Finding]:
    """The forecast against the memory of the GPU, or of the machine for ranks on the CPU."""
    setup, there = setup_of(situation), available(situation)
    if setup is None or there is None:
        return
    where = "each process's share of the memory" if situation.on_cpu else f"a {situation.gpus[0].name}"
    needed = forecast(setup)
    if needed.peak <= there:
        return
    best = savings(setup)
    enough = [s.override for s in best if needed.peak - s.bytes <= there]
    yield Finding(
        "memory.forecast",
        WARNING,
        "model.name",
        f"about {size(needed.peak)} are needed in the phase '{needed.peak_phase}', and {where} has {size(there)}",
        "It is a forecast from the model's shape and the settings (docs/preflight.md says how good); out of memory at "
        "step 1 is what it stands for.",
        tuple(enough[:3] or [s.override for s in best[:3]]),
    )


RULES = (reference_copy, adapter_on_head, fits)
