"""The completion browser's data: every completion in compressed parts, and an index that says where each group is.

A page with 100,000 completions opens as fast as one with ten: numbers (the index) and texts (the parts) lie in the page
gzipped and base64-encoded, as data the browser does not look at; the page's script unpacks the index when it first
needs it and a part when somebody looks into it. Formats, as JSON:

- index: `{"rewards": [names], "splits": [names], "prompts": [start of the text], "groups": [[split, step, group,
  prompt, part, place in the part, completions], …], "reward": […], "advantage": […], "length": […],
  "truncated": [0|1, …], "scores": [[…] for each reward]}`, the last five one value a
  completion, in the order of the groups.
- part: `[{"prompt": [[role, text], …], "columns": {…}, "completions": [text, …]}, …]`.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from grpo_cli.display.formatting import message_text, one_line
from grpo_cli.report.read import Record
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.metrics import number

PART_CHARACTERS = 300_000
"""Text in one part: unpacked in a few milliseconds, and a fraction of it in the page."""
EXCERPT = 140
_STEP = re.compile(rb'\{"step": (\d+),')


@dataclass
class Packer:
    """Takes in completions and packs them; can be read out at any time and go on.

    Attributes:
        parts: the finished parts, gzipped.
        left_out: completions that are not in it because there were too many.
    """

    parts: list[bytes] = field(default_factory=list)
    left_out: int = 0
    count: int = 0
    _open: list[Record] = field(default_factory=list)
    _size: int = 0
    _index: Record = field(default_factory=lambda: {"rewards": [], "splits": [], "prompts": [], "groups": []})
    _columns: dict[str, list[Any]] = field(
        default_factory=lambda: {"reward": [], "advantage": [], "length": [], "truncated": []}
    )
    _scores: dict[str, list[Any]] = field(default_factory=dict)
    _prompts: dict[bytes, int] = field(default_factory=dict)
    _last: tuple[Any, ...] = ()

    def add(self, split: str, record: Record) -> None:
        """Take in one record of `completions/`; those of a group follow each other.

        Args:
            split: "train", or the name of the data set that was evaluated.
            record: as `runs.completions` describes it.
        """
        key = (split, record.get("step"), record.get("group"))
        if key != self._last or record.get("sample") == 0:
            self._begin(split, record)
            self._last = key
        text = _text(record.get("completion"))
        self._open[-1]["completions"].append(text)
        self._index["groups"][-1][6] += 1
        self._size += len(text)
        for name in ("reward", "advantage"):
            self._columns[name].append(_rounded(number(record, name)))
        length = number(record, "length")
        self._columns["length"].append(None if length is None else int(length))
        self._columns["truncated"].append(int(bool(record.get("truncated"))))
        scores = record.get("rewards")
        scores = scores if isinstance(scores, dict) else {}
        for name in scores:
            if name not in self._scores:
                self._scores[name] = [None] * self.count
        for name, column in self._scores.items():
            column.append(_rounded(number(scores, name)))
        self.count += 1

    def packed(self) -> tuple[bytes, list[bytes]]:
        """The index and all parts, gzipped; an unfinished part is packed as it is."""
        rest = [_gzip(self._open)] if self._open else []
        index = {**self._index, **self._columns}
        index |= {"rewards": list(self._scores), "scores": list(self._scores.values()), "left_out": self.left_out}
        return _gzip(index), [*self.parts, *rest]

    def _begin(self, split: str, record: Record) -> None:
        if self._size > PART_CHARACTERS:
            self.parts.append(_gzip(self._open))
            self._open, self._size = [], 0
        splits = self._index["splits"]
        if split not in splits:
            splits.append(split)
        messages = _messages(record.get("prompt"))
        columns = record.get("columns")
        group = {"prompt": messages, "columns": columns if isinstance(columns, dict) else {}, "completions": []}
        self._size += sum(len(text) for _, text in messages)
        self._index["groups"].append(
            [
                splits.index(split),
                int(number(record, "step") or 0),
                int(number(record, "group") or 0),
                self._prompt(messages),
                len(self.parts),
                len(self._open),
                0,
            ]
        )
        self._open.append(group)

    def _prompt(self, messages: list[list[str]]) -> int:
        """The number of a prompt; the same text has the same number wherever it occurs."""
        whole = "\0".join(part for message in messages for part in message)
        # Surrogate halves occur in what models write; a hash must not fail over them.
        digest = blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        if digest not in self._prompts:
            self._prompts[digest] = len(self._prompts)
            text = one_line(messages[-1][1] if messages else "")
            self._index["prompts"].append(text[:EXCERPT] + ("…" if len(text) > EXCERPT else ""))
        return self._prompts[digest]


def pack(folder: RunFolder, max_mb: float | None) -> Packer:
    """Pack the completions of a run.

    Args:
        folder: the run.
        max_mb: how much of `completions/*.jsonl` is taken in, in MB; of more, every n-th step, evaluations first.
            None: all.
    """
    packer = Packer()
    evaluated, trained = folder.completions("eval"), folder.completions("train")
    budget = None if max_mb is None else int(max_mb * 1e6)
    for path in (evaluated, trained):
        size = path.stat().st_size if path.exists() else 0
        every = 1 if budget is None or size <= budget else None if budget <= 0 else -(-size // budget)
        for record in _records(path, every, packer):
            packer.add(split_of(path, record), record)
        budget = None if budget is None else max(0, budget - size // (every or size or 1))
    return packer


def split_of(path: Path, record: Record) -> str:
    """What a record belongs to: "train", or the data set it was evaluated on."""
    return "train" if path.stem == "train" else one_line(record.get("dataset") or "held_out")


def base64_text(data: bytes) -> str:
    """Bytes as text that needs no escaping anywhere in a page."""
    return base64.b64encode(data).decode("ascii")


def _records(path: Path, every: int | None, packer: Packer) -> Iterator[Record]:
    """The whole records of a file; with `every`, of every n-th step and the last; none where it is None."""
    if not path.exists():
        return
    seen = {_last_step(path): every is not None} if every != 1 else {}
    with path.open("rb") as lines:
        for line in lines:
            if every != 1:
                # The step stands first; what is left out need not be read further.
                step = int(match[1]) if (match := _STEP.match(line)) else -1
                if not seen.setdefault(step, every is not None and (len(seen) - 1) % every == 0):
                    packer.left_out += 1
                    continue
            try:
                record = json.loads(line)
            except ValueError:  # torn by a kill
                continue
            if isinstance(record, dict):
                yield record


def _last_step(path: Path) -> int:
    """The step of the last record of a file, as far as its last MB tells."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1_000_000))
        steps = [int(match[1]) for line in file if (match := _STEP.match(line))]
    return steps[-1] if steps else -1


