"""An evaluation without a training run: what `grpo-eval` does. It reads as the story of one."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Dataset

from grpo_cli.config.schema import training_default
from grpo_cli.data.evaluation_rows import load_rows
from grpo_cli.data.load import load_data
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.blocks import Completion, Request, Sampling, into_blocks
from grpo_cli.evaluation.cache import CompletionCache, completion_key
from grpo_cli.evaluation.endpoint import EndpointEngine, ServiceTokenizer, open_service
from grpo_cli.evaluation.loading import device, device_type, free_memory, load_engine, model_folder, number_format
from grpo_cli.evaluation.scoring import Scorer, evaluation_guard
from grpo_cli.evaluation.sets import EvaluationSet, build_sets
from grpo_cli.evaluation.subjects import Asked, Subject
from grpo_cli.evaluation.summary import PromptTable, prompt_table, summarise
from grpo_cli.evaluation.tokenizing import RememberedTokenizer, tokenizer_of
from grpo_cli.rewards.build import Later, RewardContext
from grpo_cli.rewards.text import prompt_opens_think
from grpo_cli.runs.jsonl import append

if TYPE_CHECKING:
    from grpo_cli.evaluation.generate import Engine

Tell = Callable[[str], None]


@dataclass
class Evaluated:
    """One model and its numbers.

    Attributes:
        subject: the model.
        metrics: by name; the gains in them are over the first model.
        generated: completions that were generated now.
        cached: completions that the cache had.
        seconds: how long it took.
    """

    subject: Subject
    metrics: dict[str, Any] = field(default_factory=dict)
    generated: int = 0
    cached: int = 0
    seconds: float = 0.0


def evaluate(config: Mapping[str, Any], asked: Asked, place: Path, tell: Tell) -> list[Evaluated]:
    """Evaluate every model on the same prompts.

    Args:
        config: the configuration.
        asked: which models, and how.
        place: where the completions are written.
        tell: shows what is going on.

    Returns:
        A result for each model; the paired differences are to the first one.

    Raises:
        ConfigError: a model or the data cannot be used.
        RunError: a reward or a service failed.
    """
    cache = CompletionCache(asked.cache)
    results: list[Evaluated] = []
    first: dict[str, PromptTable] | None = None
    for number, subject in enumerate(asked.subjects, 1):
        started = time.perf_counter()
        result = Evaluated(subject)
        tell(f"{subject.label} ({number} of {len(asked.subjects)}): loading")
        tokenizer = None if asked.endpoint else tokenizer_of(_settings(config, subject), cache)
        sets = _sets(config, asked, tokenizer)
        context = RewardContext(
            tokenizer=Later(functools.partial(_real, tokenizer)),
            device=Later(device),
            prompt_opens_think=tokenizer is not None
            and prompt_opens_think(tokenizer, config["training"].get("chat_template_kwargs")),
            seed=config["seed"],
        )
        with evaluation_guard(config, context, warn=tell) as rewards:
            scorer = Scorer(config, rewards, prompt_opens_think=context.prompt_opens_think)
            scorer.check(sets)
            source = _Source(config, asked, subject, tokenizer, cache, result)
            tables = {}
            for one in sets:
                tell(f"{subject.label}: {one.name}")
                items = []
                for block in into_blocks(one.requests, config["evaluation"]["batch_size"]):
                    items += scorer.score(one, block, source.complete(block))
                    tell(f"{subject.label}: {one.name}, {len(items)} of {len(one.requests)}")
                records = scorer.records(items, subject.step or 0, config["evaluation"]["samples"])
                append(place / "completions.jsonl", *({"model": subject.label, **record} for record in records))
                tables[one.name] = prompt_table(records, scorer.measures)
                before = (first or {}).get(one.name)
                result.metrics |= summarise(tables[one.name], scorer.measures, one.name, before)
        first = first or tables
        result.seconds = time.perf_counter() - started
        results.append(result)
        source.close()
    return results


class _Source:
    """Completions of one model: from the cache, else generated. A model is loaded only when something is missing."""

    def __init__(
        self,
        config: Mapping[str, Any],
        asked: Asked,
        subject: Subject,
        tokenizer: Any,
        cache: CompletionCache,
        result: Evaluated,
    ) -> None:
        self.config, self.asked, self.subject, self.tokenizer = config, asked, subject, tokenizer
        self.cache, self.result = cache, result
        self.sampling = sampling_of(config)
        self.engine: Engine | None = None
        self.model_key = self._model_key()

    def complete(self, block: list[Request]) -> list[Completion]:
        """One completion for each request."""
        keys = [completion_key(self.model_key, request, self.sampling) for request in block]
        known = {} if self.asked.fresh else self.cache.get(keys)
        missing = [i for i, key in enumerate(keys) if key not in known]
        self.result.cached += len(block) - len(missing)
        self.result.generated += len(missing)
        if missing:
            # A model here generates the whole block, so that near ties fall as they would without a cache.
            places = missing if self.asked.endpoint else range(len(block))
            completions = self._engine().complete([block[i] for i in places])
            made = {keys[i]: completion for i, completion in zip(places, completions, strict=True)}
            self.cache.put(made)
            known |= made
        return [known[key] for key in keys]

    def close(self) -> None:
        """Give the model's memory back."""
        self.engine = None
        free_memory()

    def _engine(self) -> Engine:
        if self.engine is None:
            if self.asked.endpoint:
                service = open_service(
                    self.asked.endpoint, self.asked.api_key_env, self.config["evaluation"]["batch_size"]
                )
                self.engine = EndpointEngine(service, str(self.subject.name), self.sampling, self._keep)
            else:
                settings = _settings(self.config, self.subject)
                self.engine = load_engine(self.folder, settings, _real(self.tokenizer), self.sampling)
        return self.engine

    def _keep(self, request: Request, completion: Completion) -> None:
        self.cache.put({completion_key(self.model_key, request, self.sampling): completion})

    def _model_key(self) -> str:
        if self.asked.endpoint:
            return f"endpoint {self.asked.endpoint.rstrip('/')} {self.subject.name}"
        self.folder = model_folder(_settings(self.config, self.subject))
        return f"{self.cache.weights_of(self.folder)} {device_type()} {number_format(self.config['model'])}"


