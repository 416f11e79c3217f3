"""Training and held-out rows: which split is which, and rows of train held out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from datasets import Dataset, ReadInstruction

from grpo_cli.config.suggest import meant_or_known
from grpo_cli.data.sources import AnyDataset
from grpo_cli.errors import ConfigError

AUTO_SHARE, AUTO_MOST = 0.1, 500


def choose(
    splits: Mapping[str, AnyDataset], cfg: Mapping[str, Any], key: str
) -> tuple[AnyDataset, AnyDataset | None, str]:
    """Pick the training split and the held-out one.

    Args:
        splits: the source's splits by name.
        cfg: the source's config node.
        key: where it stands in the config, for messages.

    Returns:
        The training split, the held-out split (None: hold rows of train out), and its name.

    Raises:
        ConfigError: a split that does not exist; the sentence lists those that do.
    """
    train = cfg["train_split"]
    if train == "train" and "train" not in splits and len(splits) == 1 and cfg["test_split"] in (None, "auto"):
        train = next(iter(splits))  # one split under another name: it can only be meant
    test = cfg["test_split"]
    if cfg["test_path"]:
        test = None
    elif test == "auto":
        test = next((name for name in ("test", "validation") if name in splits and name != train), None)
    if test is not None and test == train:
        raise ConfigError(f"{key}.train_split and {key}.test_split are both '{train}': set {key}.test_split=null")
    return (
        _pick(splits, train, f"{key}.train_split"),
        (_pick(splits, test, f"{key}.test_split") if test is not None else None),
        (test or ""),
    )


def _pick(splits: Mapping[str, AnyDataset], name: str, where: str) -> AnyDataset:
    base, bracket, _ = name.partition("[")
    if base not in splits:
        hint = meant_or_known(base, list(splits)) if len(splits) > 1 else f"; there is only '{next(iter(splits))}'"
        listed = "" if hint.startswith("; there") else f" (splits: {', '.join(splits)})"
        if where.endswith("test_split"):
            hint += f" ({where}=null holds rows of train out)"
        raise ConfigError(f"{where}={name}: there is no split '{base}'{listed}{hint}")
    rows = splits[base]
    if not bracket:
        return rows
    if not isinstance(rows, Dataset):
        raise ConfigError(f"{where}={name}: a stream cannot be sliced; use limit")
    if not re.fullmatch(r"[^\[]+\[-?\d*%?:-?\d*%?\]", name):
        raise ConfigError(f"{where}={name} is no slice: write for example '{base}[:10%]' or '{base}[100:200]'")
    absolute = ReadInstruction.from_spec(name).to_absolute({base: len(rows)})[0]
    chosen = range(absolute.from_ or 0, absolute.to if absolute.to is not None else len(rows))
    return rows.select(chosen, keep_in_memory=True)


def prompt_keys(rows: Dataset) -> list[bytes]:
    """A digest of each row's prompt, by which equal prompts are found."""
    keys: list[bytes] = []
    for start in range(0, len(rows), 1000):
        keys += [prompt_key(prompt) for prompt in rows[start : start + 1000]["prompt"]]
    return keys


def prompt_key(prompt: Any) -> bytes:
    """Digest of one prompt (text or messages)."""
    text = prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def hold_out(rows: Dataset, size: Any, seed: int, key: str) -> tuple[Dataset, Dataset | None, str | None]:
    """Hold rows of a split out, seeded; equal prompts stay together, so that none is on both sides.

    Args:
        rows: prepared rows.
        size: a share below 1, a count, 0, or "auto" (a tenth, at most 500).
        seed: of the choice.
        key: the config node, for messages.

    Returns:
        The remaining rows, the held-out rows (None: none), and a note where fewer than asked are held out.

    Raises:
        ConfigError: more rows are asked for than there are.
    """
    total = len(rows)
    if size == 0:
        return rows, None, None
    auto = size == "auto"
    if auto:
        wanted = min(AUTO_MOST, max(1, round(AUTO_SHARE * total)))
    elif isinstance(size, float) and size < 1:
        wanted = max(1, round(size * total))
    else:
        wanted = int(size)
    groups: dict[bytes, list[int]] = {}
    for i, digest in enumerate(prompt_keys(rows)):
        groups.setdefault(digest, []).append(i)
    if len(groups) < 2 and auto:
        return (
            rows,
            None,
            "all rows have one prompt, so none can be held out: there is no held-out evaluation",
        )
    if wanted >= total or len(groups) < 2:
        raise ConfigError(
            f"{key}.test_size={size} would leave nothing to train on ({total} rows, {len(groups)} "
            f"different prompts): "
            "write less, or 0 to hold nothing out"
        )
    ordered = list(groups.values())
    held: list[int] = []
    for place in np.random.default_rng(seed).permutation(len(ordered)):
        # A group that would hold out more than asked for stays in train.
        if len(held) + len(ordered[place]) <= wanted:
            held += ordered[place]
        if len(held) == wanted:
            break
    if not held:
        if auto:
            return rows, None, "every prompt occurs in more than a tenth of the rows, so none is held out"
        raise ConfigError(f"{key}.test_size={size}: each prompt occurs in more rows than that; write more, or 0")
    chosen = set(held)
    rest = [i for i in range(total) if i not in chosen]
    note = None if len(held) == wanted else f"{len(held)} rows are held out, not {wanted}: equal prompts stay together"
    return rows.select(rest), rows.select(sorted(held)), note


def sample(rows: Dataset, count: int | None, seed: int) -> Dataset:
    """Take a seeded sample, in the rows' own order; a smaller sample is part of a larger one.

    Args:
        rows: the rows.
        count: how many; None for all.
        seed: of the choice.

    Returns:
        The sample.
    """
    if count is None or count >= len(rows):
        return rows
    return rows.select(np.sort(np.random.default_rng(seed).permutation(len(rows))[:count]))
