"""The conversation: a message in, every model's answer out, one below the other, as they are generated.

One after the other, because two columns that grow at once cannot be read, copied or piped.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from grpo_cli.chat.options import Subject, at_least
from grpo_cli.display.console import ACCENT, DIM, make_console
from grpo_cli.display.formatting import clean
from grpo_cli.errors import ConfigError

if TYPE_CHECKING:
    from grpo_cli.chat.models import Speaker

PROMPT = "> "
COMMANDS = {
    "/reset": "forget the conversation",
    "/history": "keep the conversation, or begin anew with each message",
    "/temperature T": "sample at T; 0 takes the likeliest token each time",
    "/system TEXT": "another system message; without a text none",
    "/quit": "leave (so does Ctrl-D); Ctrl-C ends an answer",
}
_PASTE_SECONDS = 0.05
_WIDTH = 9


class Session:
    """Talks with all speakers.

    Args:
        speakers: in the order in which they answer.
        subject: what the run's training was like.
        seed: of sampling; each message counts it up.
        out: where answers go.
    """

    def __init__(self, speakers: list[Speaker], subject: Subject, seed: int = 0, out: TextIO | None = None) -> None:
        self.speakers = speakers
        self.temperature = subject.temperature
        self.limit = subject.max_new_tokens
        self.system = subject.system
        self.history = subject.several_turns
        self.seed = seed
        self.console = make_console(out)

    def greet(self) -> None:
        """Say who is there and how they are spoken to."""
        keeps = "the conversation is kept" if self.history else "each message begins anew, as in training (/history)"
        self._note(f"temperature {self.temperature:g}, at most {self.limit} tokens; {keeps}; /help, /quit")
        if self.system:
            self._note(f"system message: {' '.join(clean(self.system).split())[:200]}")

    def run(self, messages: Iterator[str]) -> None:
        """Answer messages, and obey commands, until there are no more."""
        for message in messages:
            if not message.strip():
                continue
            if message.startswith("/"):
                if not self.obey(message):
                    return
                continue
            for speaker in self.speakers:
                self.say(speaker, message)
            self.seed += 1

    def say(self, speaker: Speaker, message: str) -> None:
        """Let one speaker answer; Ctrl-C ends the answer and not the program."""
        before = speaker.messages if self.history else []
        system = [{"role": "system", "content": self.system}] if self.system else []
        asked = [*before, {"role": "user", "content": message}]
        label = f"{speaker.name:<{_WIDTH}}"
        self.console.print(label, style=f"bold {ACCENT}" if speaker.name == "trained" else DIM, end="")
        text = ""
        try:
            text = speaker.answer(
                [*system, *asked], temperature=self.temperature, limit=self.limit, seed=self.seed, write=self._write
            )
        except KeyboardInterrupt:
            self.console.print(" (stopped)", style=DIM, end="")
        self.console.print()
        if self.history:
            speaker.messages = [*asked, {"role": "assistant", "content": text}]

    def obey(self, command: str) -> bool:
        """Do what a line that begins with a slash says.

        Returns:
            Whether to go on.
        """
        name, _, rest = command.strip().partition(" ")
        if name in ("/quit", "/exit"):
            return False
        if name == "/reset":
            for speaker in self.speakers:
                speaker.messages = []
            self._note("the conversation is forgotten")
        elif name == "/history":
            self.history = not self.history
            self._note("the conversation is kept from now on" if self.history else "each message begins anew")
        elif name == "/temperature":
            try:
                self.temperature = at_least(0, float)("/temperature", rest.strip())
                self._note(f"temperature {self.temperature:g}")
            except ConfigError as error:
                self._note(str(error))
        elif name == "/system":
            self.system = rest.strip() or None
            self._note(f"system message: {self.system or 'none'}")
        else:
            self._note("commands:" if name == "/help" else f"there is no command {name}; there are:")
            for what, why in COMMANDS.items():
                self._note(f"  {what:<16} {why}")
        return True

    def _write(self, text: str) -> None:
        """Write a piece of an answer; further lines stand below its first."""
        self.console.out(clean(text).replace("\n", "\n" + " " * _WIDTH), end="")
        self.console.file.flush()

    def _note(self, text: str) -> None:
        self.console.print(text, style=DIM, soft_wrap=True)


def messages_from(stream: TextIO) -> Iterator[str]:
    """Messages as they are typed, pasted or piped.

    A line is a message; one that ends with a backslash goes on, and what is pasted at once stays together.

    Args:
        stream: standard input.
    """
    terminal = stream.isatty()
    if terminal:
        import readline  # noqa: F401  (line editing and history in input())
    while True:
        try:
            line = input(PROMPT) if terminal else _piped(stream)
            while line.endswith("\\"):
                line = line[:-1] + "\n" + (input("  ") if terminal else _piped(stream))
            while terminal and select.select([stream], [], [], _PASTE_SECONDS)[0]:
                line += "\n" + input()
        except (EOFError, KeyboardInterrupt):
            if terminal:
                print()
            return
        yield line


def _piped(stream: TextIO) -> str:
    line = stream.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")