def _real(tokenizer: Any) -> Any:
    """A tokenizer itself, where it is one that remembers."""
    return tokenizer.real if isinstance(tokenizer, RememberedTokenizer) else tokenizer


def sampling_of(config: Mapping[str, Any]) -> Sampling:
    """How answers are drawn under a configuration; TRL's own limit where none is set."""
    longest = config["training"].get("max_completion_length") or training_default("max_completion_length")
    return Sampling.of(config["evaluation"], int(longest))


def _sets(config: Mapping[str, Any], asked: Asked, tokenizer: Any) -> list[EvaluationSet]:
    """The data sets: those of the run, or what the command line names."""
    settings = config["evaluation"]
    prepares = tokenizer or ServiceTokenizer()
    held_out: Dataset | None = None
    if settings["held_out"] and asked.run and not asked.own_data:
        held_out = load_data(config["dataset"], tokenizer=prepares, seed=config["seed"]).test
    elif settings["held_out"]:
        # Nothing is trained here, so nothing of it has to be held out.
        held_out = load_rows(config["dataset"], "dataset", tokenizer=prepares, seed=config["seed"])
    template = config["training"].get("chat_template_kwargs") or {}

    def tokenize(prompts: list[Any]) -> list[list[int]]:
        if tokenizer is None:
            return [[] for _ in prompts]
        if isinstance(prompts[0], list):
            rendered = tokenizer.apply_chat_template(
                prompts, add_generation_prompt=True, tokenize=True, return_dict=True, **template
            )
            return list(rendered["input_ids"])
        return list(tokenizer(text=prompts)["input_ids"])

    sets = build_sets(
        settings,
        held_out,
        tokenizer=prepares,
        tokenize=tokenize,
        sampling=sampling_of(config),
        seed=config["seed"],
    )
    if not sets:
        raise ConfigError("There are no held-out rows to evaluate on; name data with dataset=<file, folder or hub id>.")
    return sets


def _settings(config: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
    """The `model` section for one model."""
    model = dict(config["model"])
    if subject.name is not None:
        model |= {"name": subject.name, "revision": None if subject.name != model["name"] else model["revision"]}
    return model
