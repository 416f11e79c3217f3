"""Make the embedded model: `python -m grpo_cli.assets.build --out <dir>`.

Builds the tokenizer, pretrains a Qwen2 model of 125 thousand parameters on `grpo_cli.assets.corpus`,
and saves both as transformers does. The defaults are what made the shipped weights; the same seed and steps
give the same bytes on the same machine and torch release. It takes some minutes on one CPU core.
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from grpo_cli.assets import corpus
from grpo_cli.assets.tokenizer import build_tokenizer

SEED = 0
STEPS = 1200
BATCH = 128
LEARNING_RATE = 4e-3
WARMUP = 50
MAX_LENGTH = 512
IGNORE = -100
THREADS = 1  # fixed, because the number of threads decides the order of sums and so the last bits


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2ForCausalLM:
    """Make the model with random weights: Qwen2, hidden 64, 2 layers, 4 heads, tied embeddings.

    Args:
        tokenizer: its size and its special tokens go into the configuration.
        seed: same seed, same weights.
    """
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.05,
        dtype="float32",
    )
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    return model


def encode(tokenizer: PreTrainedTokenizerFast, batch: list[tuple[str, str]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn (question, completion) rows into token ids and labels; only the completion is learned.

    Args:
        tokenizer: the tokenizer, with its chat template.
        batch: the rows.

    Returns:
        Token ids and labels, both of shape (rows, longest row), padded on the right.
    """
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
        for question, _ in batch
    ]
    prompt_ids = tokenizer(prompts)["input_ids"]
    reply_ids = tokenizer([completion + tokenizer.eos_token for _, completion in batch])["input_ids"]
    longest = max(len(p) + len(r) for p, r in zip(prompt_ids, reply_ids, strict=True))
    ids = torch.full((len(batch), longest), tokenizer.pad_token_id)
    labels = torch.full((len(batch), longest), IGNORE)
    for row, (prompt, completion) in enumerate(zip(prompt_ids, reply_ids, strict=True)):
        end = len(prompt) + len(completion)
        ids[row, :end] = torch.tensor(prompt + completion)
        labels[row, len(prompt) : end] = torch.tensor(completion)
    return ids, labels


def pretrain(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, *, seed: int, steps: int) -> float:
    """Pretrain in place: AdamW, linear warm-up, then a cosine down to a tenth of the learning rate.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        seed: seed of the data.
        steps: optimizer steps of `BATCH` rows.

    Returns:
        The last step's loss, in nats a token.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)

    def factor(step: int) -> float:
        if step < WARMUP:
            return (step + 1) / WARMUP
        progress = (step - WARMUP) / max(1, steps - WARMUP)
        return 0.1 + 0.45 * (1 + math.cos(math.pi * progress))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    rows = corpus.rows(seed)
    loss = torch.tensor(math.nan)
    for step in range(1, steps + 1):
        ids, labels = encode(tokenizer, list(itertools.islice(rows, BATCH)))
        # Padding is on the right and its labels are ignored, so causal attention needs no mask.
        logits = model(ids, use_cache=False).logits
        loss = cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if step % 100 == 0:
            print(f"step {step}/{steps}  loss {loss.item():.4f}", flush=True)
    return loss.item()


def build(out: Path, *, seed: int = SEED, steps: int = STEPS) -> None:
    """Make tokenizer and model and save them to a folder.

    Args:
        out: the folder; made where missing.
        seed: seed of weights and data.
        steps: pretraining steps.
    """
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    tokenizer = build_tokenizer(MAX_LENGTH)
    model = build_model(tokenizer, seed)
    pretrain(model, tokenizer, seed=seed, steps=steps)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m grpo_cli.assets.build", description="Make the embedded model.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=SEED, help=f"seed of weights and data (default {SEED})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"pretraining steps (default {STEPS})")
    args = parser.parse_args(argv)
    build(args.out, seed=args.seed, steps=args.steps)


if __name__ == "__main__":
    main()
