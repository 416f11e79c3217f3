"""The embedded model: loads with transformers alone, is small, and starts where its card says."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpo_cli.assets import EMBEDDED_MODEL
from grpo_cli.assets.build import build
from grpo_cli.data.builtin import addition


def held_out_accuracy(model, tokenizer, problems, **sampling):
    """Share of right answers, and of answers that think, one completion a problem."""
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": p["question"]}], tokenize=False, add_generation_prompt=True
        )
        for p in problems
    ]
    inputs = tokenizer(prompts, return_tensors="pt")
    with torch.no_grad():
        ids = model.generate(**inputs, max_new_tokens=64, **sampling)[:, inputs["input_ids"].shape[1] :]
    texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
    said = [(re.findall(r"\d+", text) or [""])[-1] for text in texts]
    right = sum(number == p["answer"] for number, p in zip(said, problems, strict=True))
    return right / len(problems), sum(t.startswith("<think>") for t in texts) / len(problems)


def test_the_shipped_folder_is_small_and_whole():
    files = {p.name: p.stat().st_size for p in EMBEDDED_MODEL.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "README.md"} <= set(files)
    assert {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} <= set(files)
    assert sum(files.values()) <= 1_000_000


@pytest.mark.slow
def test_it_loads_with_transformers_alone(tmp_path):
    code = (
        "import sys; from transformers import AutoModelForCausalLM, AutoTokenizer;"
        f"model = AutoModelForCausalLM.from_pretrained({str(EMBEDDED_MODEL)!r});"
        f"tokenizer = AutoTokenizer.from_pretrained({str(EMBEDDED_MODEL)!r});"
        "assert not any(name.split('.')[0] in ('grpo_cli', 'trl') for name in sys.modules);"
        "eos = tokenizer.convert_tokens_to_ids('<|im_end|>');"
        "print(type(model).__name__, model.num_parameters(), model.dtype,"
        " model.generation_config.eos_token_id == tokenizer.eos_token_id == eos)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split()[-4:] == ["Qwen2ForCausalLM", "125568", "torch.float32", "True"], done.stderr


@pytest.mark.slow
def test_it_starts_low_and_knows_a_way_that_works():
    model = AutoModelForCausalLM.from_pretrained(EMBEDDED_MODEL)
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_MODEL)
    problems = addition(num_train=0, num_test=256)["test"]

    greedy, greedy_thinks = held_out_accuracy(model, tokenizer, problems, do_sample=False)
    assert 0.02 <= greedy <= 0.15
    assert greedy_thinks <= 0.05

    torch.manual_seed(0)
    sampled, thinks = held_out_accuracy(model, tokenizer, problems, do_sample=True, top_k=0)
    assert 0.2 <= sampled <= 0.4
    assert 0.15 <= thinks <= 0.4


@pytest.mark.slow
def test_the_same_seed_builds_the_same_bytes(tmp_path):
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        digests = []
        for name, seed in (("a", 7), ("b", 7), ("c", 8)):
            build(tmp_path / name, seed=seed, steps=3)
            digests.append(hashlib.sha256((tmp_path / name / "model.safetensors").read_bytes()).hexdigest())
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
    assert digests[0] == digests[1] != digests[2]
    shipped = {p.name for p in EMBEDDED_MODEL.iterdir()} - {"README.md"}
    assert {p.name for p in (tmp_path / "a").iterdir()} == shipped
