"""What to tell the user about a run that failed: the original cause, in one sentence, and where the log is.

Sources, best first: a rank's own error report; how a rank died (torchrun's summary, the exit status); the
report of a rank that only noticed the death of another; the last lines of the log.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo_cli.errors import EXIT_CONFIG, EXIT_FAILED
from grpo_cli.runs.folder import RunFolder

TAIL_LINES = 15
TAIL_BYTES = 256 * 1024

# How a rank words that another one has gone.
_SECONDARY = re.compile(
    r"connection (closed|reset|refused)|broken pipe|gloo|nccl|c10d|processgroup|tcpstore|distbackend"
    r"|distnetwork|socket timeout|store.*timed out|peer (has|is) (gone|lost|closed)",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"rank\s*:\s*(?P<rank>\d+)\s*\(local_rank.*?\n\s*exitcode\s*:\s*(?P<code>-?\d+)\s*\(pid:\s*(?P<pid>\d+)\)"
)
_TORCHRUN_LINE = re.compile(r"^[EWI]\d{4} \d\d:\d\d:\d\d|^\[W\d{3,}|torch[/.]distributed[/.]elastic|^\s*[=\-]{20,}\s*$")
_EXCEPTION = re.compile(r"^(?:\[rank\d+\]:\s*)?(?P<text>[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b.*)$")


@dataclass(frozen=True)
class Failure:
    """Why a run failed: a message for the user, and the exit code that goes with it."""

    message: str
    exit_code: int


@dataclass(frozen=True)
class Death:
    """How one rank ended, as its parent saw it; a negative code is a signal."""

    rank: int
    code: int


def explain(
    folder: RunFolder, returncode: int, *, log_start: int = 0, oom_kills: int = 0, logged: bool = True
) -> Failure:
    """Find out why a launch failed.

    Args:
        folder: the run's folder.
        returncode: the started command's status as Popen gives it (negative: a signal).
        log_start: size in bytes of the log before this launch; what is older is another launch's.
        oom_kills: processes the kernel killed for memory on this machine while the run went on.
        logged: False when the worker wrote to the terminal instead of the log.

    Returns:
        The message (first line: one clear sentence) and exit code 2 for a wrong configuration, else 1.
    """
    text = read_tail(folder.worker_log, log_start) if logged else ""
    deaths = rank_deaths(text) or [Death(0, returncode)]
    where = f"The whole log: {folder.worker_log}" if logged else "Its output is in this terminal."
    reports = error_reports(folder)
    primary = next((r for r in reports if not is_secondary(r)), None)
    if primary is not None:
        return _from_report(primary, len(deaths), where)
    killed = next((d for d in deaths if d.code < 0 and d.code != -signal.SIGTERM), None)
    if killed is not None:
        return Failure(f"{_describe_signal(killed, oom_kills)}\n{where}", EXIT_FAILED)
    if reports:
        return _from_report(reports[0], len(deaths), where)
    return _from_log(text, deaths[0], where)


def error_reports(folder: RunFolder) -> list[dict[str, Any]]:
    """The ranks' own error reports, earliest first."""
    found = []
    for file in folder.logs.glob("error-rank*.json"):
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
            found.append((float(report.get("time") or file.stat().st_mtime), file.name, report))
        except (OSError, ValueError, AttributeError, TypeError):
            continue
    return [report for _, _, report in sorted(found, key=lambda f: f[:2])]


def is_secondary(report: dict[str, Any]) -> bool:
    """Whether a rank reports only that another one has gone (a lost gloo or NCCL connection)."""
    if report.get("kind") == "config":
        return False
    trace = str(report.get("traceback") or "").strip().splitlines()
    return bool(_SECONDARY.search(str(report.get("message") or "")) or (trace and _SECONDARY.search(trace[-1])))


def rank_deaths(text: str) -> list[Death]:
    """How ranks ended, from torchrun's summary in the log: the first observed failure first."""
    _, _, root = text.rpartition("Root Cause (first observed failure)")
    ordered = [*_SUMMARY.finditer(root), *_SUMMARY.finditer(text)] if root != text else []
    found = {int(m["rank"]): Death(int(m["rank"]), int(m["code"])) for m in reversed(ordered)}
    ranks = dict.fromkeys(int(m["rank"]) for m in ordered)
    return [found[rank] for rank in ranks]


def read_tail(log: Path, start: int = 0) -> str:
    """The end of a log, at most 256 KiB, nothing from before byte `start`."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(start, size - TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def meaningful_lines(text: str) -> list[str]:
    """The log without torchrun's and accelerate's own account of the failure, without blank lines."""
    lines = text.replace("\r", "\n").splitlines()
    end = next((i for i, line in enumerate(lines) if "ChildFailedError" in line), None)
    if end is not None:
        # Cut from the launcher's traceback on; the workers' own output lies before it.
        start = max((i for i in range(end) if lines[i].startswith("Traceback (most recent")), default=end)
        lines = lines[:start]
    return [line.rstrip() for line in lines if line.strip() and not _TORCHRUN_LINE.search(line)]


def last_error(text: str) -> str | None:
    """The exception that a log ends with, on one line: the last one that is a cause and not its consequence."""
    lines = meaningful_lines(text)
    named = [m["text"] for line in reversed(lines) if (m := _EXCEPTION.match(line))]
    return next((c for c in named if not _SECONDARY.search(c)), named[0] if named else None)


def oom_kill_count() -> int:
    """Processes that the kernel has killed for memory on this machine since it started (0 where unknown)."""
    try:
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def _from_report(report: dict[str, Any], ranks: int, where: str) -> Failure:
    message = str(report.get("message") or "the worker failed without a message").strip()
    if report.get("kind") == "config":
        return Failure(f"{message}\n{where}", EXIT_CONFIG)
    rank = f"rank {report.get('rank', 0)}: " if ranks > 1 or report.get("rank") else ""
    return Failure(f"{rank}{message}\n{where}", EXIT_FAILED)


def _describe_signal(death: Death, oom_kills: int) -> str:
    name = signal.Signals(-death.code).name if -death.code in set(signal.Signals) else f"signal {-death.code}"
    sentence = f"Rank {death.rank} was killed by {name}"
    if name == "SIGKILL" and oom_kills:
        return (
            f"{sentence}: the system ran out of memory (the kernel killed {oom_kills} process"
            f"{'es' if oom_kills > 1 else ''} meanwhile); "
            "lower training.per_device_train_batch_size or use fewer processes."
        )
    if name == "SIGKILL":
        return f"{sentence}: something outside grpo-train did it (a memory limit, a scheduler, kill -9)."
    if name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGABRT", "SIGFPE"):
        return f"{sentence}: a crash inside a compiled library; the log's end may name it."
    return f"{sentence}."


def _from_log(text: str, death: Death, where: str) -> Failure:
    lines, cause = meaningful_lines(text), last_error(text)
    sentence = f"The worker failed: {cause}" if cause else f"The worker ended with exit code {death.code}."
    return Failure("\n".join([sentence, *_indented(lines[-TAIL_LINES:]), where]), EXIT_FAILED)


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
