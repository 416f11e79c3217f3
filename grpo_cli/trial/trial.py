"""A trial of a config's rewards: rows, probes and values. It reads as the story of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from grpo_cli.config.targets import parameters_of
from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.combine import Combiner
from grpo_cli.rewards.reward import Reward
from grpo_cli.rewards.text import completion_text, prompt_opens_think
from grpo_cli.trial.completions_file import Given, read_completions
from grpo_cli.trial.probes import FORMS, PROBES, Case, Maker, cases, gold_in_form
from grpo_cli.trial.rows import Rows, load_rows, token_ids
from grpo_cli.trial.scoring import Score, Scores, scorer

YOURS = "your completions"
T = TypeVar("T")


@dataclass
class Probed:
    """One probe and what it got.

    Attributes:
        name: the probe.
        rows: per completion, the row of the trial it answers.
        texts: the completions.
        scores: by reward.
        totals: per completion the weighted sum; None where no reward applies.
        lines: for completions of a file, their lines in it.
    """

    name: str
    rows: list[int]
    texts: list[str]
    scores: dict[str, Scores]
    totals: list[float | None]
    lines: list[int] | None = None

    def values(self, reward: str | None) -> list[float | None]:
        """A reward's values, or the totals."""
        return self.totals if reward is None else self.scores[reward].values

    def mean(self, reward: str | None) -> float | None:
        """Mean over the completions that the reward applied to; None where it applied to none."""
        return mean(self.values(reward))

    def part(self, name: str, where: Sequence[int]) -> Probed:
        """Those of its completions at some places, under a name."""
        scores = {
            reward: Scores(_at(s.values, where), _at(s.seconds, where), _at(s.errors, where))
            for reward, s in self.scores.items()
        }
        return Probed(name, _at(self.rows, where), _at(self.texts, where), scores, _at(self.totals, where))

    def by_row(self, reward: str | None) -> dict[int, float]:
        """The values by row, without those that are None."""
        return {r: v for r, v in zip(self.rows, self.values(reward), strict=True) if v is not None}


@dataclass
class Trial:
    """All of a trial.

    Attributes:
        rows: the rows.
        rewards: the built rewards.
        entries: the `reward:` section.
        golds: the right answer in each form that applies.
        form: the form of `golds` that the other probes were written in.
        probes: the other probes, `YOURS` among them.
        generation_batch: completions that a training batch would have.
        workers: processes that rewards would run in.
    """

    rows: Rows
    rewards: list[Reward]
    entries: dict[str, dict[str, Any]]
    golds: list[Probed] = field(default_factory=list)
    form: str = "bare"
    probes: list[Probed] = field(default_factory=list)
    generation_batch: int = 0
    workers: int = 1

    @property
    def gold(self) -> Probed | None:
        """The right answer in the form that suits the rewards best."""
        return next((probed for probed in self.golds if probed.name == gold_name(self.form)), None)

    @property
    def all(self) -> list[Probed]:
        """Every probe, in the order of the table."""
        return [*self.golds, *self.probes]

    def find(self, name: str) -> Probed | None:
        """A probe by name, where the rows allowed it."""
        return next((probed for probed in self.all if probed.name == name), None)


def gold_name(form: str) -> str:
    """The name of the probe that is the right answer in a form."""
    return f"gold {form}" if form.startswith("in ") else f"gold, {form}"


def _at(column: Sequence[T], where: Sequence[int]) -> list[T]:
    return [column[i] for i in where]


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of what is not None."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def try_rewards(
    config: Mapping[str, Any],
    rows: int,
    completions: Path | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Trial:
    """Run a config's rewards over real rows with probe completions.

    Args:
        config: the composed configuration as plain containers.
        rows: how many rows of the training data.
        completions: a file of completions to score as well.
        tell: gets a word on what is going on.

    Raises:
        ConfigError: the data, the rewards or the file cannot be used.
    """
    tell("loading data")
    taken = load_rows(config, rows)
    given = read_completions(completions, taken.prompts) if completions else []
    tell("building rewards")
    context = _context(config, taken)
    rewards = build_rewards(config["reward"], context=context)
    trial = Trial(taken, rewards, {str(name): dict(entry) for name, entry in config["reward"].items()})
    trial.generation_batch, trial.workers = generation_batch(config), workers(config)
    golds = [taken.gold(row) for row in range(len(taken))]
    made = cases([taken.prompt_text(row) for row in range(len(taken))], golds, taken.opens_think)
    with scorer(rewards, trial.entries, context=context, settings=config.get("guard")) as score:
        tell("scoring the right answers")
        forms = {gold_name(form): (gold_in_form, write) for form, write in FORMS.items()}
        trial.golds = _probe(trial, score, made, forms)
        trial.form = best_form(trial)
        tell(f"scoring {len(PROBES)} kinds of completions of {len(taken)} rows")
        sly = {name: (maker, FORMS[trial.form]) for name, maker in PROBES.items()}
        trial.probes = _probe(trial, score, made, sly)
        if given:
            tell(YOURS)
            trial.probes.append(_given(trial, score, given))
    _sum_up(trial)
    return trial


