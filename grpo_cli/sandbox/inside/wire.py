"""Values as lines of text: plain data by content, everything else as a reference that only its owner can use.

Written for both ends of a pipe of which the other end may be hostile: `decode` builds nothing but Python's own types.
"""

from __future__ import annotations

import collections
import importlib
import itertools
import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONGEST_LINE = 16 << 20
_LONGEST_ITERATOR = 100_000
_SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
    "iterator": iter,
}
_TEXTS: dict[str, Callable[[str], Any]] = {
    "int": lambda text: int(text, 16),
    "float": float.fromhex,
    "bytes": bytes.fromhex,
    "decimal": lambda text: importlib.import_module("decimal").Decimal(text),
    "fraction": lambda text: importlib.import_module("fractions").Fraction(text),
}
_ITERATORS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


def encode(value: Any, refer: Callable[[Any], int]) -> Any:
    """Turn a value into what JSON can hold.

    Args:
        value: anything; objects of subclasses of the plain types count as those types.
        refer: makes a number of an object that is no plain data.

    Returns:
        None, bools, texts and small ints as they are; else `[kind, content]`.
    """
    if value is None or type(value) in (bool, str):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        number = int.__int__(value)
        return number if abs(number) < 1 << 53 else ["int", hex(number)]
    if isinstance(value, float):
        return ["float", float.hex(value)]
    if isinstance(value, complex):
        return ["complex", [value.real.hex(), value.imag.hex()]]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", bytes(value).hex()]
    if isinstance(value, dict):
        return ["dict", [[encode(k, refer), encode(v, refer)] for k, v in dict.items(value)]]
    for name in ("list", "tuple", "set", "frozenset", "deque"):
        if isinstance(value, _SEQUENCES[name]):  # type: ignore[arg-type]
            return [name, [encode(one, refer) for one in value]]
    if isinstance(value, range):
        return ["range", [value.start, value.stop, value.step]]
    for module, name in (("decimal", "Decimal"), ("fractions", "Fraction")):
        # There is none while nobody has imported it, which takes a while.
        if isinstance(value, getattr(sys.modules.get(module), name, ())):
            return [name.lower(), str(value)]
    if isinstance(value, _ITERATORS) or hasattr(type(value), "__next__"):
        return ["iterator", [encode(one, refer) for one in itertools.islice(value, _LONGEST_ITERATOR)]]
    return ["object", refer(value)]


def decode(value: Any, find: Callable[[int], Any]) -> Any:
    """Turn back what `encode` made; `find` gives what stands for a reference.

    Raises:
        ValueError: it is nothing that `encode` makes.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)):
        raise ValueError("not a value")
    kind, content = value
    if kind in _TEXTS and isinstance(content, str):
        return _TEXTS[kind](content)
    if kind == "object" and type(content) is int:
        return find(content)
    if not isinstance(content, list):
        raise ValueError("not a value")
    if kind in _SEQUENCES:
        return _SEQUENCES[kind]([decode(one, find) for one in content])
    if kind == "dict":
        return {decode(k, find): decode(v, find) for k, v in content}
    if kind == "range":
        return range(*content)
    if kind == "complex":
        return complex(*map(float.fromhex, content))
    raise ValueError("not a value")


class Line:
    """One end of the talk: a line of JSON out, a line of JSON in."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reader = open(reading, "rb")  # noqa: SIM115
        self._writer = open(writing, "wb", buffering=0)  # noqa: SIM115

    def send(self, message: dict[str, Any]) -> None:
        """Write one message."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """Read one message; EOFError when the other end is gone, ValueError when it wrote no message."""
        line = self._reader.readline(LONGEST_LINE)
        if not line:
            raise EOFError
        if not line.endswith(b"\n"):
            raise ValueError("a line without end")
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("not a message")
        return message


def allow_long_numbers() -> None:
    """Lift the limit on digits, which a test of big factorials would meet."""
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
