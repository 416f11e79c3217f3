"""A decoder's shape and number of parameters, from its config.json; exact numbers from safetensors headers."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from grpo_cli.assets import EMBEDDED_MODEL

# Biases on the query, key and value projections although the config does not say so.
_QKV_BIAS = frozenset(("qwen2", "qwen2_moe"))
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")


@dataclass(frozen=True)
class Architecture:
    """The shape of a decoder-only transformer.

    Attributes:
        hidden: width of the residual stream.
        layers: decoder layers.
        heads: attention heads.
        kv_heads: key and value heads (fewer than `heads` with grouped-query attention).
        head_dim: width of a head.
        intermediate: width of the MLP (of one expert in a mixture of experts).
        vocab: rows of the embedding.
        tied: whether the output projection is the embedding.
        experts: experts a layer; 1 for a dense model.
        active_experts: experts a token goes through.
        context: longest sequence the positions allow; None where the config does not say.
        parameters: all of them; counted in the weights' headers where those are here, else by formula.
        counted: whether `parameters` was counted.
        linear: parameters in the linear layers of the decoder, which LoRA's `all-linear` adapts.
        adapter_widths: sum over those layers of (inputs + outputs): one rank of LoRA has so many parameters.
        model_type: transformers' name of the architecture.
        kept_mlp: tensors of the MLP's width that its backward pass keeps.
        qk_norm: whether queries and keys are normalized by head.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    tied: bool
    experts: int
    active_experts: int
    context: int | None
    parameters: int
    counted: bool
    linear: int
    adapter_widths: int
    model_type: str
    kept_mlp: int = 4
    qk_norm: bool = False


def read_architecture(name: str, revision: str | None, env: Mapping[str, str]) -> Architecture | None:
    """Read a model's shape where its config.json is on this machine: embedded, a folder, or the hub's cache.

    Args:
        name: `model.name`.
        revision: branch, tag or commit on the hub; None for main.
        env: where HF_HOME and HF_HUB_CACHE are looked up.

    Returns:
        The shape; None where there is no config here, or it is not that of a decoder this module knows.
    """
    folder = model_folder(name, revision, env)
    if folder is None:
        return None
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        return from_config(config, count_parameters(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None


def model_folder(name: str, revision: str | None, env: Mapping[str, str]) -> Path | None:
    """The folder that holds a model's config.json on this machine, or None."""
    if name == "embedded":
        return EMBEDDED_MODEL
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder if (folder / "config.json").is_file() else None
    home = Path(env.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(env.get("HF_HUB_CACHE") or home / "hub") / f"models--{name.replace('/', '--')}"
    reference = cache / "refs" / (revision or "main")
    commit = reference.read_text("utf-8").strip() if reference.is_file() else str(revision or "")
    found = cache / "snapshots" / commit
    return found if commit and (found / "config.json").is_file() else None


def count_parameters(folder: Path) -> int | None:
    """Count parameters in the headers of a folder's safetensors files (tied weights are stored once).

    Args:
        folder: as saved by `save_pretrained`.

    Returns:
        The number; None where there are no such files, or they are quantized (packed) weights.
    """
    total = 0
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
        tensors = [entry for key, entry in header.items() if key != "__metadata__"]
        if any(entry["dtype"] in ("U8", "I8", "I32") for entry in tensors):
            return None
        total += sum(prod(entry["shape"]) for entry in tensors)
    return total or None


def from_config(config: Mapping[str, Any], counted: int | None = None) -> Architecture:
    """Work out a decoder's shape from its config.

    Args:
        config: the contents of config.json; of a model with a text part, that part counts.
        counted: parameters found in the weights' headers.

    Raises:
        KeyError: it is no decoder with the usual keys.

    Example:
        >>> shape = from_config({"model_type": "qwen3", "hidden_size": 1024, "num_hidden_layers": 28,
        ...     "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072,
        ...     "vocab_size": 151936, "tie_word_embeddings": True})
        >>> round(shape.parameters / 1e6)
        596
    """
    text = {**config, **config["text_config"]} if isinstance(config.get("text_config"), Mapping) else dict(config)

    def first(*names: str, default: Any = None) -> Any:
        found = next((text[name] for name in names if text.get(name) is not None), default)
        if found is None:
            raise KeyError(names[0])
        return found

    model_type = str(text.get("model_type", ""))
    hidden = first("hidden_size", "n_embd", "d_model")
    layers, heads = first("num_hidden_layers", "n_layer"), first("num_attention_heads", "n_head")
    kv_heads, head_dim = first("num_key_value_heads", default=heads), first("head_dim", default=hidden // heads)
    dense = first("intermediate_size", "n_inner", "ffn_dim", default=4 * hidden)
    experts = first(*_EXPERTS, default=1)
    width = first("moe_intermediate_size", default=dense) if experts > 1 else dense
    vocab, tied = text["vocab_size"], bool(text.get("tie_word_embeddings", True))
    context = next((text[k] for k in ("max_position_embeddings", "n_positions") if text.get(k)), None)
    gated = model_type not in ("gpt2", "gpt_neox", "opt", "phi", "starcoder2")
    projections = 3 if gated else 2

    queries, keys = heads * head_dim, kv_heads * head_dim
    attention = hidden * (2 * queries + 2 * keys)
    attention_widths = (hidden + queries) + 2 * (hidden + keys) + (queries + hidden)
    shared = text.get("shared_expert_intermediate_size") or 0
    mlp = projections * hidden * (width * experts + shared)
    mlp_widths = projections * (hidden + width) * experts + (projections * (hidden + shared) if shared else 0)
    router = hidden * experts if experts > 1 else 0
    biases = queries + 2 * keys if model_type in _QKV_BIAS or text.get("attention_bias") else 0
    qk_norm = model_type.startswith("qwen3")
    norms = 2 * hidden + (2 * head_dim if qk_norm else 0)
    if not gated:  # these have a bias in every linear layer and every norm
        biases = queries + 2 * keys + 2 * hidden + width
        norms = 4 * hidden
    embedding = vocab * hidden
    positions = context * hidden if model_type in ("gpt2", "opt") and context else 0
    by_formula = layers * (attention + mlp + router + biases + norms) + hidden + positions
    by_formula += embedding * (1 if tied else 2)
    return Architecture(
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        intermediate=width,
        vocab=vocab,
        tied=tied,
        experts=experts,
        active_experts=first("num_experts_per_tok", default=1) if experts > 1 else 1,
        context=context,
        parameters=counted or by_formula,
        counted=counted is not None,
        linear=layers * (attention + mlp),
        adapter_widths=layers * (attention_widths + mlp_widths),
        model_type=model_type,
        kept_mlp=4 if gated else 7,  # GELU written out keeps its powers
        qk_norm=qk_norm,
    )
