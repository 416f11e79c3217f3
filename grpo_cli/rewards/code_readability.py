"""How readable the program in a completion is: what a linter finds, and how many decisions it takes per line."""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sysconfig
from typing import Any

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.rewards.code_text import extract_code

# A finding in so many lines leaves nothing of the lint share.
_LINES_PER_FINDING = 5
_RUFF_SECONDS = 30


def code_readability(
    completion: str,
    *,
    rules: str = "E,W,F,B,C4,N,RET,SIM,UP",
    lint_weight: float = 0.5,
    prompt_opens_think: bool = False,
) -> float:
    r"""Rate a program by its lint findings (ruff) and its cyclomatic complexity (radon), both per line.

    .. math:: w \max\left(0, 1 - 5\,\frac{F}{L}\right) + (1 - w) \max\left(0, 1 - \frac{D}{L}\right)

    with :math:`F` findings, :math:`D` decisions (branches, loops, conditions: McCabe's complexity of every function
    and of the module, less the one that each has without any decision; T. McCabe, "A Complexity Measure", 1976) and
    :math:`L` lines that hold code. So a finding in every fifth line, or a decision in every line, leaves nothing.

    Args:
        completion: the text of one completion; its program is what `extract_code` finds.
        rules: ruff's rules, with commas; a `# noqa` in the program does not count.
        lint_weight: w, from 0 to 1.
        prompt_opens_think: whether the prompt opened `<think>`.

    Returns:
        From 0.0 to 1.0; 0.0 without a program, and for one that is no valid Python. A program that does nothing is
        very readable: use it beside `code_tests`.

    Raises:
        ValueError: `lint_weight` out of its range, or no rules.
        ConfigError: ruff or radon is not installed.

    Example:
        >>> code_readability("```python\ndef add(a, b):\n    return a + b\n```")
        1.0
        >>> code_readability("```python\nimport os\ndef f(l):\n    return l\n```"), code_readability("No code.")
        (0.5, 0.0)
    """
    if not 0 <= lint_weight <= 1:
        raise ValueError(f"lint_weight must be from 0 to 1, not {lint_weight}")
    if not rules.strip():
        raise ValueError("rules must name ruff's rules, such as E,F")
    ruff = _ruff()
    code = extract_code(completion, prompt_opens_think)
    decisions = _decisions(code)
    lines = _lines_of_code(code)
    if decisions is None or not lines:
        return 0.0
    findings = _findings(ruff, code, rules)
    lint = max(0.0, 1 - _LINES_PER_FINDING * findings / lines)
    return lint_weight * lint + (1 - lint_weight) * max(0.0, 1 - decisions / lines)


@functools.cache
def _ruff() -> str:
    """Path of ruff's program, once it is known that all that is needed is there."""
    path = shutil.which("ruff", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]))
    missing = [name for name, found in (("ruff", path), ("radon", importlib.util.find_spec("radon"))) if not found]
    if path is None or missing:
        raise ConfigError(
            f"reward code_readability needs {' and '.join(missing)}: install with pip install 'grpo-train[code]'"
        )
    return path


def _decisions(code: str) -> int | None:
    """Decisions in the whole program; None where it is no Python, or too deep to be read."""
    from radon.visitors import ComplexityVisitor

    try:
        found = ComplexityVisitor.from_ast(ast.parse(code))
        # Without any decision a block counts 1.
        return found.complexity - 1 + sum(map(_decisions_in, [*found.functions, *found.classes]))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _decisions_in(block: Any) -> int:
    """Decisions in radon's record of a function or a class, with those of what is defined inside."""
    if hasattr(block, "methods"):
        return sum(map(_decisions_in, [*block.methods, *block.inner_classes]))
    return block.complexity - 1 + sum(map(_decisions_in, block.closures))


def _lines_of_code(code: str) -> int:
    return sum(1 for line in code.splitlines() if (bare := line.strip()) and not bare.startswith("#"))


def _findings(ruff: str, code: str, rules: str) -> int:
    # Isolated: neither this folder's configuration nor what the program says of itself.
    command = [ruff, "check", "--isolated", "--no-cache", "--ignore-noqa", "--quiet", "--exit-zero"]
    command += ["--output-format=json", f"--select={rules}", "--stdin-filename=main.py", "-"]
    source = code if code.endswith("\n") else code + "\n"
    ran = subprocess.run(
        command, input=source.encode("utf-8", "replace"), capture_output=True, timeout=_RUFF_SECONDS, check=False
    )
    if ran.returncode:
        problem = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RunError(f"reward code_readability: ruff failed: {problem[0] if problem else ran.returncode}")
    return len(json.loads(ran.stdout))


def preload() -> None:
    """Import what the first call would."""
    _ruff()
    _decisions("")
