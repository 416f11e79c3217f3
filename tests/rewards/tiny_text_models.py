"""Tiny models with random weights, saved as a user's model would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def byte_tokenizer(**special: str) -> Any:
    """One token a byte; `<pad>` is 0 and `<end>` 1."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({token: i for i, token in enumerate(["<pad>", "<end>", *letters])}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<end>", **special)


def decoder_sizes(**more: Any) -> dict[str, Any]:
    """Settings of a one-layer Qwen2 that reads `byte_tokenizer`."""
    return {
        "vocab_size": 258,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        **more,
    }


def encoder_sizes(**more: Any) -> dict[str, Any]:
    """Settings of a one-layer BERT or RoBERTa that reads `byte_tokenizer`."""
    return {
        "vocab_size": 258,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        # Large enough that different texts get clearly different numbers.
        "initializer_range": 0.5,
        **more,
    }


def save(model: Any, folder: Path, tokenizer: Any = None) -> str:
    """Write model and tokenizer into a folder; give its path."""
    model.save_pretrained(folder)
    (tokenizer or byte_tokenizer()).save_pretrained(folder)
    return str(folder)
