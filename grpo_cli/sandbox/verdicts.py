"""Deciding whether a program passes its tests, without letting the program near the decision.

Input and output: the program prints, and what it printed is compared here. Functions: the program answers calls that
the tests make from another sandbox (`grpo_cli.sandbox.inside`), which alone holds the tests and gives the verdicts.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from grpo_cli.sandbox.judges import start_judge
from grpo_cli.sandbox.program import Program, read_before, readable
from grpo_cli.sandbox.settings import Isolation, Limits

# Loading the tests and the code before the first verdict.
_START_SECONDS = 10.0
_OUT_OF_TIME = (128 + signal.SIGXCPU, 128 + signal.SIGKILL)
_DID_NOT_LOAD = 1  # an exception outside of any call


def same_output(printed: str, expected: str) -> bool:
    """Whether two outputs have the same words on the same lines; blank lines and the width of blanks do not count.

    Example:
        >>> same_output("1  2 \\n\\n3", "1 2\\n3\\n"), same_output("1 2 3", "1 2\\n3")
        (True, False)
    """
    return _words(printed) == _words(expected)


def _words(text: str) -> list[list[str]]:
    return [words for line in text.splitlines() if (words := line.split())]


def output_verdicts(
    code: str, pairs: Sequence[tuple[str, str]], *, limits: Limits, isolation: Isolation, stop_at_failure: bool
) -> list[bool]:
    """Run a program once per test, each time in a new sandbox.

    Args:
        code: the program's source.
        pairs: (what it reads, what it is to print).
        limits: of each run.
        isolation: how it is kept.
        stop_at_failure: leave out what follows a failed test.

    Returns:
        A verdict for each test; False also for those left out. After a test that ran out of time the rest fail
        unseen, so that a program that hangs costs its time once.
    """
    verdicts = [False] * len(pairs)
    for index, (given, expected) in enumerate(pairs):
        with Program(code, limits=limits, isolation=isolation, stdin=given.encode("utf-8", "replace")) as program:
            outcome = program.finish()
        verdicts[index] = outcome.code == 0 and same_output(outcome.stdout.decode("utf-8", "replace"), expected)
        if outcome.ended == "time" or (stop_at_failure and not verdicts[index]):
            break
    return verdicts


def function_verdicts(
    code: str,
    tests: Sequence[str | dict[str, Any]],
    *,
    entry: str | None,
    setup: str = "",
    limits: Limits,
    isolation: Isolation,
    stop_at_failure: bool,
) -> list[bool]:
    """Test the functions that a program defines.

    Args:
        code: the program's source.
        tests: Python source that asserts or defines `check(candidate)`; or
            `{"arguments": [...], "expected": value}`, a call of `entry`.
        entry: name of the function that `check` is given; None for the last one defined.
        setup: source that is run before the tests, beside them.
        limits: of the program, over all tests; `wall_seconds` for each test.
        isolation: how it is kept.
        stop_at_failure: leave out what follows a failed test.

    Returns:
        A verdict for each test; False also for those left out. A program that ends itself is started anew for
        the tests that are left; one that ran out of time is not.
    """
    verdicts: list[bool] = []
    while len(verdicts) < len(tests):
        what = {"entry": entry or "", "setup": setup, "tests": list(tests[len(verdicts) :])}
        found, again = _one_run(code, what, limits, isolation, stop_at_failure)
        verdicts += found
        if not again:
            break
    return verdicts + [False] * (len(tests) - len(verdicts))


def _one_run(
    code: str, what: dict[str, Any], limits: Limits, isolation: Isolation, stop_at_failure: bool
) -> tuple[list[bool], bool]:
    """The verdicts of one pair of sandboxes, and whether another pair may go on with what is left."""
    requests, answers, decisions = os.pipe(), os.pipe(), os.pipe()
    ours = [*requests, *answers, *decisions[1:]]
    # It waits for the candidate, and has its own work besides.
    judges = replace(limits, cpu_seconds=limits.cpu_seconds + 5)
    try:
        ours.append(tests := readable(json.dumps(what).encode()))
        with (
            Program(
                inside="candidate",
                limits=limits,
                isolation=isolation,
                capture=False,
                files={4: code.encode("utf-8", "replace"), 5: requests[0], 6: answers[1]},
            ) as candidate,
            start_judge(judges, isolation, [tests, answers[0], requests[1], decisions[1]]),
        ):
            while ours:
                os.close(ours.pop())
            candidate.started()
            verdicts = _read_verdicts(decisions[0], len(what["tests"]), limits.wall_seconds, stop_at_failure)
            if len(verdicts) == len(what["tests"]) or (stop_at_failure and not all(verdicts)):
                return verdicts, False
            # The judge has seen the candidate's end a moment before we can.
            code_at_end = candidate.exit_code(1.0)
            return verdicts, bool(verdicts) and code_at_end not in (None, _DID_NOT_LOAD, *_OUT_OF_TIME)
    finally:
        for descriptor in (*ours, decisions[0]):
            os.close(descriptor)


def _read_verdicts(descriptor: int, most: int, seconds: float, stop_at_failure: bool) -> list[bool]:
    verdicts: list[bool] = []
    deadline = time.monotonic() + _START_SECONDS + seconds
    while len(verdicts) < most:
        try:
            chunk = read_before(descriptor, deadline)
        except TimeoutError:
            break
        if not chunk:
            break
        verdicts += [byte == ord("1") for byte in chunk]
        if stop_at_failure and not all(verdicts):
            break
        deadline = time.monotonic() + seconds
    return verdicts[:most]
