"""A reward as the trainer sees it: one callable in TRL's signature, whatever form the function has."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from grpo_cli.errors import RunError
from grpo_cli.rewards.signature import CONTEXT_NAMES, TRAINER_NAMES, Signature
from grpo_cli.rewards.text import completion_text, row_opens_think
from grpo_cli.rewards.values import check_batch, check_value, raise_failure


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
        rebuild: tuple[Callable[..., Reward], tuple[Any, ...]] | None = None,
    ) -> None:
        self.__name__ = name
        self.function = function
        self.signature = signature
        self.weight = weight
        self.correctness = correctness
        self.file = file
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
    ) -> list[float | None]:
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
        with _telling_the_step(columns.get("trainer_state")):
            return self._score(prompts, completions, completion_ids, columns)

    def _score(
        self, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Any, columns: Mapping[str, Any]
    ) -> list[float | None]:
        texts = self._texts(prompts, completions)
        if not self.signature.completion:
            arguments = self.batch_arguments(prompts, completions, completion_ids, columns)
            try:
                returned = self.function(**arguments)
            except (Exception, SystemExit) as error:
                raise_failure(self.__name__, error, texts, prompts=prompts, file=self.file)
            return check_batch(self.__name__, returned, texts, prompts)
        values = []
        for index, arguments in enumerate(self.completion_arguments(prompts, completions, completion_ids, columns)):
            try:
                value = self.function(**arguments)
            except (Exception, SystemExit) as error:
                raise_failure(self.__name__, error, texts, index, prompts, self.file)
            values.append(check_value(self.__name__, value, index, texts, prompts))
        return values

    def batch_arguments(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Any,
        columns: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The keyword arguments of a function of TRL's form: only those it takes."""
        given = {
            **_trainer_defaults(),
            **columns,
            "prompts": prompts,
            "completions": completions,
            "completion_ids": completion_ids,
        }
        if "prompt" in self.signature.accepts:
            given["prompt"] = prompts
        facts = dict(self._facts)
        if "prompt_opens_think" in facts:
            facts["prompt_opens_think"] = [self._opens_think(prompt) for prompt in prompts]
        taken = {key: value for key, value in given.items() if self.signature.takes(key)}
        return {**facts, **taken, **self._options}

    def completion_arguments(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Any,
        columns: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """The keyword arguments of a one-completion function, for each completion of the batch.

        Every entry stands for itself, so that they can be run anywhere and in any order.
        """
        takes, slot = self.signature.takes, str(self.signature.completion)
        shared = {k: v for k, v in {**_trainer_defaults(), **columns}.items() if k in TRAINER_NAMES and takes(k)}
        split = {k: v for k, v in columns.items() if k not in TRAINER_NAMES and takes(k)}
        split["prompt"] = prompts
        if completion_ids is not None:
            split["completion_ids"] = completion_ids
        split = {key: values for key, values in split.items() if takes(key)}
        rows = []
        for index, text in enumerate(self._texts(prompts, completions)):
            facts = dict(self._facts)
            if "prompt_opens_think" in facts:
                facts["prompt_opens_think"] = self._opens_think(prompts[index])
            row = {key: values[index] for key, values in split.items()}
            rows.append({**facts, **shared, **row, slot: text, **self._options})
        return rows

    def _opens_think(self, prompt: Any) -> bool:
        return row_opens_think(prompt, self._template_opens_think)

    def _texts(self, prompts: Sequence[Any], completions: Sequence[Any]) -> list[str]:
        return [
            completion_text(completion, self._opens_think(prompt))
            for prompt, completion in zip(prompts, completions, strict=True)
        ]


class AsyncReward(Reward):
    """A reward whose function is asynchronous; TRL runs all such rewards of a batch together."""

    is_async = True

    async def __call__(  # type: ignore[override]
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score a batch, as `Reward.__call__` does; a one-completion function runs on all of them at once."""
        with _telling_the_step(columns.get("trainer_state")):
            return await self._score_async(prompts, completions, completion_ids, columns)

    async def _score_async(
        self, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Any, columns: Mapping[str, Any]
    ) -> list[float | None]:
        texts = self._texts(prompts, completions)
        if not self.signature.completion:
            arguments = self.batch_arguments(prompts, completions, completion_ids, columns)
            try:
                returned = await self.function(**arguments)
            except (Exception, SystemExit) as error:
                raise_failure(self.__name__, error, texts, prompts=prompts, file=self.file)
            return check_batch(self.__name__, returned, texts, prompts)

        async def score(index: int, arguments: dict[str, Any]) -> float | None:
            try:
                value = await self.function(**arguments)
            except (Exception, SystemExit) as error:
                raise_failure(self.__name__, error, texts, index, prompts, self.file)
            return check_value(self.__name__, value, index, texts, prompts)

        tasks = [
            asyncio.ensure_future(score(index, arguments))
            for index, arguments in enumerate(self.completion_arguments(prompts, completions, completion_ids, columns))
        ]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            # After a failure nothing of the batch may go on calling a paid service.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def _telling_the_step(trainer_state: Any) -> Iterator[None]:
    """Say in an error how far training was."""
    try:
        yield
    except RunError as error:
        steps = getattr(trainer_state, "global_step", None)
        if steps is None:
            raise
        raise RunError(f"After {steps} step{'' if steps == 1 else 's'}: {error}") from error


def _trainer_defaults() -> dict[str, Any]:
    """Stand-ins for what only a trainer gives, for a reward that is called outside of one."""
    return {"trainer_state": None, "log_extra": _ignore, "log_metric": _ignore}


def _ignore(*arguments: Any) -> None:
    """Take what a reward wants logged, and log it nowhere."""