def best_form(trial: Trial) -> str:
    """The form of the right answer that gets the most from all rewards; the plainest of equals."""
    totals = {form: (p.mean(None) or 0.0) for form in FORMS for p in trial.golds if p.name == gold_name(form)}
    return max(totals, key=lambda form: round(totals[form], 9)) if totals else "bare"


def generation_batch(config: Mapping[str, Any]) -> int:
    """Completions that one generation batch of the config has, over the processes it names."""
    from grpo_cli.config.schema import training_default
    from grpo_cli.preflight.batch import BatchPlan

    processes = config["launch"].get("num_processes")
    plan = BatchPlan.from_training(config["training"], processes if isinstance(processes, int) else 1, training_default)
    return plan.generation_batch_size


def workers(config: Mapping[str, Any]) -> int:
    """Reward processes that a rank on this machine would have."""
    named = (config.get("guard") or {}).get("workers", "auto")
    return named if isinstance(named, int) else min(16, os.cpu_count() or 1)


def _context(config: Mapping[str, Any], rows: Rows) -> RewardContext:
    return RewardContext(
        tokenizer=rows.tokenizer,
        device=_device(config),
        prompt_opens_think=prompt_opens_think(rows.tokenizer, config["training"].get("chat_template_kwargs")),
        columns=rows.names,
        seed=config["seed"],
    )


def _device(config: Mapping[str, Any]) -> Any:
    """Where models used as rewards run; torch is imported only for a reward that may hold one."""
    for entry in config["reward"].values():
        parameters = parameters_of(str(entry["target"]))
        if parameters is None or "device" in parameters.annotations:
            import torch

            on_cpu = config["training"].get("use_cpu") is True or config["launch"].get("kind") == "cpu"
            return torch.device("cuda:0" if torch.cuda.is_available() and not on_cpu else "cpu")
    return None


def _probe(
    trial: Trial, score: Score, made: list[Case], makers: Mapping[str, tuple[Maker, Callable[[str], str]]]
) -> list[Probed]:
    """Score probes over all rows that allow them; the probes of a row are a group, as completions of one prompt are."""
    written = [
        (name, row, text)
        for row, case in enumerate(made)
        for name, (maker, form) in makers.items()
        if (text := maker(case, form)) is not None
    ]
    if not written:
        return []
    rows, texts = [row for _, row, _ in written], [text for _, _, text in written]
    whole = _scored(
        trial,
        score,
        rows,
        texts,
        [trial.rows.prompts[row] for row in rows],
        [trial.rows.as_completion(text) for text in texts],
        {key: [values[row] for row in rows] for key, values in trial.rows.columns.items()},
    )
    places = {name: [i for i, (other, _, _) in enumerate(written) if other == name] for name in makers}
    return [whole.part(name, where) for name, where in places.items() if where]


def _given(trial: Trial, score: Score, given: list[Given]) -> Probed:
    """Score the completions of a file."""
    rows = trial.rows
    completions = [rows.as_completion(g.completion) if isinstance(g.completion, str) else g.completion for g in given]
    columns = {key: [g.columns.get(key, values[g.row]) for g in given] for key, values in rows.columns.items()}
    probed = _scored(
        trial,
        score,
        [g.row for g in given],
        [completion_text(c) for c in completions],
        [g.prompt for g in given],
        completions,
        columns,
    )
    return replace(probed, name=YOURS, lines=[g.line for g in given])


def _scored(
    trial: Trial,
    score: Score,
    rows: list[int],
    texts: list[str],
    prompts: list[Any],
    completions: list[Any],
    columns: dict[str, list[Any]],
) -> Probed:
    ids = None
    if any(reward.signature.takes("completion_ids") for reward in trial.rewards):
        ids = token_ids(trial.rows.tokenizer, texts)
    scores = score(prompts, completions, columns, ids)
    return Probed("", rows, texts, scores, totals(trial, scores))


def totals(trial: Trial, scores: Mapping[str, Scores], combiner: Combiner | None = None) -> list[float | None]:
    """The weighted sums at the first step: clipped, normalised over what was tried so far, and gated."""
    combiner, names = combiner or Combiner(trial.entries), list(trial.entries)
    weights = combiner.weights(0)
    values = [list(row) for row in zip(*(scores[name].values for name in names), strict=True)]
    sums: list[float | None] = []
    for row in combiner.apply(values, names=names, training=False):
        known = [weight * value for weight, value in zip(weights, row, strict=True) if value is not None]
        sums.append(sum(known) if known else None)
    return sums


def _sum_up(trial: Trial) -> None:
    """Take the sums anew, now that all values are known that a normalised reward is normalised with."""
    names, combiner = list(trial.entries), Combiner(trial.entries)
    tried = [p for p in trial.all if p.name != YOURS]
    rows = [row for p in tried for row in zip(*(p.scores[name].values for name in names), strict=True)]
    combiner.apply([list(row) for row in rows], names=names)
    for probed in trial.all:
        probed.totals = totals(trial, probed.scores, combiner)
