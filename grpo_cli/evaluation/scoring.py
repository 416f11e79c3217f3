"""Scoring completions with the evaluation's rewards, and making records of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.answers import answer_reader
from grpo_cli.evaluation.blocks import Completion, Request
from grpo_cli.evaluation.metrics import chosen_k, correctness_rewards, evaluation_rewards
from grpo_cli.evaluation.sets import EvaluationSet
from grpo_cli.evaluation.summary import Measures
from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.combine import Combiner
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.rewards.guard.guarded import Counts, GuardedReward
from grpo_cli.runs.completions import completion_records


@contextlib.contextmanager
def evaluation_guard(
    config: Mapping[str, Any],
    context: RewardContext,
    training: Guard | None = None,
    *,
    failures: Path | None = None,
    warn: Any = lambda sentence: None,
    rank: int = 0,
) -> Iterator[list[GuardedReward]]:
    """The rewards that score an evaluation, under guard.

    Args:
        config: the configuration.
        context: facts for the rewards.
        training: the run's guard; where all the evaluation's rewards are the run's own, they run in it.
        failures: the run's `reward_failures.jsonl`.
        warn: called with a sentence at the first failure of each kind.
        rank: this process.

    Yields:
        The rewards in order.
    """
    entries = evaluation_rewards(config)
    if training is not None and all(dict(config["reward"].get(name) or {}) == dict(e) for name, e in entries.items()):
        yield [reward for reward in training.rewards if reward.__name__ in entries]
        return
    context = dataclasses.replace(context, columns=None)  # the data sets may differ; `Scorer.check` looks at each
    with Guard(
        build_rewards(entries, context=context),
        entries,
        context=context,
        settings=config.get("guard"),
        failures=failures,
        warn=warn,
        rank=rank,
    ) as guard:
        yield list(guard.rewards)


class Scorer:
    """Scores completions.

    Args:
        config: the configuration.
        rewards: of `evaluation_guard`.
        combiner: the run's own, with its running statistics; used where the evaluation has the same rewards.
        prompt_opens_think: whether completions start inside a `<think>` of the prompt.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        rewards: Sequence[GuardedReward],
        combiner: Combiner | None = None,
        prompt_opens_think: bool = False,
    ) -> None:
        entries = evaluation_rewards(config)
        settings = config["evaluation"]
        self.rewards = list(rewards)
        self.names = [reward.__name__ for reward in rewards]
        if combiner is None or list(entries) != list(config["reward"]):
            combiner = Combiner({name: _by_itself(entry, entries) for name, entry in entries.items()})
        self.combiner = combiner
        self.measures = Measures(
            rewards=self.names,
            correctness=correctness_rewards(entries),
            k=chosen_k(settings),
            reader=answer_reader(entries, settings.get("answer"), prompt_opens_think),
            tags=list(settings.get("tags") or []),
        )

    def check(self, sets: Sequence[EvaluationSet]) -> None:
        """Refuse data sets that lack a column a reward needs.

        Raises:
            ConfigError: one sentence for each.
        """
        problems = [
            f"evaluation: reward {reward.__name__!r} needs the column {column!r}, which the data set {one.name} lacks "
            f"(columns: {', '.join(one.columns) or 'none'}); write evaluation.datasets.{one.name}.columns.{column}="
            "<theirs>, or other rewards in evaluation.reward."
            for one in sets
            for reward in self.rewards
            for column in reward.reward.columns
            if column not in one.columns
        ]
        if problems:
            raise ConfigError(*problems)

    def score(
        self, one: EvaluationSet, block: Sequence[Request], completions: Sequence[Completion], state: Any = None
    ) -> list[dict[str, Any]]:
        """Score one block of one data set.

        Args:
            one: the data set.
            block: B requests.
            completions: their completions.
            state: the trainer's, for rewards that ask for it.

        Returns:
            B plain dicts, to be gathered from all processes and given to `records`.
        """
        rows = [one.rows[request.index] for request in block]
        prompts = [row["prompt"] for row in rows]
        texts: list[Any] = [completion.text for completion in completions]
        if isinstance(prompts[0], list):
            texts = [[{"role": "assistant", "content": text}] for text in texts]
        ids = [completion.ids for completion in completions]
        columns = {key: [row[key] for row in rows] for key in one.columns}
        given = {**columns, "trainer_state": state}
        # All at once, as in training; those that run here last, since they may take this process's time.
        for reward in sorted(self.rewards, key=lambda r: r.placement.where == "here"):
            reward.begin(prompts, texts, ids, given)
        scores = {reward.__name__: reward(prompts, texts, ids, **given) for reward in self.rewards}
        for reward in self.rewards:
            reward.counts = Counts()  # the training log is about training
        return [
            {
                "index": request.index,
                "sample": request.sample,
                "prompt": prompts[i],
                "completion": texts[i],
                "scores": [scores[name][i] for name in self.names],
                "fact": {
                    "length": completions[i].length,
                    "truncated": completions[i].truncated,
                    "columns": {key: values[i] for key, values in columns.items()},
                    "dataset": one.name,
                },
            }
            for i, request in enumerate(block)
        ]

    def records(self, items: Sequence[dict[str, Any]], step: int, samples: int) -> list[dict[str, Any]]:
        """One data set's completions from all processes, in the order of the data, as records.

        Args:
            items: of `score`.
            step: optimizer steps done.
            samples: answers to each prompt.
        """
        ordered = sorted(items, key=lambda item: (item["index"], item["sample"]))
        given = [item["scores"] for item in ordered]
        combined = self.combiner.apply(given, names=self.names, training=False)
        return completion_records(
            step=step,
            prompts=[item["prompt"] for item in ordered],
            completions=[item["completion"] for item in ordered],
            rewards={name: [row[i] for row in given] for i, name in enumerate(self.names)},
            combined={name: [row[i] for row in combined] for i, name in enumerate(self.names)}
            if self.combiner.changes_values
            else None,
            weights=dict(zip(self.names, self.combiner.weights(step), strict=True)),
            group_size=samples,
            facts=[item["fact"] for item in ordered],
        )


def _by_itself(entry: Mapping[str, Any], entries: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without what only the training batch could tell: running statistics, gates that do not score here."""
    gate = entry.get("gate")
    return {**entry, "normalize": "none", "gate": gate if gate in entries else None}
