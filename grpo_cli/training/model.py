"""The tokenizer, the chat template, and how TRL is told to load the model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, BitsAndBytesConfig, PreTrainedTokenizerBase

from grpo_cli.assets import model_path
from grpo_cli.errors import ConfigError
from grpo_cli.preflight.files import is_local, is_template_text


def load_tokenizer(model: dict[str, Any]) -> PreTrainedTokenizerBase:
    """Load the tokenizer, left-padded for generation, with the configured chat template.

    Args:
        model: the `model` section.

    Raises:
        ConfigError: no tokenizer at that name, or a chat template that cannot be read or parsed.
    """
    source = model_path(model["tokenizer"] or model["name"])
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source,
            revision=None if model["tokenizer"] else model["revision"],
            trust_remote_code=model["trust_remote_code"],
            truncation_side="left",
            padding_side="left",
        )
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(_load_problem("tokenizer" if model["tokenizer"] else "name", source, error)) from error
    if model["chat_template"]:
        tokenizer.chat_template = _read_template(model["chat_template"])
    if tokenizer.chat_template:
        _check_template(tokenizer)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def check_model(model: dict[str, Any]) -> None:
    """Read the model's config only, so that a wrong name ends the run before data and weights are loaded.

    Raises:
        ConfigError: nothing loadable at that name.
    """
    source = model_path(model["name"])
    try:
        AutoConfig.from_pretrained(source, revision=model["revision"], trust_remote_code=model["trust_remote_code"])
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(_load_problem("name", source, error)) from error


def model_init_kwargs(model: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    """Collect what `from_pretrained` is given, from the `model` section and `training.model_init_kwargs`.

    Raises:
        ConfigError: both set the same thing to different values.
    """
    ours = {
        "dtype": model["dtype"],
        "revision": model["revision"],
        "attn_implementation": None if model["attn_implementation"] == "auto" else model["attn_implementation"],
        **(model["init_kwargs"] or {}),
    }
    ours = {key: value for key, value in ours.items() if value is not None}
    theirs = dict(training.get("model_init_kwargs") or {})
    for key in ours.keys() & theirs.keys():
        if key != "dtype" and ours[key] != theirs[key]:
            raise ConfigError(
                f"training.model_init_kwargs.{key}={theirs[key]} and model.{key}={ours[key]} disagree; "
                f"keep model.{key} and remove the other."
            )
    return {**ours, **theirs}


def peft_config(peft: dict[str, Any]) -> Any | None:
    """Build the adapter's configuration, or None when all weights are trained.

    Args:
        peft: the `peft` section.

    Raises:
        ConfigError: the peft package is missing, or refuses a value.
    """
    if peft["method"] == "none":
        return None
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise ConfigError(f"peft={peft['method']} needs the peft package: pip install 'grpo-train[peft]'.") from error
    try:
        return LoraConfig(
            r=peft["r"],
            lora_alpha=peft["lora_alpha"],
            lora_dropout=peft["lora_dropout"],
            target_modules="all-linear" if peft["target_modules"] == "auto" else peft["target_modules"],
            exclude_modules=peft["exclude_modules"],
            modules_to_save=peft["modules_to_save"],
            bias=peft["bias"],
            use_rslora=peft["use_rslora"],
            use_dora=peft["use_dora"],
            init_lora_weights=peft["init_lora_weights"],
            task_type="CAUSAL_LM",
            **peft["extra"],
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{'peft.extra' if peft['extra'] else 'peft'}: {one_line(error)}") from error


def quantization_config(peft: dict[str, Any]) -> Any | None:
    """Build the 4- or 8-bit loading configuration of QLoRA, or None.

    Raises:
        ConfigError: bitsandbytes is missing.
    """
    if peft["method"] != "qlora":
        return None
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ConfigError("peft=qlora needs the bitsandbytes package: pip install 'grpo-train[quantization]'.")
    if peft["bits"] == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=peft["quant_type"],
        bnb_4bit_use_double_quant=peft["double_quant"],
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def build_problem(config: dict[str, Any], error: Exception) -> str:
    """One sentence for a model, adapter or trainer that cannot be put together.

    Args:
        config: the configuration.
        error: what transformers, peft or TRL raised.
    """
    text = one_line(error)
    unknown = [key for key in config["model"]["init_kwargs"] or {} if f"'{key}'" in text]
    if unknown:
        return f"model.init_kwargs.{unknown[0]}: {text}"
    if type(error).__module__.startswith("peft") or "target_modules" in text:
        return f"peft.target_modules: {text}"
    if isinstance(error, OSError):
        return _load_problem("name", model_path(config["model"]["name"]), error)
    return f"The model and its trainer cannot be put together: {type(error).__name__}: {text}"


def one_line(error: Exception) -> str:
    """An exception's text on one line, its first part where it is long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 400 else text[:400] + "…"


def _load_problem(key: str, source: str, error: Exception) -> str:
    """One sentence for a model or tokenizer that cannot be loaded."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if is_local(source):
        return f"model.{key}: the folder {source} holds nothing transformers can load ({reason})."
    return (
        f"model.{key}: '{source}' is neither a local folder nor a hub id that can be reached ({reason}); "
        "check the spelling, the network, and for a gated model the HF_TOKEN."
    )


def _read_template(template: str) -> str:
    """The chat template's text: a file's contents, or the text itself."""
    if is_template_text(template):
        return template
    path = Path(template).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"model.chat_template: cannot read {path} ({error.__class__.__name__}); give a .jinja file or the "
            "template's text."
        ) from error


def _check_template(tokenizer: PreTrainedTokenizerBase) -> None:
    """Render one message, so that a broken template is found here and not inside step 1."""
    try:
        rendered = tokenizer.apply_chat_template(
            [{"role": "user", "content": "ping"}], tokenize=False, add_generation_prompt=True
        )
    except Exception as error:  # jinja2 raises many kinds, and so may the template itself
        line = f", line {error.lineno}" if hasattr(error, "lineno") else ""
        raise ConfigError(f"model.chat_template: the template cannot be rendered: {error}{line}.") from error
    if "ping" not in rendered:
        raise ConfigError(
            "model.chat_template: the rendered template does not hold the user's message; it must print "
            "message['content'] for every message."
        )
