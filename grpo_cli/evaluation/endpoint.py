"""Completions from a service that speaks OpenAI's chat completions protocol."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.evaluation.blocks import Completion, Request, Sampling
from grpo_cli.evaluation.noise import request_seed
from grpo_cli.rewards.web_service import ServiceError, WebService

_DEFAULT_KEY = "OPENAI_API_KEY"
_PATH = "/chat/completions"


@dataclass
class EndpointEngine:
    """Asks a service.

    Attributes:
        service: retries, paces, and keeps the key to itself.
        model: the service's name for it.
        sampling: how tokens are drawn; the seed is passed on, and it is the service's affair what it does with it.
        keep: called with each completion as it comes, so that a failure loses none.
    """

    service: WebService
    model: str
    sampling: Sampling
    keep: Callable[[Request, Completion], None] = lambda request, completion: None

    def complete(self, block: Sequence[Request]) -> list[Completion]:
        """Ask for one block, all at once.

        Raises:
            RunError: some requests failed for good; what came back is kept.
        """
        replies = asyncio.run(self._all(block))
        failed = [reply for reply in replies if isinstance(reply, BaseException)]
        if failed:
            first = failed[0]
            if not isinstance(first, ServiceError):
                raise first
            raise RunError(
                f"{len(failed)} of {len(block)} requests failed for good, the first: {first}. The others are kept: the "
                "same command goes on from there."
            )
        return [reply for reply in replies if isinstance(reply, Completion)]

    async def _all(self, block: Sequence[Request]) -> list[Completion | BaseException]:
        return list(await asyncio.gather(*(self._one(request) for request in block), return_exceptions=True))

    async def _one(self, request: Request) -> Completion:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": request.prompt,
            "max_tokens": self.sampling.max_completion_length,
            "temperature": self.sampling.temperature,
        }
        if self.sampling.temperature:
            body |= {"top_p": self.sampling.top_p, "seed": request_seed(request.key)}
            if self.sampling.top_k:
                body["top_k"] = self.sampling.top_k  # not OpenAI's own, but of vLLM and most others
        reply, _ = await self.service.post(body)
        try:
            choice = reply["choices"][0]
            text = choice["message"].get("content") or ""
            finish = choice.get("finish_reason")
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ServiceError(f"{self.service.shown_url}: the reply has no choices") from None
        usage = reply.get("usage") or {}
        # Without a count, words: the one length that needs no tokenizer.
        length = usage.get("completion_tokens") or len(text.split())
        completion = Completion(text=text, ids=[], length=int(length), truncated=finish == "length")
        self.keep(request, completion)
        return completion


class ServiceTokenizer:
    """What preparing data asks of a tokenizer, where the service has the real one: prompts are messages.

    Lengths (`max_prompt_tokens`) are in words then.
    """

    chat_template = "{{ messages }}"
    model_max_length = None

    def apply_chat_template(self, messages: list[Any], **options: Any) -> Any:
        """The texts of one conversation, or of several."""
        if messages and isinstance(messages[0], list):
            return [self.apply_chat_template(one) for one in messages]
        return "\n".join(str(message.get("content", "")) for message in messages)

    def __call__(self, text: list[str], **options: Any) -> dict[str, list[list[str]]]:
        """The words of texts."""
        return {"input_ids": [one.split() for one in text]}


def open_service(endpoint: str, api_key_env: str | None, concurrency: int) -> WebService:
    """The service at an address.

    Args:
        endpoint: its base address (`https://host/v1`), or that of chat completions itself.
        api_key_env: name of the environment variable with the key; None for OPENAI_API_KEY where it is set.
        concurrency: most requests under way at once.

    Raises:
        ConfigError: the address or the key cannot be used.
    """
    name = api_key_env or (_DEFAULT_KEY if os.environ.get(_DEFAULT_KEY, "").strip() else None)
    if name == _DEFAULT_KEY and api_key_env is None and urlsplit(endpoint).hostname in ("localhost", "127.0.0.1"):
        name = None  # a server of one's own gets no key that it was not meant for
    url = endpoint.rstrip("/")
    try:
        return WebService(
            url if url.endswith(_PATH) else url + _PATH,
            api_key_env=name,
            api_key_header="Authorization",
            concurrency=concurrency,
            requests_per_minute=None,
            tokens_per_minute=None,
            request_timeout=600.0,
            retries=5,
            backoff=1.0,
        )
    except ConfigError as error:
        raise ConfigError(*(f"endpoint: {problem}" for problem in error.problems)) from error
