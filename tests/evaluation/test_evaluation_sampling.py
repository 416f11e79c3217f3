import math

import pytest
import torch
from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

from grpo_cli.evaluation.blocks import Request, into_blocks
from grpo_cli.evaluation.choosing import Chooser
from grpo_cli.evaluation.noise import gumbel, row_key


def chooser(keys, **settings):
    settings = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **settings}
    return Chooser(torch.tensor(keys), prompt_length=0, alone=None, **settings)


def keys_of(count, seed=0):
    return [row_key(seed, [1, 2, 3], sample) for sample in range(count)]


def test_noise_is_gumbels_and_every_number_its_own():
    noise = gumbel(torch.tensor(keys_of(400)), 5, torch.arange(500).expand(400, -1))
    assert noise.mean() == pytest.approx(0.57722, abs=0.01)  # Euler's constant
    assert noise.var() == pytest.approx(math.pi**2 / 6, abs=0.03)
    assert noise.unique().numel() == noise.numel()
    assert torch.corrcoef(noise[:40]).fill_diagonal_(0).abs().max() < 0.25  # rows
    later = gumbel(torch.tensor(keys_of(400)), 6, torch.arange(500).expand(400, -1))
    assert torch.corrcoef(torch.stack([noise.flatten(), later.flatten()]))[0, 1].abs() < 0.01  # positions


def test_noise_of_a_token_does_not_depend_on_what_else_is_asked_for():
    keys = torch.tensor(keys_of(3))
    whole = gumbel(keys, 7, torch.arange(50).expand(3, -1))
    assert torch.equal(gumbel(keys[1:2], 7, torch.tensor([[40, 3]])), whole[1:2, [40, 3]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_with_their_probabilities(temperature):
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, 0.5])
    count = 20_000
    tokens, _ = chooser(keys_of(count), temperature=temperature).choose(
        logits.expand(count, -1), 0, torch.tensor(keys_of(count))
    )
    expected = torch.softmax(logits / temperature, 0)
    found = torch.bincount(tokens, minlength=5) / count
    assert ((found - expected).abs() < 4 * (expected * (1 - expected) / count).sqrt()).all()


@pytest.mark.parametrize(("top_k", "top_p"), [(3, 1.0), (0, 0.7), (5, 0.8), (1, 1.0), (0, 0.01)])
def test_only_what_top_k_and_top_p_keep_is_drawn_and_all_of_it(top_k, top_p):
    torch.manual_seed(0)
    logits = 2 * torch.randn(1, 12)
    kept = TopKLogitsWarper(top_k)(None, logits) if top_k else logits
    kept = TopPLogitsWarper(top_p)(None, kept) if top_p < 1 else kept
    count = 4000
    tokens, _ = chooser(keys_of(count), top_k=top_k, top_p=top_p).choose(
        logits.expand(count, -1), 3, torch.tensor(keys_of(count))
    )
    probable = (torch.softmax(kept, 1)[0] > 0.005).nonzero().flatten().tolist()
    assert set(probable) <= set(tokens.tolist()) <= set(torch.isfinite(kept)[0].nonzero().flatten().tolist())


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {}, {"top_p": 0.9}, {"top_k": 10, "top_p": 0.95}])
def test_what_is_sure_survives_rounding_and_what_does_not_is_not_sure(settings):
    torch.manual_seed(1)
    # In 64 levels, so that near ties are there to be found.
    logits = (8 * torch.randn(20_000, 30)).round() / 8
    keys = torch.tensor(keys_of(len(logits)))
    rounded = logits + (torch.rand_like(logits) - 0.5) * 1e-5
    one, other = chooser(keys.tolist(), **settings), chooser(keys.tolist(), **settings)
    first, sure = one.choose(logits, 0, keys)
    second, _ = other.choose(rounded, 0, keys)
    assert torch.equal(first[sure], second[sure])
    assert sure.float().mean() > 0.85
    if not settings.get("temperature", 1.0):
        assert (first != second).any()  # and rounding did turn some


def test_a_near_tie_is_settled_by_logits_computed_alone():
    keys = keys_of(2)
    asked = []

    def alone(row, ids):
        asked.append((row, ids.tolist()))
        return torch.tensor([0.0, 1.0, 0.5])

    chosen = Chooser(torch.tensor(keys), temperature=0.0, top_k=0, top_p=1.0, prompt_length=2, alone=alone)
    scores = chosen(torch.tensor([[7, 8], [7, 9]]), torch.tensor([[1.0, 1.0 - 1e-7, 0.0], [0.0, 0.2, 1.0]]))
    assert asked == [(0, [7, 8])] and chosen.settled == 1
    assert scores.argmax(1).tolist() == [1, 2]
    assert torch.isneginf(scores).sum() == 4


def test_samples_seeds_and_prompts_have_noise_of_their_own():
    assert len({row_key(s, p, n) for s in (0, 1) for p in ([1], [1, 2], [12]) for n in range(5)}) == 30


def test_blocks_hold_prompts_of_like_length_whatever_the_order():
    requests = [Request(i, s, "p", [0] * (3 + i % 4), i) for i in range(10) for s in range(2)]
    blocks = into_blocks(requests, 6)
    assert blocks == into_blocks(requests[::-1], 6)
    assert [len(block) for block in blocks] == [6, 6, 6, 2]
    lengths = [len(r.ids) for block in blocks for r in block]
    assert lengths == sorted(lengths)
