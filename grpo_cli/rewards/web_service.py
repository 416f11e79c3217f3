"""Posting JSON to a service that may be slow, busy, broken or expensive.

Retries what may pass (429, 5xx, timeouts, broken connections, replies that are no JSON), ends the run at what
will not (a refused key, a wrong address), and never lets the key out of the request's header.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import math
import os
import random
import re
import time
import weakref
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.rewards.notices import say
from grpo_cli.rewards.pace import Pace, Turn, world_size

# A service that wants a longer pause than this has no more to give (a daily limit, say).
LONGEST_PAUSE = 120.0
_LONGEST_BACKOFF = 30.0
# Of its own: drawing from Python's would change what a seeded run draws next.
_chance = random.Random()
_SHOWN = 200
_HINTS = {
    401: "check the key in the environment variable that api_key_env names",
    403: "check what the key in the environment variable that api_key_env names may do",
    404: "check the address and the model's name",
}


class ServiceError(Exception):
    """One request failed for good; the run's `on_error` says what becomes of the completion."""


@dataclass
class _Failed:
    """Why a request failed, and how long the service asked to wait, if it did."""

    reason: str
    wait: float | None = None
    again: bool = True


class WebService:
    """An address that takes JSON and gives JSON.

    Args:
        url: where to post to.
        api_key_env: NAME of the environment variable that holds the key; None to send none.
        api_key_header: the header that carries it: as `Bearer <key>` in Authorization, else as it is.
        concurrency: most requests under way at once.
        requests_per_minute: most requests a minute; None for no limit.
        tokens_per_minute: most tokens a minute (as `post` is told); None for no limit.
        request_timeout: wall seconds for one request.
        retries: how often a request is tried again.
        backoff: seconds before the first retry; doubled for each further one, up to 30, the exact time by chance.

    Of the three limits each process of a run takes its share, so that they hold for the run.

    Raises:
        ConfigError: the address or the key cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key_env: str | None,
        api_key_header: str,
        concurrency: int,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        request_timeout: float,
        retries: int,
        backoff: float,
    ) -> None:
        limits = {
            "concurrency": concurrency,
            "requests_per_minute": requests_per_minute,
            "tokens_per_minute": tokens_per_minute,
            "request_timeout": request_timeout,
        }
        for key, value in limits.items():
            if value is not None and not value > 0:
                raise ConfigError(f"{key} must be above 0, not {value}")
        for key, value in {"retries": retries, "backoff": backoff}.items():
            if not value >= 0:
                raise ConfigError(f"{key} must be 0 or more, not {value}")
        self.url, self.shown_url = url, _checked(url)
        self._key = read_key(api_key_env)
        self._header = api_key_header
        ranks = world_size()
        self._concurrency = max(1, concurrency // ranks)
        self._requests = Pace(requests_per_minute / ranks) if requests_per_minute else None
        self._tokens = Pace(tokens_per_minute / ranks) if tokens_per_minute else None
        self._request_timeout, self._retries, self._backoff = request_timeout, retries, backoff
        self._paused_until = 0.0
        self._refused: RunError | None = None
        self._told = False
        self._heard = -1.0  # when it last gave a reply that could be used
        self.retried = 0
        # A client and a semaphore belong to the event loop they were first used in.
        self._loops: weakref.WeakKeyDictionary[Any, tuple[Any, asyncio.Semaphore]] = weakref.WeakKeyDictionary()

    async def post(self, body: Any, tokens: float = 0.0) -> tuple[Any, Turn | None]:
        """Send a body; wait, and try again, as long as that can help.

        Args:
            body: what JSON can hold.
            tokens: how much it counts for in tokens_per_minute.

        Returns:
            The reply's JSON, and the turn to correct with `used` once the true count of tokens is known.

        Raises:
            ServiceError: it failed, and will again or has too often.
            RunError: the service refuses whatever is sent to it.
        """
        client, turns = self._of_this_loop()
        # ASCII: a lone surrogate, which UTF-8 cannot hold, travels as an escape.
        content = json.dumps(body).encode("ascii")
        failed = _Failed("")
        asked = time.monotonic()
        for attempt in range(self._retries + 1):
            if attempt:
                self.retried += 1
                await asyncio.sleep(self._pause(attempt, failed))
            async with turns:
                if self._refused:  # while this one waited for its turn: it need not hear it again
                    raise self._refused
                turn = await self._wait_for_turn(tokens)
                sent = time.monotonic()
                outcome = await self._send(client, content)
            if not isinstance(outcome, _Failed):
                self._hear()
                return outcome, turn
            failed = outcome
            if not failed.again:
                break
            if attempt and self._heard < asked:
                self._tell_of_silence(attempt, failed, time.monotonic() - sent)
        tries = f" after {attempt + 1} tries" if attempt else ""
        raise ServiceError(f"{self.shown_url} failed{tries}: {failed.reason}")

    def used(self, turn: Turn | None, tokens: float) -> None:
        """Put right how many tokens a request took."""
        if self._tokens and turn:
            self._tokens.correct(turn, tokens)

    def redact(self, text: str) -> str:
        """The text without the key, in one line of bearable length."""
        if self._key:
            text = text.replace(self._key, "[key]")
        text = " ".join(text.split())
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"

    async def _wait_for_turn(self, tokens: float) -> Turn | None:
        turn = self._tokens.reserve(tokens) if self._tokens else None
        starts = [turn.start] if turn else []
        if self._requests:
            starts.append(self._requests.reserve().start)
        while (wait := max(self._paused_until, *starts, 0.0) - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        return turn

    async def _send(self, client: Any, content: bytes) -> Any:
        import httpx2

        try:
            # httpx's own limit is for each piece of a reply: one that drips would go on for ever.
            response = await asyncio.wait_for(client.post(self.url, content=content), self._request_timeout)
        except (asyncio.TimeoutError, httpx2.TimeoutException):
            return _Failed(f"no reply within {self._request_timeout:g} s")
        except (httpx2.RequestError, OSError) as error:
            return _Failed(self.redact(f"{type(error).__name__}: {error}"))
        if response.status_code == 200:
            try:
                return response.json()
            except ValueError:
                return _Failed(self.redact(f"the reply is no JSON: {response.text}"))
        return self._refusal(response)

    def _refusal(self, response: Any) -> _Failed:
        status = response.status_code
        reason = self.redact(f"HTTP {status}: {response.text}")
        if hint := _HINTS.get(status):
            self._refused = RunError(f"{self.shown_url} refuses all requests ({reason}): {hint}")
            raise self._refused
        if status == 429 and "insufficient_quota" in response.text:
            self._refused = RunError(f"{self.shown_url}: the account has no credit left ({reason})")
            raise self._refused
        wait = _retry_after(response.headers.get("retry-after"))
        if status not in (408, 409, 425, 429) and status < 500:
            return _Failed(reason, again=False)
        if wait is not None and wait > LONGEST_PAUSE:
            return _Failed(f"{reason}; it asks to wait {wait:.0f} s", again=False)
        if wait and status in (429, 503):
            # It speaks to all of us, not to this request alone.
            self._paused_until = max(self._paused_until, time.monotonic() + wait)
        return _Failed(reason, wait)

    def _hear(self) -> None:
        self._heard = time.monotonic()
        if self._told:
            self._told = False
            say(f"{self.shown_url} answers again.")

    def _tell_of_silence(self, attempt: int, failed: _Failed, took: float) -> None:
        """Say once what is being waited for, when a request has failed twice and no other had a reply meanwhile."""
        left = self._retries - attempt
        if self._told or not left:
            return
        self._told = True
        pauses = sum(min(_LONGEST_BACKOFF, self._backoff * 2**n) for n in range(attempt, self._retries))
        longest = max(pauses, left * (failed.wait or 0.0)) + left * took
        say(
            f"{self.shown_url} gives no usable reply ({failed.reason}); it is asked {left} more "
            f"time{'s' * (left > 1)}, for about {max(1, math.ceil(longest))} s at most."
        )

    def _pause(self, attempt: int, failed: _Failed) -> float:
        # By chance, so that what failed together does not come back together.
        backoff = min(_LONGEST_BACKOFF, self._backoff * 2 ** (attempt - 1)) * _chance.uniform(0.5, 1.0)
        return backoff if failed.wait is None else failed.wait + _chance.uniform(0.0, min(1.0, self._backoff))

    def _of_this_loop(self) -> tuple[Any, asyncio.Semaphore]:
        import httpx2

        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            headers = {"Content-Type": "application/json"}
            if self._key:
                bearer = "Bearer " if self._header.lower() == "authorization" else ""
                headers[self._header] = bearer + self._key
            # The semaphore alone bounds connections: a full pool would make requests wait and time out.
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=self._concurrency)
            client = httpx2.AsyncClient(headers=headers, timeout=self._request_timeout, limits=limits)
            self._loops[loop] = (client, asyncio.Semaphore(self._concurrency))
        return self._loops[loop]


def read_key(name: str | None) -> str | None:
    """The key in the environment variable `name`; None for no name.

    Raises:
        ConfigError: the name is none, or the variable holds nothing usable. No message repeats what was given
            as a name: it may be the key itself.
    """
    if name is None:
        return None
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
        raise ConfigError(
            "api_key_env must be the NAME of an environment variable, such as OPENAI_API_KEY, never the key itself (if "
            "it is one, it now stands in the run's config.yaml: delete that, and withdraw the key)"
        )
    key = os.environ.get(name, "").strip()
    if not key:
        # A long name may be a key of letters and digits.
        shown = name if len(name) <= 40 and "_" in name else "that api_key_env names"
        raise ConfigError(
            f"the environment variable {shown} is not set: export it before the launch, or write api_key_env: null "
            "for a service without a key"
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"the key in the environment variable {name} has characters that no header can carry")
    return key


def _checked(url: str) -> str:
    """The address as it may be shown: without what follows its path."""
    parts = urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{url!r} is no address: write http://… or https://…")
    if parts.username or parts.password:
        raise ConfigError("an address must hold no password: put it into an environment variable, for api_key_env")
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _retry_after(value: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, given as such or as a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
