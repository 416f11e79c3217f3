"""`model`: the policy that is trained, its tokenizer and its chat template."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import REQUIRED, option


@dataclass
class ModelConfig:
    """The model and how it is loaded."""

    name: str = option(REQUIRED, help="A hub id, a local folder, or 'embedded' (the model inside the package).")
    revision: str | None = option(None, help="Branch, tag or commit of the hub repository; null: its main branch.")
    tokenizer: str | None = option(None, help="Hub id or folder of another tokenizer; null: the model's own.")
    chat_template: str | None = option(
        None, help="A .jinja file or the template's text, in place of the tokenizer's own chat template."
    )
    dtype: str = option(
        "auto",
        help="Number format of the weights. auto: float32, the master weights that mixed precision wants; under peft "
        "bfloat16 where the GPU has it.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    attn_implementation: str = option(
        "auto",
        help="Attention kernel. auto: flash_attention_2 on a GPU where its package is installed and the model "
        "computes in 16 bits, otherwise sdpa.",
        choices=("auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"),
    )
    trust_remote_code: bool = option(
        False, help="Run Python code that the model's repository ships. Only for repositories that you trust."
    )
    init_kwargs: dict = option({}, help="Further keyword arguments of AutoModelForCausalLM.from_pretrained.")
