"""Sampling noise that depends on nothing but seed, prompt, sample, position and token.

A torch generator is a stream: what it gives to one completion depends on how many others were drawn before it, and so
on batch size and world size. Here each number is computed from a counter instead (Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3"), with the mixing function of SplitMix64 (Steele et al. 2014).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)  # of SplitMix64; as a signed number, as torch has no unsigned ones
_MIX_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX_2 = 0x94D049BB133111EB - (1 << 64)


def row_key(seed: int, prompt: Sequence[int], sample: int) -> int:
    """The name of one completion's noise.

    Args:
        seed: `evaluation.seed`.
        prompt: its token ids.
        sample: which answer to the prompt, from 0.

    Returns:
        A signed 64-bit number.

    Example:
        >>> row_key(0, [1, 2], 0) == row_key(0, [1, 2], 0) != row_key(0, [1, 2], 1)
        True
    """
    text = json.dumps([seed, list(prompt), sample]).encode("ascii")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)


def gumbel(keys: torch.Tensor, position: int, tokens: torch.Tensor) -> torch.Tensor:
    """Standard Gumbel noise.

    Adding it to log-probabilities and taking the highest draws from the distribution, whatever tokens are asked for
    and in whatever order (Gumbel-max).

    Args:
        keys: [B] from `row_key`, int64.
        position: of the token in the completion, from 0.
        tokens: [B, V] token ids, int64.

    Returns:
        [B, V], float64.
    """
    import torch  # here: an evaluation that the cache answers takes nothing but keys from this module

    rows = _mix(_mix(keys) + torch.full_like(keys, position + 1) * _GAMMA)
    bits = _mix(rows[:, None] + (tokens + 1) * _GAMMA)
    # 53 bits, and half a step more, so that neither logarithm is of 0.
    uniform = (_shift(bits, 11).to(torch.float64) + 0.5) * 2.0**-53
    return -torch.log(-torch.log(uniform))


def request_seed(key: int) -> int:
    """A completion's seed for an engine that draws by itself (vLLM, an endpoint): 31 bits of its key."""
    return key & 0x7FFFFFFF


def _mix(x: torch.Tensor) -> torch.Tensor:
    x = (x ^ _shift(x, 30)) * _MIX_1
    x = (x ^ _shift(x, 27)) * _MIX_2
    return x ^ _shift(x, 31)


def _shift(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Shift right and fill with zeros; torch's own fills with the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
