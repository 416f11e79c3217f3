"""`peft`: training a small adapter in place of all weights."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import option


@dataclass
class PeftConfig:
    """LoRA (https://arxiv.org/abs/2106.09685) and QLoRA (https://arxiv.org/abs/2305.14314)."""

    method: str = option(
        "none",
        help="none trains every weight; lora an adapter; qlora an adapter over a base model held in 4 or 8 bits.",
        choices=("none", "lora", "qlora"),
    )
    r: int = option(16, help="Rank of the adapter's matrices.")
    lora_alpha: int = option(32, help="Scale of the adapter: its output is multiplied by lora_alpha / r.")
    lora_dropout: float = option(0.0, help="Dropout on the adapter's input while training.")
    target_modules: str | list[str] = option(
        "auto", help="Modules that get an adapter: names, a regular expression, or auto (all linear layers)."
    )
    exclude_modules: str | list[str] | None = option(None, help="Modules that get none, though targeted.")
    modules_to_save: list[str] | None = option(
        None, help="Modules trained in full and saved beside the adapter (lm_head, embed_tokens)."
    )
    bias: str = option("none", help="Which biases are trained.", choices=("none", "all", "lora_only"))
    use_rslora: bool = option(
        False,
        help="Scale by lora_alpha / sqrt(r) (https://arxiv.org/abs/2312.03732): steadier at high ranks.",
    )
    use_dora: bool = option(
        False, help="Split weights into magnitude and direction (https://arxiv.org/abs/2402.09353)."
    )
    init_lora_weights: bool | str = option(
        True,
        help="true: the adapter starts as a no-op; or a method's name ('gaussian', 'pissa', 'olora', …).",
    )
    extra: dict = option({}, help="Further keyword arguments of peft's LoraConfig.")
    bits: int = option(4, help="qlora: bits of a base weight.", choices=(4, 8))
    quant_type: str = option("nf4", help="qlora, 4 bits: data type of the quantized weights.", choices=("nf4", "fp4"))
    double_quant: bool = option(True, help="qlora, 4 bits: quantize the quantization constants too.")
    merge: bool = option(
        True, help="Merge the adapter into the model that is saved at the end (never for a quantized base)."
    )
