"""The models one talks to: the trained one, and the one it was trained from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, TextStreamer

from grpo_cli.assets import model_path
from grpo_cli.chat.options import Subject
from grpo_cli.config.freeze import as_dict
from grpo_cli.errors import ConfigError
from grpo_cli.training.model import load_tokenizer, model_init_kwargs, one_line

Message = dict[str, str]


class Speaker:
    """One model that answers.

    Args:
        name: how it is called in the terminal.
        model: loaded, in evaluation mode.
        tokenizer: its tokenizer, with its chat template if it has one.
        template_kwargs: what the chat template was given in training.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any, template_kwargs: dict[str, Any]) -> None:
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.template_kwargs = template_kwargs
        self.messages: list[Message] = []

    def answer(
        self, messages: list[Message], *, temperature: float, limit: int, seed: int, write: Callable[[str], None]
    ) -> str:
        """Answer a conversation, piece by piece as it is generated.

        Args:
            messages: the conversation; without a chat template the last one's text is the prompt.
            temperature: of sampling; 0 takes the likeliest token each time.
            limit: tokens after which the answer is cut.
            seed: of sampling, so that equal models answer equally.
            write: takes each piece of text.

        Returns:
            The whole answer.
        """
        inputs = self._encode(messages).to(self.model.device)
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
        settings = GenerationConfig(
            max_new_tokens=limit,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self._ends(),
            disable_compile=True,
            **sampling,
        )
        pieces: list[str] = []

        def took(text: str) -> None:
            pieces.append(text)
            write(text)

        torch.manual_seed(seed)
        streamer = Pieces(self.tokenizer, took)
        with torch.no_grad():
            self.model.generate(**inputs, generation_config=settings, streamer=streamer)
        return "".join(pieces)

    def _encode(self, messages: list[Message]) -> Any:
        if not self.tokenizer.chat_template:
            text = "\n\n".join(m["content"] for m in messages if m["role"] in ("system", "user"))
            return self.tokenizer(text, return_tensors="pt")
        return self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True, **self.template_kwargs
        )

    def _ends(self) -> list[int]:
        """Tokens that end an answer: the tokenizer's, and those the model's generation config adds."""
        more = self.model.generation_config.eos_token_id
        return sorted({self.tokenizer.eos_token_id, *(more if isinstance(more, list) else [more])} - {None})


class Pieces(TextStreamer):
    """Hands each piece of an answer on, without the prompt and special tokens."""

    def __init__(self, tokenizer: Any, write: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.write = write

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Hand on what will not change any more."""
        if text:
            self.write(text)


def load_speakers(subject: Subject, base: bool) -> list[Speaker]:
    """Load the trained model, and before it the base model.

    Raises:
        ConfigError: one of them cannot be loaded.
    """
    config = as_dict(OmegaConf.create(subject.config))
    tokenizer = _tokenizer(subject.model, config)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kwargs = config["training"].get("chat_template_kwargs") or {}
    speakers = []
    if base:
        speakers.append(Speaker("base", _load_base(config).to(device).eval(), tokenizer, kwargs))
    speakers.append(Speaker("trained", _load_trained(subject.model, config).to(device).eval(), tokenizer, kwargs))
    return speakers


def _tokenizer(model: Path, config: dict[str, Any]) -> Any:
    """The tokenizer saved with the model (chat template included); the run's own where there is none."""
    if not (model / "tokenizer_config.json").exists():
        return load_tokenizer(config["model"])
    tokenizer: Any = AutoTokenizer.from_pretrained(model, trust_remote_code=config["model"]["trust_remote_code"])
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _load_base(config: dict[str, Any]) -> Any:
    """The model the run began with."""
    given = model_init_kwargs(config["model"], config["training"])
    name = model_path(config["model"]["name"])
    try:
        return AutoModelForCausalLM.from_pretrained(
            name, **given, trust_remote_code=config["model"]["trust_remote_code"]
        )
    except (OSError, ValueError, ImportError) as error:
        why = one_line(error)
        raise ConfigError(f"The base model {name} cannot be loaded ({why}); base=false talks without it.") from error


def _load_trained(model: Path, config: dict[str, Any]) -> Any:
    """The trained model: whole, or an adapter on its base."""
    try:
        if (model / "adapter_config.json").exists():
            from peft import PeftModel

            return PeftModel.from_pretrained(_load_base(config), str(model))
        return AutoModelForCausalLM.from_pretrained(
            str(model), dtype="auto", trust_remote_code=config["model"]["trust_remote_code"]
        )
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"{model} holds nothing transformers can load ({one_line(error)}).") from error
