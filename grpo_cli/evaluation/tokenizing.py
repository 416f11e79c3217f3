"""Prompts as tokens, remembered in the cache: the second evaluation of a model loads no tokenizer, and so no torch.

Loading a tokenizer takes seconds, nearly all of it imports, and what it answers depends on nothing but its files.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grpo_cli.assets import model_path
from grpo_cli.evaluation.cache import CompletionCache
from grpo_cli.evaluation.loading import model_folder
from grpo_cli.preflight.files import is_template_text
from grpo_cli.user_cache import key_of

# Whatever of a model's folder may decide how text becomes tokens; weights do not.
_FILES = ("*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt", "additional_chat_templates/*.jinja")


class RememberedTokenizer:
    """What preparing and tokenizing prompts asks of a tokenizer; everything else is asked of the real one.

    Args:
        key: of the tokenizer's files.
        cache: where the answers are kept.
        load: makes the real one.
    """

    def __init__(self, key: str, cache: CompletionCache, load: Callable[[], Any]) -> None:
        self._key, self._cache, self._load = key, cache, load
        self._real: Any = None

    @property
    def real(self) -> Any:
        """The tokenizer, loaded now where it has not been."""
        if self._real is None:
            self._real = self._load()
        return self._real

    @property
    def chat_template(self) -> Any:
        """Its chat template, or None."""
        return self._remembered(["chat_template"], lambda: self.real.chat_template)

    @property
    def model_max_length(self) -> Any:
        """The context length that it states."""
        return self._remembered(["model_max_length"], lambda: self.real.model_max_length)

    def apply_chat_template(self, messages: Any, **options: Any) -> Any:
        """One conversation or several, rendered or as `input_ids`."""
        make = lambda: self.real.apply_chat_template(messages, **options)  # noqa: E731
        return self._remembered(["apply_chat_template", messages, options], make)

    def __call__(self, **arguments: Any) -> Any:
        """The `input_ids` of texts."""
        return self._remembered(["call", arguments], lambda: self.real(**arguments))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.real, name)

    def _remembered(self, question: list[Any], make: Callable[[], Any]) -> Any:
        try:
            key = key_of(self._key, *question)
        except TypeError:  # what JSON cannot hold
            return make()
        if (found := self._cache.recall(key)) is not None:
            return found[0]
        answer = make()
        if isinstance(answer, Mapping):  # a BatchEncoding
            answer = {"input_ids": answer["input_ids"]}
        self._cache.remember(key, [answer])
        return answer


def tokenizer_of(model: Mapping[str, Any], cache: CompletionCache) -> Any:
    """The tokenizer of a `model` section.

    Args:
        model: the section.
        cache: remembers what it answers.

    Returns:
        A `RememberedTokenizer`; the real one where its files cannot be told apart.

    Raises:
        ConfigError: there is no such model, or, once it is asked, no such tokenizer.
    """

    def load() -> Any:
        from grpo_cli.training.model import load_tokenizer

        return load_tokenizer(dict(model))

    files = None if model["trust_remote_code"] else _files(model, cache)
    if files is None:
        return load()
    template = model["chat_template"]
    if template and not is_template_text(template) and Path(template).expanduser().is_file():
        template = cache.digest_of(Path(template).expanduser())
    versions = [importlib.metadata.version(package) for package in ("transformers", "tokenizers")]
    return RememberedTokenizer(key_of("tokenizer", files, template, versions), cache, load)


def _files(model: Mapping[str, Any], cache: CompletionCache) -> Any:
    """What tells a tokenizer from every other: its files, or a commit of the hub; None where neither is known."""
    folder = Path(model_path(model["tokenizer"] or model["name"])).expanduser()
    if folder.is_dir():
        found = sorted({path for pattern in _FILES for path in folder.glob(pattern)})
        return [[str(path.relative_to(folder)), cache.digest_of(path)] for path in found]
    if model["tokenizer"]:
        return None
    snapshot = model_folder(model)
    return [model["name"], snapshot.name] if snapshot.parent.name == "snapshots" else None
