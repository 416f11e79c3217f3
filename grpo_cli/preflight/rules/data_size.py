"""The data set's size against the batch: TRL trains 0 steps on too few prompts, and exits successfully."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.preflight.finding import ERROR, NOTE, Finding
from grpo_cli.preflight.situation import Situation


def zero_steps(situation: Situation) -> Iterator[Finding]:
    """Fewer prompts than one generation batch takes."""
    rows = situation.rows
    if rows is None or not situation.sizes_valid or not _groups_fit(situation):
        return
    plan = situation.batch
    needed = plan.prompts_per_generation
    if rows.train >= needed:
        return
    fixes = tuple(_smaller(situation, rows.train))
    what = (
        f"dataset: {rows.train} training prompts are too few for one generation batch, which takes {needed} "
        f"({plan.generation_batch_size} completions, {plan.num_generations} a prompt): the run would train 0 steps"
    )
    advice = f"write {' or '.join(fixes)}" if fixes else "lower the batch"
    yield Finding(
        "data.zero_steps",
        ERROR,
        "dataset",
        what,
        "TRL drops a generation batch that is not full, so it would end at once and report success.",
        fixes,
        said=f"{what}; {advice}, or give more data.",
    )


def unused_prompts(situation: Situation) -> Iterator[Finding]:
    """Prompts of the last generation batch of an epoch, which is dropped when it is not full."""
    rows = situation.rows
    if rows is None or not situation.sizes_valid or not _groups_fit(situation):
        return
    per_batch = situation.batch.prompts_per_generation
    left = rows.train % per_batch
    if rows.train >= per_batch and left * 10 > rows.train:
        yield Finding(
            "data.unused",
            NOTE,
            "training.per_device_train_batch_size",
            f"{left} of {rows.train} prompts are left out of each epoch",
            f"A generation batch takes {per_batch} prompts, and one that is not full is dropped (others each epoch, as "
            "the data is shuffled).",
        )


def endless_stream(situation: Situation) -> Iterator[Finding]:
    """A stream without a number of steps."""
    if situation.config["dataset"].get("streaming") and situation.value("max_steps") <= 0:
        yield Finding(
            "data.stream",
            ERROR,
            "training.max_steps",
            "training.max_steps: a streaming data set has no length, so the run needs to know its own",
            "Neither the learning-rate schedule nor the end of training can be worked out.",
            ("training.max_steps=1000",),
        )


def _groups_fit(situation: Situation) -> bool:
    plan = situation.batch
    return plan.prompts_per_generation > 0 and plan.generation_batch_size % plan.num_generations == 0


def _smaller(situation: Situation, prompts: int) -> Iterator[str]:
    """Overrides that make a generation batch take no more than so many prompts, the nearest of each kind."""
    plan = situation.batch
    share = plan.world_size * plan.steps_per_generation

    def fits(per_device: int, share: int, group: int) -> bool:
        return (per_device * share) % group == 0 and per_device * share // group <= prompts

    sizes = range(plan.per_device_train_batch_size - 1, 0, -1)
    if found := next((n for n in sizes if fits(n, share, plan.num_generations)), None):
        yield f"training.per_device_train_batch_size={found}"
    by_accumulation = not any(situation.training.get(k) for k in ("steps_per_generation", "generation_batch_size"))
    if by_accumulation:
        for steps in range(plan.steps_per_generation - 1, 0, -1):
            if fits(plan.per_device_train_batch_size, plan.world_size * steps, plan.num_generations):
                yield f"training.gradient_accumulation_steps={steps}"
                break
    groups = range(plan.num_generations + 1, plan.generation_batch_size + 1)
    if found := next((g for g in groups if fits(plan.per_device_train_batch_size, share, g)), None):
        yield f"training.num_generations={found}"


RULES = (zero_steps, unused_prompts, endless_stream)
