"""A line that says what is going on, on a terminal only, and gone when it is over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import IO


@contextlib.contextmanager
def progress(stream: IO[str]) -> Iterator[Callable[[str], None]]:
    """Show one line that changes.

    Args:
        stream: where; nothing is written where it is no terminal.

    Yields:
        What takes the next text.
    """
    if not stream.isatty():
        yield lambda text: None
        return

    def tell(text: str) -> None:
        stream.write(f"\r\033[K{text} …")
        stream.flush()

    try:
        yield tell
    finally:
        stream.write("\r\033[K")
        stream.flush()