def _messages(prompt: Any) -> list[list[str]]:
    """A prompt as (role, text) pairs; plain text has the role ""."""
    if isinstance(prompt, list):
        return [[str(m.get("role", "")) if isinstance(m, dict) else "", message_text(m)] for m in prompt]
    return [["", message_text(prompt)]]


def _text(completion: Any) -> str:
    """A completion as text; several messages (tools) one after the other, each under its role."""
    if isinstance(completion, list) and len(completion) > 1:
        return "\n\n".join(f"[{role}]\n{text}" for role, text in _messages(completion))
    return message_text(completion)


def _rounded(value: float | None) -> float | str | None:
    """Six digits are enough to look at; what is no number goes as text, since JSON has none for it."""
    if value is None:
        return None
    if value in (0.0, 1.0):  # most rewards
        return int(value)
    rounded = float(f"{value:.6g}")
    return (
        int(rounded)
        if rounded.is_integer() and abs(rounded) < 1e15
        else rounded
        if rounded - rounded == 0
        else str(rounded)
    )


def _gzip(value: Any) -> bytes:
    # No time stamp: the same run gives the same page. ensure_ascii holds halves of surrogate pairs, too.
    return gzip.compress(json.dumps(value, separators=(",", ":"), default=str).encode("ascii"), 6, mtime=0)
