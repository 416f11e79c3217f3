"""Code blocks of the documentation, and the convention by which the tests use them.

- ```bash: run as a shell script; it must succeed.
- ```console: `$ command` lines are run, whatever their exit code, and the lines below each must be in its output,
  in order; `…` stands for anything.
- ```text: not run: it needs the network, a GPU, an installation, or time.
- Any block after `<!-- file: NAME -->`, or whose first line is `# NAME.py` or `# NAME.yaml`: written as that file
  before anything runs.

The blocks of one document share a folder and run in order. `grpo-train` in them is this checkout's, and a command
that would train is cut to two small steps (SMALL).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

# What a document shows in full and a test runs in part; each is a later override, and so wins.
SMALL = [
    "display=plain",
    "training.max_steps=2",
    "training.logging_steps=1",
    "evaluation.limit=8",
    "evaluation.every=null",
]
# Commands with one of these in them start no training.
LIGHT = ("--help", "--version", "--cfg", "--info", "--fields", "-sc", "--shell-completion", "dry_run=true")

_BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n+)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"# ([\w/.-]+\.(?:py|yaml))\n")


ERROR = "grpo-train: "  # how a refused config begins


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and the file it is to become, if any."""

    language: str
    text: str
    file: str | None

    @property
    def commands(self) -> list[str]:
        """The `grpo-train` commands in it, for deciding whether it trains."""
        if self.file or self.language not in ("bash", "console"):
            return []
        joined = self.text.replace("\\\n", " ")
        lines = [line.removeprefix("$ ") for line in joined.splitlines() if self.language == "bash" or line[:2] == "$ "]
        return [line for line in lines if re.search(r"(^|[\s(])grpo-train\b", line) and not line.startswith("#")]


def blocks(document: Path) -> list[Block]:
    """All fenced blocks of a document, in order."""
    found = []
    for file, language, text in _BLOCK.findall(document.read_text(encoding="utf-8")):
        named = _NAMED.match(text)
        found.append(Block(language, text, file or (named[1] if named else None)))
    return found


def trains(document: Path) -> bool:
    """Whether any command of a document starts a training run, as far as the text tells."""
    # A console block that shows an error of the config starts none.
    return any(
        not any(word in command for word in LIGHT)
        for block in blocks(document)
        for command in block.commands
        if not (block.language == "console" and f"\n{ERROR}" in block.text)
    )


def session(text: str) -> list[tuple[str, list[str]]]:
    """Split a console block into commands and the lines shown below each."""
    steps: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        elif line.strip() and steps:
            steps[-1][1].append(line.strip())
    return steps
