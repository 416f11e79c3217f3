"""`grpo-reward list` on the screen: one line a reward, or one reward in full."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from grpo_cli.trial.catalogue import Entry, Setting


def print_list(entries: Sequence[Entry]) -> None:
    """Print rewards: for reading in a terminal, as tab-separated lines into a pipe."""
    if not sys.stdout.isatty():
        for entry in entries:
            print("\t".join((entry.name, entry.summary, _arguments(entry), _columns(entry))))
        return
    from rich.padding import Padding
    from rich.text import Text

    from grpo_cli.display.console import ACCENT, BOLD, DIM, make_console

    console = make_console()
    for entry in entries:
        console.print(Text.assemble((f"{entry.name}{'*' * entry.users}", f"{BOLD} {ACCENT}"), "  ", entry.summary))
        details = [f"columns: {_columns(entry)}" if _columns(entry) else "", _arguments(entry)]
        for text in filter(None, details):
            console.print(Padding(Text(text, style=DIM), (0, 0, 0, 4)))
    console.print(Text("grpo-reward list NAME tells all about one.", style=DIM))


def print_detail(entry: Entry) -> None:
    """Print all about one reward."""
    print(f"{entry.name}: {entry.summary}" if entry.summary else entry.name)
    print(f"  {entry.target}")
    if needs := _columns(entry):
        print(f"  columns it needs: {needs}")
    width = max((len(_setting(s)) for s in entry.settings), default=0)
    print("\nSettings (reward." + entry.name + ".<name>):")
    for setting in entry.settings:
        print(f"  {_setting(setting):<{width}}  {setting.meaning}".rstrip())
    example = re.search(r"^Example:\n((?:[ \t]+.*\n?|\n)+)", entry.docstring + "\n", re.MULTILINE)
    if example:
        print("\nExample:\n" + example[1].rstrip())
    print(f"\ngrpo-reward try 'reward=[{entry.name}]' dataset=<yours>")


def _setting(setting: Setting) -> str:
    return f"{setting.name}={setting.default}" if setting.default != "???" else f"{setting.name} (must be set)"


def _arguments(entry: Entry) -> str:
    return " ".join(_setting(setting) for setting in entry.arguments)


def _columns(entry: Entry) -> str:
    return "(not known)" if entry.columns is None else ", ".join(entry.columns)
