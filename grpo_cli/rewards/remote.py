"""A reward that another program computes, asked over HTTP."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Sequence
from typing import Any

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.text import completion_text
from grpo_cli.rewards.web_service import ServiceError, WebService


class Remote:
    """Posts batches of completions as JSON and gets one number for each.

    The request is `{"prompts": […], "completions": […], "columns": {"answer": […]}}`: prompts as the data have them
    (text or messages), completions as text, reasoning included. The reply is a list of numbers, or
    `{"scores": […]}` with one; null leaves a completion out.

    Args:
        url: where to post to.
        columns: names of the data's columns to send along; None for none.
        api_key_env: NAME of the environment variable that holds a key; None to send none.
        api_key_header: the header that carries it, in Authorization as `Bearer <key>`.
        batch_size: completions per request.
        concurrency: most requests under way at once, over all processes.
        request_timeout: wall seconds for one request.
        retries: how often a request is tried again after 429, 5xx, a timeout, a broken connection or no JSON.
        backoff: seconds before the first retry, doubled for each further one; a Retry-After goes before.

    Raises:
        ConfigError: the key is not in the environment, or an option cannot work.

    Example:
        reward=[remote] reward.remote.url=http://localhost:8000/score 'reward.remote.columns=[answer]'
    """

    def __init__(
        self,
        url: str,
        *,
        columns: list[str] | None = None,
        api_key_env: str | None = None,
        api_key_header: str = "Authorization",
        batch_size: int = 64,
        concurrency: int = 4,
        request_timeout: float = 30.0,
        retries: int = 3,
        backoff: float = 1.0,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size must be 1 or more, not {batch_size}")
        if isinstance(columns, str):
            raise ConfigError(f"columns must be a list: [{columns}]")
        self.columns, self.batch_size = tuple(columns or ()), batch_size
        self.service = WebService(
            url,
            api_key_env=api_key_env,
            api_key_header=api_key_header,
            concurrency=concurrency,
            requests_per_minute=None,
            tokens_per_minute=None,
            request_timeout=request_timeout,
            retries=retries,
            backoff=backoff,
        )
        keyword = inspect.Parameter.KEYWORD_ONLY
        names = ("prompts", "completions", "prompt_opens_think", *self.columns)
        # So that a column the data lack is found before training.
        self.__signature__ = inspect.Signature([inspect.Parameter(name, keyword) for name in names])

    async def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        prompt_opens_think: Sequence[bool],
        **columns: Sequence[Any],
    ) -> list[float | None]:
        """One number (or None) per completion.

        Raises:
            ServiceError: a batch was not scored, or not one number for each of it.
            RunError: the service refuses all requests.
        """
        texts = [completion_text(c, opens) for c, opens in zip(completions, prompt_opens_think, strict=True)]
        starts = range(0, len(texts), self.batch_size)
        tasks = [
            asyncio.ensure_future(
                self._score(
                    {
                        "prompts": list(prompts[start : start + self.batch_size]),
                        "completions": texts[start : start + self.batch_size],
                        "columns": {
                            name: list(columns[name][start : start + self.batch_size]) for name in self.columns
                        },
                    }
                )
            )
            for start in starts
        ]
        try:
            return [score for batch in await asyncio.gather(*tasks) for score in batch]
        finally:
            # After a failure nothing of the batch may go on calling the service.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _score(self, body: dict[str, Any]) -> list[float | None]:
        answer, _ = await self.service.post(body)
        scores = answer.get("scores") if isinstance(answer, dict) else answer
        count, where = len(body["completions"]), self.service.shown_url
        if not isinstance(scores, list):
            raise ServiceError(
                f'{where} must reply with a list of {count} numbers, or {{"scores": […]}} with one; it replied '
                f"{self.service.redact(repr(answer))}"
            )
        if len(scores) != count:
            raise ServiceError(f"{where} replied with {len(scores)} scores for {count} completions")
        for score in scores:
            if score is not None and not _is_number(score):
                raise ServiceError(
                    f"{where} replied with {self.service.redact(repr(score))}, which is no finite number"
                )
        return scores


def _is_number(score: Any) -> bool:
    # (Python's integers may be too large for math.isfinite.)
    return isinstance(score, int | float) and not isinstance(score, bool) and abs(score) <= sys.float_info.max
