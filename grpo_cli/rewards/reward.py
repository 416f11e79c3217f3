"""A reward as the trainer sees it: one callable in TRL's signature, whatever form the function has.

A batch is laid out as jobs that stand for themselves: one per completion, or a single one for TRL's form.
Called directly, a reward does them here, one after another; the guard (`rewards/guard`) does them elsewhere.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grpo_cli.errors import RunError
from grpo_cli.rewards.signature import CONTEXT_NAMES, TRAINER_NAMES, Signature
from grpo_cli.rewards.text import completion_text, row_opens_think
from grpo_cli.rewards.values import RewardFailure, check_batch, check_value, failure_of

Scores = list[float | None]


class Reward:
    """One entry of `reward:`, ready to be called.

    Args:
        name: the entry's name; TRL logs under it.
        function: the function itself, in TRL's or the one-completion form.
        signature: what it takes.
        options: keyword arguments from the config; they win over columns and run facts of the same name.
        facts: what `CONTEXT_NAMES` stand for in this run.
        weight: factor in the sum of rewards.
        correctness: whether 1.0 means a right answer.
        file: its source file, for error messages.
        maker: what the class or factory takes that made the function, which may then keep state between calls.
        rebuild: how another process builds the same reward: a function and its arguments (pickled in
            place of `function`, which may come from a file that is no importable module).
    """

    is_async = False

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        signature: Signature,
        *,
        options: Mapping[str, Any],
        facts: Mapping[str, Any],
        weight: float = 1.0,
        correctness: bool = False,
        file: str | None = None,
        maker: Signature | None = None,
        rebuild: tuple[Callable[..., Reward], tuple[Any, ...]] | None = None,
    ) -> None:
        self.__name__ = name
        self.function = function
        self.signature = signature
        self.weight = weight
        self.correctness = correctness
        self.file = file
        self.maker = maker
        self.columns = signature.columns(options)
        self._options = dict(options)
        self._facts = {key: facts.get(key) for key in CONTEXT_NAMES if key in signature.accepts}
        self._template_opens_think = bool(facts.get("prompt_opens_think"))
        self._rebuild = rebuild

    def __reduce__(self) -> Any:
        return self._rebuild if self._rebuild else super().__reduce__()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__name__!r}, weight={self.weight})"

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Scores:
        """Score a batch.

        Args:
            prompts: plain texts or message lists, one per completion.
            completions: likewise.
            completion_ids: each completion's token ids.
            **columns: the data's columns, one value per completion, and what TRL adds.

        Returns:
            One number per completion; None where the reward does not apply.

        Raises:
            RunError: the function failed, or returned something that is no finite number.
        """
        trainer = self.trainer_arguments(columns)
        scores: Scores = []
        for index, job in enumerate(self.jobs(prompts, completions, completion_ids, columns)):
            try:
                scores += self.run(job, len(completions), trainer)
            except (RewardFailure, RunError) as failure:
                raise self.error(failure, prompts, completions, index, columns) from failure.__cause__
        return scores

    def jobs(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None,
        columns: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Lay out a batch: those keyword arguments that differ from call to call, and only what the function takes.

        Returns:
            One dict per completion for a one-completion function, else a single one; each stands for itself, so
            that they can be done anywhere and in any order.
        """
        opens = [row_opens_think(prompt, self._template_opens_think) for prompt in prompts]
        given = {key: value for key, value in columns.items() if key not in TRAINER_NAMES}
        if completion_ids is not None or not self.signature.completion:
            given["completion_ids"] = completion_ids
        given["prompt"] = prompts
        if not self.signature.completion:
            if "prompt" not in self.signature.accepts:
                del given["prompt"]  # not TRL's name: for those who ask, and for no **kwargs
            given |= {"prompts": prompts, "completions": completions}
        taken = {key: values for key, values in given.items() if self.signature.takes(key)}
        if "prompt_opens_think" in self._facts:
            taken.setdefault("prompt_opens_think", opens)
        if not self.signature.completion:
            return [taken]
        texts = self.texts(prompts, completions)
        slot = self.signature.completion
        return [{**{key: values[i] for key, values in taken.items()}, slot: text} for i, text in enumerate(texts)]

    def trainer_arguments(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """What only a trainer gives, where the function takes it; stand-ins outside of one."""
        given = {"trainer_state": None, "log_extra": _ignore, "log_metric": _ignore}
        given |= {key: columns[key] for key in TRAINER_NAMES if key in columns}
        return {key: value for key, value in given.items() if self.signature.takes(key)}

    def arguments(self, job: Mapping[str, Any], trainer: Mapping[str, Any]) -> dict[str, Any]:
        """All keyword arguments of a job's call."""
        return {**self._facts, **trainer, **job, **self._options}

    def run(self, job: Mapping[str, Any], count: int, trainer: Mapping[str, Any]) -> Scores:
        """Do one job.

        Args:
            job: one of `jobs`.
            count: completions in the batch (used by TRL's form: as many values must come back).
            trainer: `trainer_arguments`.

        Returns:
            The checked values: one, or for TRL's form one per completion.

        Raises:
            RewardFailure: the function raised, or returned what is no reward.
            RunError: the function raised one, with a sentence of its own for the user.
        """
        try:
            returned = self.function(**self.arguments(job, trainer))
        except (Exception, SystemExit) as error:
            raise failure_of(error, self.file) from error
        return self.checked(returned, count)

    def checked(self, returned: Any, count: int) -> Scores:
        """What a job's call returned, as finite numbers."""
        return [check_value(returned)] if self.signature.completion else check_batch(returned, count)

    def error(
        self,
        failure: RewardFailure | RunError,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        index: int,
        columns: Mapping[str, Any],
    ) -> RunError:
        """The error that ends the run: which reward, what happened, on which row, how far training was."""
        if isinstance(failure, RunError):
            said = str(failure)
        else:
            place = index if self.signature.completion else None
            said = failure.sentence(self.__name__, self.texts(prompts, completions), prompts, place)
        steps = getattr(columns.get("trainer_state"), "global_step", None)
        return RunError(said if steps is None else f"After {steps} step{'' if steps == 1 else 's'}: {said}")

    def texts(self, prompts: Sequence[Any], completions: Sequence[Any]) -> list[str]:
        """What the model wrote, as plain text."""
        return [
            completion_text(completion, row_opens_think(prompt, self._template_opens_think))
            for prompt, completion in zip(prompts, completions, strict=True)
        ]

    def preload(self) -> None:
        """Import what the function's first call would: calls `preload()` of its module, where there is one."""
        if callable(load := self._of_module("preload")):
            load()

    def note(self) -> str | None:
        """What should be known of this machine before a run: what `note()` of its module says, where there is one."""
        return say() if callable(say := self._of_module("note")) else None

    def _of_module(self, name: str) -> Any:
        module = sys.modules.get(getattr(self.function, "__module__", None) or "")
        return getattr(module, name, None)


class AsyncReward(Reward):
    """A reward whose function is asynchronous: all completions of a batch are scored at once."""

    is_async = True

    async def __call__(  # type: ignore[override]
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Scores:
        """Score a batch, as `Reward.__call__` does; a one-completion function runs on all of them at once."""
        trainer = self.trainer_arguments(columns)

        async def score(index: int, job: dict[str, Any]) -> Scores:
            try:
                return await self.run(job, len(completions), trainer)
            except (RewardFailure, RunError) as failure:
                raise self.error(failure, prompts, completions, index, columns) from failure.__cause__

        jobs = self.jobs(prompts, completions, completion_ids, columns)
        tasks = [asyncio.ensure_future(score(index, job)) for index, job in enumerate(jobs)]
        try:
            return [value for values in await asyncio.gather(*tasks) for value in values]
        finally:
            # After a failure nothing of the batch may go on calling a paid service.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def run(self, job: Mapping[str, Any], count: int, trainer: Mapping[str, Any]) -> Scores:  # type: ignore[override]
        """Do one job, as `Reward.run` does."""
        try:
            returned = await self.function(**self.arguments(job, trainer))
        except (Exception, SystemExit) as error:
            raise failure_of(error, self.file) from error
        return self.checked(returned, count)


def _ignore(*arguments: Any) -> None:
    """Take what a reward wants logged, and log it nowhere."""
