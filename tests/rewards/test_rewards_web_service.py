"""Posting to a real server on this machine that misbehaves."""

from __future__ import annotations

import asyncio
import email.utils
import re
import socket
import time

import pytest
from local_service import Answer, serving

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.rewards import notices
from grpo_cli.rewards.pace import Pace
from grpo_cli.rewards.web_service import ServiceError, WebService

KEY = "sk-Very5ecret0123456789"


def service(url, **options):
    given = {
        "api_key_env": None,
        "api_key_header": "Authorization",
        "concurrency": 4,
        "requests_per_minute": None,
        "tokens_per_minute": None,
        "request_timeout": 5.0,
        "retries": 3,
        "backoff": 0.01,
    }
    return WebService(url, **{**given, **options})


def post(made, body=None):
    return asyncio.run(made.post(body or {}))[0]


@pytest.mark.parametrize(
    "fault",
    [
        Answer(status=429),
        Answer(status=500),
        Answer(status=503, body="busy"),
        Answer("<html>Bad gateway</html>"),
        Answer(disconnect=True),
        Answer(delay=1.0),
    ],
    ids=["429", "500", "503", "garbage", "disconnect", "slow"],
)
def test_what_may_pass_is_tried_again(fault):
    with serving(lambda body, number: fault if number < 2 else {"fine": body["n"]}) as server:
        made = service(server.url, request_timeout=0.3)

        assert post(made, {"n": 7}) == {"fine": 7}
        assert len(server.asked) == 3
        assert made.retried == 2


def test_who_waits_is_told_once_for_what_and_how_long(capsys):
    silent = [True]
    with serving(lambda body, number: Answer(status=503, body="busy") if silent[0] else {}) as server:
        made = service(server.url, retries=5, backoff=0.02)

        async def several():
            return await asyncio.gather(*(made.post({}) for _ in range(4)), return_exceptions=True)

        assert all(isinstance(one, ServiceError) for one in asyncio.run(several()))
        told = capsys.readouterr().err
        reason = re.escape(f"{server.url} gives no usable reply (HTTP 503: busy)")
        assert re.fullmatch(reason + "; it is asked 4 more times, for about 1 s at most.\n", told)
        silent[0] = False
        post(made)
        assert capsys.readouterr().err == f"{server.url} answers again.\n"


def test_an_address_where_nobody_listens_is_told_of_before_the_wait(capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ServiceError, match="failed after 4 tries"):
        post(service(url))
    assert "Connect" in (told := capsys.readouterr().err) and "it is asked 2 more times" in told


def test_one_failure_while_others_have_replies_is_not_worth_a_word(capsys):
    with serving(lambda body, number: Answer(status=429) if number == 0 else {}) as server:
        post(service(server.url))
    assert capsys.readouterr().err == ""


def test_a_run_hears_it_in_place_of_standard_error(capsys, monkeypatch):
    monkeypatch.setattr(notices, "_listeners", [])
    heard = []
    notices.listen(heard.append)
    notices.say("still waiting")
    assert (heard, capsys.readouterr().err) == (["still waiting"], "")


def test_it_gives_up_in_the_end():
    with serving(lambda body, number: Answer(status=500, body="out of order")) as server:
        with pytest.raises(ServiceError, match=r"failed after 3 tries: HTTP 500: out of order"):
            post(service(server.url, retries=2))
        assert len(server.asked) == 3


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ServiceError, match=r"failed after 2 tries: ConnectError"):
        post(service(url, retries=1))


def test_a_reply_that_drips_is_cut_off():
    with serving(lambda body, number: Answer("x" * 30, drip=0.1)) as server:
        begun = time.monotonic()
        with pytest.raises(ServiceError, match=r"no reply within 0\.4 s"):
            post(service(server.url, request_timeout=0.4, retries=0))
        assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured_by_all(as_date):
    def answer(body, number):
        # A date has whole seconds, so 2 may mean just over 1.
        wait = email.utils.formatdate(time.time() + 2, usegmt=True) if as_date else "1"
        return Answer(status=429, headers={"Retry-After": wait}) if number == 0 else {"n": number}

    async def both():
        first = asyncio.ensure_future(made.post({}))
        await asyncio.sleep(0.3)
        await made.post({})
        await first

    with serving(answer) as server:
        made = service(server.url)
        asyncio.run(both())
        first, *later = [asked.at for asked in server.asked]

    assert len(later) == 2
    assert all(at - first > 0.9 for at in later)


