"""Choosing the next token of every row so that it does not depend on the rows beside it.

The noise does not (noise.py), but the logits do: a matrix product of another shape adds in another order, and the last
bits differ. That changes a token only where two are nearly equally good. Such a near tie, rare in float32, is settled
by logits computed for that row alone, without padding and without a cache: the same whatever the batch was. In half
precision rounding is a thousand times coarser and settling would cost more than generating; there only the same block
gives the same tokens (see blocks.py), which is why blocks do not depend on the world size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import LogitsProcessor

from grpo_cli.evaluation.noise import gumbel

# How near two candidates must be to count as tied, per unit of the largest logit: some hundred times what another
# shape was seen to change in float32 (docs/evaluation.md).
NEAR = 3e-5

# From a row's number and its token ids (padding included) to its next-token logits [V], computed by itself.
Alone = Callable[[int, torch.Tensor], torch.Tensor]


class Chooser(LogitsProcessor):
    """Leaves one token to choose in each row; generation is then greedy.

    Args:
        keys: [B] of `noise.row_key`, int64, on the logits' device.
        temperature: 0 for the most likely token.
        top_k: candidates; 0 for all.
        top_p: the share of probability that candidates hold.
        prompt_length: columns of the (padded) prompts.
        alone: settles near ties; None where they are left as they are.
        ended: token ids after which a row's tokens no longer matter.
    """

    def __init__(
        self,
        keys: torch.Tensor,
        *,
        temperature: float,
        top_k: int,
        top_p: float,
        prompt_length: int,
        alone: Alone | None,
        ended: Sequence[int] = (),
    ) -> None:
        self.keys = keys
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.prompt_length = prompt_length
        self.alone = alone
        self.ended = torch.tensor(list(ended), dtype=torch.long, device=keys.device)
        self.done = torch.zeros(len(keys), dtype=torch.bool, device=keys.device)
        self.settled = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Mark the chosen token of each row (transformers' interface)."""
        position = input_ids.shape[1] - self.prompt_length
        if position:
            self.done |= torch.isin(input_ids[:, -1], self.ended)
        chosen, sure = self.choose(scores, position, self.keys)
        if self.alone is not None:
            for row in torch.nonzero(~sure & ~self.done).flatten().tolist():
                logits = self.alone(row, input_ids[row]).to(scores)
                chosen[row] = self.choose(logits[None], position, self.keys[row : row + 1])[0][0]
                self.settled += 1
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)

    def choose(self, logits: torch.Tensor, position: int, keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The next token of each row, and whether rounding could not have made it another.

        Args:
            logits: [B, V].
            position: of the token in the completion, from 0.
            keys: [B].

        Returns:
            Token ids [B] and booleans [B].
        """
        near = NEAR * logits.abs().amax(dim=1).clamp(min=1.0)
        if not self.temperature:
            best, tokens = logits.topk(2, dim=1)
            return tokens[:, 0].clone(), best[:, 0] - best[:, 1] > near
        values, tokens = self._candidates(logits)
        # Everything from here on is in the units of logits / temperature.
        near = near / self.temperature
        kept, perhaps, surely = self._kept(values, near)
        noisy = values + gumbel(keys, position, tokens)
        best, places = noisy.masked_fill(~perhaps, -torch.inf).topk(min(2, noisy.shape[1]), dim=1)
        place = noisy.masked_fill(~kept, -torch.inf).argmax(dim=1)
        chosen = tokens.gather(1, place[:, None])[:, 0]
        gap = best[:, 0] - best[:, 1] if best.shape[1] > 1 else torch.full_like(near, torch.inf)
        in_any_case = surely.gather(1, place[:, None])[:, 0]
        return chosen, (gap > 2 * near) & (places[:, 0] == place) & in_any_case

    def _candidates(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities [B, C] of the tokens to choose from, highest first where that matters, and the tokens."""
        values = torch.log_softmax(logits.to(torch.float64) / self.temperature, dim=1)
        vocabulary = values.shape[1]
        if self.top_k and self.top_k < vocabulary:  # a few more, so that those level with the last are seen
            return values.topk(min(self.top_k + 8, vocabulary), dim=1)
        if self.top_p < 1.0:
            return values.sort(dim=1, descending=True)
        return values, torch.arange(vocabulary, device=logits.device).expand(len(logits), -1)

    def _kept(self, values: torch.Tensor, near: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Which candidates top_k and top_p keep; which they might keep were the logits rounded otherwise; which surely.

        Args:
            values: [B, C] log-probabilities, the highest first where one of the two is set.
            near: [B] how far rounding may move a value.

        Returns:
            Three masks [B, C].
        """
        kept = torch.ones_like(values, dtype=torch.bool)
        perhaps = kept.clone()
        certain = kept.clone()
        slack = 2 * near[:, None]
        if self.top_k and self.top_k < values.shape[1]:
            kept[:, self.top_k :] = False
            perhaps = values >= values[:, self.top_k - 1 : self.top_k] - slack
        left = values.masked_fill(~kept, -torch.inf)
        if self.top_p < 1.0:
            probability = torch.softmax(left, dim=1)  # top_p counts what top_k leaves
            before = probability.cumsum(dim=1) - probability  # the probability of those ahead of each
            kept = kept & (before < self.top_p)
            certain = before < self.top_p - slack
            # One whose elders hold hardly more than top_p, or that is level with the last one kept, might be in.
            floor = values.masked_fill(~kept, torch.inf).amin(dim=1, keepdim=True)
            perhaps = perhaps & ((before < self.top_p + slack) | (values >= floor - slack))
        # One that is level with the first one left out might be out.
        ceiling = values.masked_fill(kept, -torch.inf).amax(dim=1, keepdim=True)
        return kept, perhaps, certain & kept & (values > ceiling + slack)
