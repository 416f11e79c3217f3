"""A language model behind an OpenAI-compatible endpoint as the judge of completions."""

from __future__ import annotations

import asyncio
import inspect
import math
import secrets
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.rewards.extract import finished_text
from grpo_cli.rewards.judge_prompt import UnreadableReply, read_prompt
from grpo_cli.rewards.pace import world_size
from grpo_cli.rewards.prose import valid
from grpo_cli.rewards.reply_cache import ReplyCache
from grpo_cli.rewards.text import completion_text, content_text
from grpo_cli.rewards.web_service import ServiceError, WebService
from grpo_cli.user_cache import key_of

_ASKS = 2  # how often a judge is asked whose reply cannot be read
_CHARACTERS_A_TOKEN = 3  # a careful guess, until the service says how many there were
_CUT = "\n[… cut …]\n"


@dataclass
class Spent:
    """What judging took, of one completion or in all.

    Attributes:
        requests: replies received.
        input_tokens: tokens sent.
        output_tokens: tokens received.
        cost: their price, in the currency of the prices.
        cache_hits: scores that were in the cache.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    cache_hits: int = 0


class LLMJudge:
    """Asks a language model for a score of each completion, and maps it to 0–1.

    The completion is judged without its reasoning (`<think>…</think>`); an empty one gets 0.0 unasked. It is handed
    over between marks that it cannot forge, and the score is read from one place of the reply only (`judge_prompt`).

    Args:
        model: the model's name at the endpoint.
        base_url: the endpoint; `/chat/completions` is added to it.
        api_key_env: NAME of the environment variable that holds the key; None for an endpoint without one.
        api_key_header: the header that carries it, in Authorization as `Bearer <key>`.
        rubric: what to judge by; `{reference}`, or any other column of the data, is filled in for each row.
        template: a file with the whole question instead: text, or YAML with `user` and, if wanted, `system`;
            `{completion}` must be in it, `{prompt}` and columns may.
        reply: `line`: reasoning, then a last line with the score. `json`: one object with `score`. `pattern`:
            the form of a judge that was trained on one of its own; it alone does not tell a verdict from an echo of
            the completion at the reply's end.
        pattern: for `pattern`: a regular expression with one group, the number; it must end the reply.
        lowest: the lowest score, which becomes 0.0.
        highest: the highest score, which becomes 1.0.
        temperature: of the judge's sampling; None leaves it out of the request.
        max_tokens: most tokens of a reply; None leaves it out.
        parameters: anything else for the request's body.
        max_characters: of each text handed over; what is longer loses its middle.
        concurrency: most requests under way at once.
        requests_per_minute: the endpoint's limit; None for none.
        tokens_per_minute: the same for tokens, in and out together.
        request_timeout: wall seconds for one request.
        retries: how often a request is tried again after 429, 5xx, a timeout or a broken connection.
        backoff: seconds before the first retry, doubled for each further one; a Retry-After goes before.
        cache_replies: whether a question that was answered before is not asked again.
        cache_dir: folder of the answers; None for `grpo-train` in the user's cache folder.
        input_price: price of a million tokens sent.
        output_price: price of a million tokens received.
        max_cost: the run ends before a request once this much is spent, in the same currency.

    With several processes, each gets its share of concurrency, the two limits and max_cost.

    Raises:
        ConfigError: the key is not in the environment, or an option cannot work.

    Example:
        reward=[llm_judge] reward.llm_judge.model=gpt-5-mini reward.llm_judge.rubric='Is it funny?'
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str = "https://api.openai.com/v1",
        api_key_env: str | None = "OPENAI_API_KEY",
        api_key_header: str = "Authorization",
        rubric: str | None = None,
        template: str | None = None,
        reply: Literal["line", "json", "pattern"] = "line",
        pattern: str | None = None,
        lowest: float = 0.0,
        highest: float = 10.0,
        temperature: float | None = 0.0,
        max_tokens: int | None = 1024,
        parameters: Mapping[str, Any] | None = None,
        max_characters: int = 20_000,
        concurrency: int = 16,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        request_timeout: float = 60.0,
        retries: int = 4,
        backoff: float = 1.0,
        cache_replies: bool = True,
        cache_dir: str | None = None,
        input_price: float | None = None,
        output_price: float | None = None,
        max_cost: float | None = None,
    ) -> None:
        if max_characters < 100:
            raise ConfigError(f"max_characters must be 100 or more, not {max_characters}")
        if max_cost is not None and (input_price is None or output_price is None):
            raise ConfigError("max_cost needs input_price and output_price (of a million tokens) to reckon with")
        self.prompt = read_prompt(rubric, template, reply=reply, pattern=pattern, lowest=lowest, highest=highest)
        self.service = WebService(
            _endpoint(base_url),
            api_key_env=api_key_env,
            api_key_header=api_key_header,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            request_timeout=request_timeout,
            retries=retries,
            backoff=backoff,
        )
        body = {"model": model, "temperature": temperature, "max_tokens": max_tokens}
        self.body = {key: value for key, value in body.items() if value is not None} | dict(parameters or {})
        self.max_characters = max_characters
        self.cache = ReplyCache(cache_dir) if cache_replies else None
        self.prices = (input_price or 0.0, output_price or 0.0)
        self.max_cost = max_cost
        self.total = Spent()
        # A question that is asked twice at once is sent once; a lock belongs to its event loop.
        self._asking: weakref.WeakKeyDictionary[Any, weakref.WeakValueDictionary[str, asyncio.Lock]] = (
            weakref.WeakKeyDictionary()
        )
        self.__signature__ = _signature(self.prompt.fields)

    async def __call__(
        self,
        completion: str,
        prompt_opens_think: bool = False,
        log_metric: Callable[[str, float], None] | None = None,
        **fields: Any,
    ) -> float:
        """The score of one completion, from 0.0 to 1.0.

        Args:
            completion: its text.
            prompt_opens_think: whether it starts inside a `<think>` of the prompt.
            log_metric: gets what this score took, and what all have cost so far in this process.
            **fields: the prompt and the columns that the question has fields for.

        Raises:
            ServiceError: no score was to be had for this completion.
            RunError: none is to be had for any: the key is refused, the address is wrong, the money is spent.
        """
        judged = (finished_text(completion, prompt_opens_think) or "").strip()
        if not judged:
            return 0.0
        texts = {name: self._text(judged if name == "completion" else fields[name]) for name in self.prompt.fields}
        spent = Spent()
        try:
            score = await self._cached(texts, spent)
        finally:
            if log_metric:
                log_metric("llm_judge/cost", spent.cost)
                log_metric("llm_judge/cost_total", self.total.cost)
                log_metric("llm_judge/tokens", float(spent.input_tokens + spent.output_tokens))
                log_metric("llm_judge/cache_hits", float(spent.cache_hits))
                log_metric("llm_judge/retries_total", float(self.service.retried))
        return self.prompt.share(score)

    async def _cached(self, texts: Mapping[str, str], spent: Spent) -> float:
        """The score from the cache, or asked for and put there."""
        if self.cache is None:
            return (await self._ask(texts, spent))[0]
        # The mark is new each time, so the key is made without one.
        question = self.prompt.messages(texts, "")
        form = [self.prompt.reply, self.prompt.pattern, self.prompt.lowest, self.prompt.highest]
        key = key_of(self.service.url, self.body, question, form)
        locks = self._asking.setdefault(asyncio.get_running_loop(), weakref.WeakValueDictionary())
        lock = locks.setdefault(key, asyncio.Lock())
        async with lock:
            # In a thread: the file may be held by another process for a moment.
            if (found := await asyncio.to_thread(self.cache.get, key)) is not None:
                for counter in (spent, self.total):
                    counter.cache_hits += 1
                return float(found["score"])
            score, reply = await self._ask(texts, spent)
            await asyncio.to_thread(self.cache.put, key, {"score": score, "reply": reply})
            return score

    async def _ask(self, texts: Mapping[str, str], spent: Spent) -> tuple[float, str]:
        """The score that the judge gives now, and its reply."""
        problem = ""
        for _ in range(_ASKS):
            self._check_budget()
            mark = secrets.token_hex(8)
            messages = self.prompt.messages(texts, mark)
            sent = sum(len(message["content"]) for message in messages) // _CHARACTERS_A_TOKEN
            most = self.body.get("max_tokens") or self.body.get("max_completion_tokens") or 0
            answer, turn = await self.service.post({**self.body, "messages": messages}, tokens=sent + most)
            reply, cut = _content(answer)
            self.service.used(turn, self._count(answer, sent, reply, spent))
            try:
                return self.prompt.score(reply, mark), reply
            except UnreadableReply as error:
                advice = " (it was cut off: raise max_tokens)" if cut else ""
                problem = f"the judge's reply cannot be read: {error}{advice}; it ends {self._end(reply)}"
        raise ServiceError(problem)

    def _count(self, answer: Any, sent: int, reply: str, spent: Spent) -> int:
        """Add what a reply took, by the service's own count where it gives one."""
        usage = answer.get("usage") if isinstance(answer, dict) else None
        usage = usage if isinstance(usage, dict) else {}
        given = _tokens(usage.get("prompt_tokens"), sent)
        taken = _tokens(usage.get("completion_tokens"), len(reply) // _CHARACTERS_A_TOKEN)
        for counter in (spent, self.total):
            counter.requests += 1
            counter.input_tokens += given
            counter.output_tokens += taken
            counter.cost += (given * self.prices[0] + taken * self.prices[1]) / 1e6
        return given + taken

    def _check_budget(self) -> None:
        if self.max_cost is not None and self.total.cost >= self.max_cost / world_size():
            raise RunError(
                f"The judge's budget is spent: {self.total.cost:.4g} of max_cost {self.max_cost:g}, shared by "
                f"{world_size()} process(es), for {self.total.requests} requests; raise max_cost to go on"
            )

    def _text(self, value: Any) -> str:
        """A value of the data as the judge reads it; what is too long loses its middle."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "(none)"
        if isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value):
            turns = [f"{turn.get('role', '')}: {content_text(turn.get('content'))}" for turn in value]
            text = turns[0].partition(": ")[2] if len(turns) == 1 else "\n".join(turns)
        elif isinstance(value, list | tuple):
            text = "\n".join(str(item) for item in value)
        else:
            text = completion_text(value) if isinstance(value, Mapping) else str(value)
        text = valid(text).strip()
        half = self.max_characters // 2
        return text if len(text) <= self.max_characters else text[:half] + _CUT + text[-half:]

    def _end(self, reply: str) -> str:
        return repr(self.service.redact(reply.strip()[-120:]))


def _signature(fields: tuple[str, ...]) -> inspect.Signature:
    """What the trainer is to pass: the columns that the question has fields for are then checked before training."""
    needed = ["completion", *(name for name in fields if name != "completion")]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature(
        [
            *(inspect.Parameter(name, keyword) for name in needed),
            inspect.Parameter("prompt_opens_think", keyword, default=False),
            inspect.Parameter("log_metric", keyword, default=None),
        ]
    )


def _endpoint(base_url: str) -> str:
    address, question, query = base_url.partition("?")
    address = address.rstrip("/")
    if not address.endswith("/chat/completions"):
        address += "/chat/completions"
    return address + question + query


def _content(answer: Any) -> tuple[str, bool]:
    """The text of a reply, and whether it was cut off; an answer of another shape has no text."""
    try:
        choice = answer["choices"][0]
        return choice["message"]["content"] or "", choice.get("finish_reason") == "length"
    except (KeyError, IndexError, TypeError, AttributeError):
        return "", False


def _tokens(count: Any, otherwise: int) -> int:
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else otherwise
