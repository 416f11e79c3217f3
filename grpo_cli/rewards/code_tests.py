"""Whether the program in a completion passes the tests of its row, run in a sandbox."""

from __future__ import annotations

import re
from typing import Any, Literal

from grpo_cli.rewards.code_formats import parse_tests
from grpo_cli.rewards.code_text import extract_code
from grpo_cli.rewards.text import content_text
from grpo_cli.sandbox import process
from grpo_cli.sandbox.isolation import describe, protections, require_isolation
from grpo_cli.sandbox.settings import Limits
from grpo_cli.sandbox.verdicts import function_verdicts, output_verdicts

_DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)[ \t]*\(", re.MULTILINE)


def code_tests(
    completion: str,
    tests: Any,
    *,
    score: Literal["all", "share"] = "all",
    entry: str | None = None,
    language: Literal["python"] = "python",
    max_tests: int | None = 16,
    cpu_seconds: int = 5,
    memory_mb: int = 512,
    output_kb: int = 1024,
    processes: int = 1,
    allow_unsafe: bool = False,
    prompt: Any = None,
    prompt_opens_think: bool = False,
) -> float | None:
    """Run the program of a completion against the tests of its row.

    The last fenced block is the program (`extract_code`). It runs in a sandbox, and the verdict is never given where
    it runs: what it prints is compared outside, and a function that it defines is called from another sandbox,
    which alone holds the tests. See docs/code-rewards.md.

    Args:
        completion: the text of one completion.
        tests: the row's tests, in any form of `parse_tests`.
        score: all (1.0 when every test passes) or share (of the tests that pass).
        entry: the function that `check(candidate)` is given, for data that do not name it; None: the one that the
            prompt begins, else the last one that the program defines.
        language: of the program.
        max_tests: tests that are run, the first ones; None for all.
        cpu_seconds: processor time of a run; three times as much on the clock.
        memory_mb: memory of the program.
        output_kb: what it may print.
        processes: processes that it may have; 1: it may start none.
        allow_unsafe: whether to run programs where no isolation can be had.
        prompt: the row's prompt.
        prompt_opens_think: whether the prompt opened `<think>`.

    Returns:
        From 0.0 to 1.0; 0.0 without a program; None for a row without tests.

    Raises:
        ValueError: an option out of its range, or tests in no known form.
        ConfigError: this machine cannot isolate programs.

    Example:
        >>> answer = "Adds two numbers:\\n```python\\ndef add(a, b):\\n    return a + b\\n```"
        >>> code_tests(answer, ["assert add(1, 2) == 3", "assert add(-1, 1) == 0"])
        1.0
        >>> code_tests(answer, ["assert add(1, 2) == 3", "assert add(1, 2) == 4"], score="share")
        0.5
    """
    limits = Limits(
        cpu_seconds=cpu_seconds,
        wall_seconds=3.0 * cpu_seconds,
        memory_mb=memory_mb,
        output_kb=output_kb,
        processes=processes,
    )
    if score not in ("all", "share"):
        raise ValueError(f"score must be all or share, not {score!r}")
    if language != "python":
        raise ValueError(f"language must be python, not {language!r}")
    if max_tests is not None and max_tests < 1:
        raise ValueError(f"max_tests must be 1 or more, not {max_tests}")
    isolation = require_isolation(allow_unsafe)
    found = parse_tests(tests)
    pairs, functions = found.pairs[:max_tests], found.functions[:max_tests]
    if not pairs and not functions:
        return None
    code = extract_code(completion, prompt_opens_think)
    if not code.strip():
        return 0.0
    stop = score == "all"
    verdicts: list[bool] = []
    if pairs:
        verdicts += output_verdicts(code, pairs, limits=limits, isolation=isolation, stop_at_failure=stop)
    if functions and not (stop and not all(verdicts)):
        verdicts += function_verdicts(
            code,
            functions,
            entry=found.entry or entry or _begun_in(prompt),
            setup=found.setup,
            limits=limits,
            isolation=isolation,
            stop_at_failure=stop,
        )
    return float(all(verdicts)) if stop else sum(verdicts) / len(verdicts)


def _begun_in(prompt: Any) -> str | None:
    """The last function whose head stands in the prompt, as in HumanEval."""
    if isinstance(prompt, list):
        prompt = "\n".join(content_text(message.get("content")) for message in prompt)
    names = _DEFINED.findall(prompt) if isinstance(prompt, str) else []
    return names[-1] if names else None


def preload() -> None:
    """Find out what this machine can isolate, which takes a few programs."""
    protections()
    # Workers are forked from here, and have one of their own each.
    process.close()


def note() -> str:
    """Which protections programs run under here."""
    described = describe()
    process.close()
    return described
