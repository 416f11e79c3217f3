"""Sampled against trained log-probabilities: measured rightly, named rightly, without changing a run."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from transformers import AutoModelForCausalLM

from grpo_cli.assets import EMBEDDED_MODEL
from grpo_cli.rollout import causes
from grpo_cli.training.mismatch import DIFFERENCE, RATIO, Mismatch, MismatchWatch, SampledLogProbs, over_ranks
from grpo_cli.training.weights import weights_kept

ARGUMENTS: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": None, "repetition_penalty": 1.0}
CONFIG: dict[str, Any] = {
    "training": {},
    "peft": {"method": "none", "lora_dropout": 0.0, "bits": 4},
    "rollout": {"mismatch_every": 50, "mismatch_tolerance": 0.05},
}


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(EMBEDDED_MODEL).eval()


def generate(model: Any, **changed: Any) -> tuple[SampledLogProbs, torch.Tensor, torch.Tensor]:
    """Listen to a generation of four rows of unequal prompts; returns the listener, the prompts and all tokens."""
    arguments = SimpleNamespace(**{**ARGUMENTS, **changed})
    prompts = torch.randint(5, 200, (4, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(prompts)
    mask[0, :4] = 0  # left-padded, as in training
    torch.manual_seed(3)
    options = {key: value for key, value in vars(arguments).items() if value is not None}
    with SampledLogProbs(arguments, rows=3).listening(model) as heard:
        out = model.generate(
            prompts, attention_mask=mask, do_sample=True, max_new_tokens=12, pad_token_id=0, eos_token_id=1, **options
        )
    return heard, mask, out


def trained(model: Any, mask: torch.Tensor, out: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Log-probabilities of one forward pass over the whole text, [rows, T], as training computes them."""
    length = out.shape[1] - mask.shape[1]
    attention = torch.cat([mask, torch.ones(len(mask), length, dtype=mask.dtype)], dim=1)
    positions = (attention.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model(out, attention_mask=attention, position_ids=positions).logits[:, :-1] / temperature
    return torch.log_softmax(logits, -1).gather(2, out[:, 1:, None])[:, -length:, 0]


@pytest.mark.parametrize(
    ("changed", "drifts"),
    [
        ({}, False),
        ({"temperature": 0.6}, False),
        ({"top_p": 0.5}, True),
        ({"top_k": 2}, True),
        ({"min_p": 0.5}, True),
        ({"repetition_penalty": 2.0}, True),
    ],
    ids=str,
)
def test_the_two_agree_but_for_filters(model, changed, drifts):
    heard, mask, out = generate(model, **changed)
    completion = out[:3, mask.shape[1] :]
    inside = (completion != 0).long()
    found = heard.compare(trained(model, mask, out, changed.get("temperature", 1.0))[:3], completion, inside)
    assert found is not None and found.tokens == int(inside.sum()), "every token is compared, the last one too"
    mean = found.difference / found.tokens
    if drifts:
        assert mean > 0.01
        assert found.filtered == pytest.approx(found.difference, rel=1e-3), "and all of it is the filter's"
    else:
        assert found.largest < 1e-4 and found.filtered == 0
        assert found.metrics()[f"{RATIO}/mean"] == pytest.approx(1, abs=1e-4)


def test_listening_changes_nothing(model):
    _, _, heard = generate(model)
    torch.manual_seed(3)
    prompts = torch.randint(5, 200, (4, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(prompts)
    mask[0, :4] = 0
    plain = model.generate(
        prompts, attention_mask=mask, do_sample=True, max_new_tokens=12, pad_token_id=0, eos_token_id=1, top_k=0
    )
    assert torch.equal(heard, plain)
    assert not model._forward_hooks


def test_tokens_that_were_not_drawn_here_are_left_out(model):
    heard, mask, out = generate(model)
    completion = out[:3, mask.shape[1] :].clone()
    completion[:, 2] = 250  # a tool's answer, say
    found = heard.compare(trained(model, mask, out)[:3], completion, torch.ones_like(completion))
    assert found is not None and found.tokens <= 3 * (completion.shape[1] - 1)


def test_ranks_are_put_together_and_one_without_tokens_counts_for_nothing():
    accelerator = Accelerator(cpu=True)
    one = Mismatch(4, 0.4, 0.3, 0.1, 4.0, 0.9, 1.1)
    together = over_ranks(one, accelerator)
    assert together is not None and together.metrics()[f"{DIFFERENCE}/mean"] == pytest.approx(0.1)
    assert over_ranks(None, accelerator) is None


class Warnings:
    """Keeps what a recorder is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, text: str) -> None:
        self.said.append(text)


def watch(**changed: Any) -> tuple[MismatchWatch, Warnings, Any]:
    config = copy.deepcopy(CONFIG)
    config["training"].update(changed)
    recorder = Warnings()
    model = SimpleNamespace(config=SimpleNamespace(_attn_implementation="sdpa"), training=True)
    trainer = SimpleNamespace(model=model, accelerator=SimpleNamespace(unwrap_model=lambda m: m))
    return MismatchWatch(config, recorder), recorder, trainer  # type: ignore[arg-type]


def test_it_warns_once_and_again_when_it_has_tripled():
    watching, recorder, trainer = watch(bf16=True)
    watching.judge(trainer, {f"{DIFFERENCE}/mean": 9.0})
    assert not recorder.said, "not measured here: of vLLM the doctor tells"
    watching._filtered = 0.0
    for mean in (0.01, 0.06, 0.07, 0.2, 0.21, math.nan):
        watching.judge(trainer, {f"{DIFFERENCE}/mean": mean})
    watching.judge(trainer, {"loss": 1.0})
    assert len(recorder.said) == 2
    assert "differ by 0.06 nats a token" in recorder.said[0]
    assert "training.bf16=true" in recorder.said[0]


@pytest.mark.parametrize(
    ("changed", "filtered", "named", "not_named"),
    [
        ({"top_p": 0.9, "bf16": True}, 0.09, "training.top_p=0.9", "bf16"),
        ({"top_p": 0.9, "bf16": True}, 0.001, "training.bf16=true", "top_p"),
        ({"generation_kwargs": {"temperature": 0.5}}, 0.1, "generation_kwargs.temperature", "top_p"),
        ({}, 0.0, "no setting of this run explains it", "top_p"),
    ],
)
def test_the_cause_is_named_by_what_was_measured(changed, filtered, named, not_named):
    config = copy.deepcopy(CONFIG)
    config["training"].update(changed)
    text = causes.warning(0.1, 0.05, filtered=filtered, config=config, attention="sdpa")
    assert named in text and not_named not in text


def test_where_nobody_measured_every_setting_is_named():
    config = copy.deepcopy(CONFIG)
    config["training"].update(top_k=50, use_vllm=True)
    first, second = causes.likely(config, "sdpa")
    assert "training.top_k=50" in first and "vLLM" in second


def test_measuring_is_due_by_the_step_so_that_a_resumed_run_agrees():
    watching, _, trainer = watch()
    trainer.use_vllm = trainer.use_transformers_continuous_batching = False
    trainer.num_iterations = 1
    trainer.args = SimpleNamespace(steps_per_generation=8, gradient_accumulation_steps=4)
    due = []
    for step in range(0, 104, 2):  # one generation serves two optimizer steps
        trainer.state = SimpleNamespace(global_step=step)
        due += [step] if watching.is_due(trainer) else []
    assert due == [0, 50, 100]
    trainer.use_vllm = True
    trainer.state.global_step = 0
    assert not watching.is_due(trainer), "TRL measures vLLM itself"


def test_the_names_are_those_of_trl():
    import inspect

    from trl import GRPOTrainer

    source = inspect.getsource(GRPOTrainer)
    for name in Mismatch(1, 0, 0, 0, 1, 1, 1).metrics():
        assert f'"{name}"' in source, name


def test_weights_come_back_in_their_precision(model):
    trained = copy.deepcopy(model)
    before = {name: (p.data_ptr(), p.clone()) for name, p in trained.named_parameters()}
    with weights_kept(trained):
        trained.to(torch.bfloat16)
        assert next(trained.parameters()).dtype == torch.bfloat16
    for name, p in trained.named_parameters():
        pointer, value = before[name]
        assert p.data_ptr() == pointer and p.dtype == torch.float32 and torch.equal(p, value)
