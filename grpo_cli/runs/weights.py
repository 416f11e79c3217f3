"""Final weights compared without torch: safetensors files read as they lie on the disk.

Format: https://huggingface.co/docs/safetensors (eight bytes of length, a JSON header, the tensors' bytes).
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 24
_NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}


@dataclass(frozen=True)
class Tensor:
    """Where one tensor lies."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    begin: int
    end: int


def tensors(model: Path) -> list[Tensor]:
    """All tensors of a model folder, by name, whatever files they are spread over."""
    found = []
    for file in sorted(model.glob("*.safetensors")):
        with file.open("rb") as data:
            (size,) = struct.unpack("<Q", data.read(8))
            header = json.loads(data.read(size))
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = (8 + size + offset for offset in entry["data_offsets"])
                found.append(Tensor(name, entry["dtype"], tuple(entry["shape"]), file, begin, end))
    return sorted(found, key=lambda t: t.name)


def hash_weights(model: Path) -> str | None:
    """Hash the values, types and shapes of all tensors of a model folder.

    Args:
        model: the folder; how its files are cut and what else they say does not count.

    Returns:
        SHA-256 as hexadecimal digits; None where there are no safetensors files.
    """
    found = tensors(model)
    digest = hashlib.sha256()
    for tensor in found:
        digest.update(json.dumps([tensor.name, tensor.dtype, tensor.shape]).encode())
        for chunk in _bytes_of(tensor):
            digest.update(chunk)
    return digest.hexdigest() if found else None


def count_values(model: Path) -> int:
    """How many numbers the tensors of a model folder hold."""
    return sum(math.prod(tensor.shape) for tensor in tensors(model))


def largest_difference(a: Path, b: Path) -> tuple[str, float] | None:
    """By how much two models differ where they differ most.

    Args:
        a: a model folder.
        b: another one.

    Returns:
        The tensor's name and the largest absolute difference in it; None where the models have other tensors
        than each other or are of types that numpy cannot read.
    """
    import numpy as np

    ours, theirs = tensors(a), tensors(b)
    if [(t.name, t.dtype, t.shape) for t in ours] != [(t.name, t.dtype, t.shape) for t in theirs] or not ours:
        return None
    worst = ("", 0.0)
    for one, other in zip(ours, theirs, strict=True):
        if one.dtype not in _NUMPY and one.dtype != "BF16":
            return None
        for x, y in zip(_bytes_of(one), _bytes_of(other), strict=True):
            if x != y:
                gap = np.abs(_numbers(x, one.dtype) - _numbers(y, one.dtype))
                worst = max(worst, (one.name, float(np.nanmax(gap))), key=lambda found: found[1])
    return worst


def _bytes_of(tensor: Tensor) -> Iterator[bytes]:
    """A tensor's bytes, in pieces."""
    with tensor.file.open("rb") as data:
        data.seek(tensor.begin)
        left = tensor.end - tensor.begin
        while left:
            chunk = data.read(min(_CHUNK, left))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


def _numbers(data: bytes, dtype: str):
    """Bytes as numbers in double precision; bfloat16 is the upper half of a float32."""
    import numpy as np

    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").astype("f8")
    return np.frombuffer(data, _NUMPY[dtype]).astype("f8")