def test_a_service_that_wants_an_hour_is_not_waited_for():
    with serving(lambda body, number: Answer(status=429, headers={"Retry-After": "3600"})) as server:
        with pytest.raises(ServiceError, match="asks to wait 3600 s"):
            post(service(server.url))
        assert len(server.asked) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_bad_request_is_not_repeated(status):
    with serving(lambda body, number: Answer(status=status, body="too long")) as server:
        with pytest.raises(ServiceError, match=f"failed: HTTP {status}: too long"):
            post(service(server.url))
        assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_refuses_everything_ends_the_run(status, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    with serving(lambda body, number: Answer(status=status, body=f"wrong key {KEY}")) as server:
        with pytest.raises(RunError, match=f"refuses all requests .HTTP {status}: wrong key .key.") as caught:
            post(service(server.url, api_key_env="MY_KEY"))
        assert KEY not in str(caught.value)
        assert len(server.asked) == 1


def test_what_is_refused_once_is_not_asked_for_again():
    async def all_at_once():
        return await asyncio.gather(*(made.post({}) for _ in range(20)), return_exceptions=True)

    with serving(lambda body, number: Answer(status=401)) as server:
        made = service(server.url, concurrency=2)
        assert {type(error) for error in asyncio.run(all_at_once())} == {RunError}
        assert len(server.asked) <= 2


def test_no_credit_left_ends_the_run():
    body = {"error": {"code": "insufficient_quota"}}
    with serving(lambda _, number: Answer(status=429, body=body)) as server, pytest.raises(RunError, match="no credit"):
        post(service(server.url))


@pytest.mark.parametrize(
    ("header", "sent"), [("Authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {KEY}"), ("api-key", KEY)]
)
def test_the_key_goes_into_its_header_only(monkeypatch, header, sent):
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    with serving(lambda body, number: {}) as server:
        post(service(server.url, api_key_env="MY_KEY", api_key_header=header))
        (asked,) = server.asked
    assert asked.headers[header.lower()] == sent
    assert KEY not in str(asked.body) + asked.path


@pytest.mark.parametrize("echo", [Answer(KEY), Answer(status=500, body=KEY), Answer(status=418, body=KEY)])
def test_a_service_that_echoes_the_key_does_not_get_it_into_a_message(monkeypatch, echo):
    monkeypatch.setenv("MY_KEY", KEY)
    with serving(lambda body, number: echo) as server, pytest.raises(ServiceError) as caught:
        post(service(server.url, api_key_env="MY_KEY", retries=0))
    assert KEY not in str(caught.value)
    assert "[key]" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("value", ["", "  ", "sk-ключ", "sk-\x07"])
def test_a_key_that_cannot_be_sent(monkeypatch, value):
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError, match="environment variable MY_KEY") as caught:
        service("http://localhost", api_key_env="MY_KEY")
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("name", [KEY, "a" * 50])
def test_a_key_in_place_of_its_variables_name_is_not_repeated(name):
    with pytest.raises(ConfigError, match="api_key_env") as caught:
        service("http://localhost", api_key_env=name)
    assert name not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:8000", "is no address"),
        ("ftp://localhost", "is no address"),
        ("http://localhost:notaport", "is no address"),
        ("http://me:pass@localhost", "must hold no password"),
    ],
)
def test_addresses(url, message):
    with pytest.raises(ConfigError, match=message) as caught:
        service(url)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize("key", ["concurrency", "requests_per_minute", "tokens_per_minute", "request_timeout"])
def test_limits_are_above_0(key):
    with pytest.raises(ConfigError, match=f"{key} must be above 0, not 0"):
        service("http://localhost", **{key: 0})


def many(made, count):
    async def all_at_once():
        return await asyncio.gather(*(made.post({"n": n}) for n in range(count)))

    return asyncio.run(all_at_once())


def test_concurrency_is_bounded():
    with serving(lambda body, number: Answer({"n": body["n"]}, delay=0.05)) as server:
        replies = many(service(server.url, concurrency=3), 12)
        busiest = server.busiest[0]

    assert [reply["n"] for reply, _ in replies] == list(range(12))
    assert busiest == 3


def test_processes_share_the_limits(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with serving(lambda body, number: Answer({}, delay=0.05)) as server:
        many(service(server.url, concurrency=8), 8)
        assert server.busiest[0] == 2


def test_one_service_in_two_event_loops():
    """A trainer keeps one loop; an evaluation may open another."""
    with serving(lambda body, number: {"n": body["n"]}) as server:
        made = service(server.url, concurrency=1)
        assert len(many(made, 3)) == len(many(made, 3)) == 3


def test_invalid_unicode_travels():
    with serving(lambda body, number: {"got": len(body["text"])}) as server:
        assert post(service(server.url), {"text": "a\ud800b"}) == {"got": 3}


# pace


def starts(pace, amounts):
    return [pace.reserve(amount).start for amount in amounts]


def test_no_minute_holds_more_than_the_limit():
    now = [0.0]
    pace = Pace(10, clock=lambda: now[0])
    turns = []
    for step in range(60):
        now[0] = step * 1.5
        turns.append((pace.reserve(1 + step % 4), 1 + step % 4))
    for turn, _ in turns:
        assert sum(a for t, a in turns if turn.start <= t.start < turn.start + 60) <= 10
    # And not much less: whatever waits could not have gone earlier.
    assert turns[-1][0].start <= 60 * (sum(a for _, a in turns) / 7)


def test_more_than_the_limit_gets_a_minute_of_its_own():
    assert starts(Pace(10, clock=lambda: 0.0), [25, 1, 9, 1]) == [0.0, 60.0, 60.0, 120.0]


def test_a_corrected_turn_makes_room():
    pace = Pace(10, clock=lambda: 0.0)
    turn = pace.reserve(9)
    pace.correct(turn, 2)
    assert starts(pace, [8, 1]) == [0.0, 60.0]


def test_requests_a_minute_make_the_third_wait(monkeypatch):
    monkeypatch.setattr("grpo_cli.rewards.pace.WINDOW", 0.6)
    with serving(lambda body, number: {}) as server:
        many(service(server.url, requests_per_minute=2), 4)
        at = [asked.at for asked in server.asked]
    assert at[1] - at[0] < 0.4
    assert at[2] - at[0] > 0.55
