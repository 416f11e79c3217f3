"""Weights that come back from generation as they went in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def weights_kept(model: torch.nn.Module) -> Iterator[None]:
    """Put every parameter and buffer back as it was, in its precision, whatever the block casts.

    Under mixed precision TRL casts the whole model to 16 bits before continuous batching and leaves it so: from the
    first batch on, training would go on with 16-bit weights, in which small updates are lost. The tensors are kept and
    not copied, so the cost is the 16-bit copy, while generation lasts.

    Args:
        model: the policy.
    """
    kept = [(tensor, tensor.data) for tensor in (*model.parameters(), *model.buffers())]
    try:
        yield
    finally:
        for tensor, data in kept:
            tensor.data = data
