"""Rows of the configured data for a trial, and what the probes need to know of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo_cli.config.targets import parameters_of
from grpo_cli.errors import ConfigError
from grpo_cli.rewards.extract import is_empty
from grpo_cli.rewards.text import prompt_opens_think, row_opens_think

# Names under which data sets keep the right answer, the likeliest first.
ANSWER_NAMES = (
    "answer",
    "solution",
    "ground_truth",
    "gold",
    "target",
    "reference",
    "label",
    "output",
    "canonical_solution",
)


@dataclass
class Rows:
    """Some rows of the training data.

    Attributes:
        prompts: N prompts, texts or messages.
        columns: the other columns, N values each.
        numbers: each row's place in the training data, from 0.
        total: rows of the training data; None for a stream.
        tokenizer: the policy's.
        opens_think: per row, whether the model's completion starts inside `<think>`.
        answer_column: the column that holds the right answer, None where there is none.
        notes: what loading had to say.
    """

    prompts: list[Any]
    columns: dict[str, list[Any]]
    numbers: list[int]
    total: int | None
    tokenizer: Any
    opens_think: list[bool]
    answer_column: str | None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def names(self) -> list[str]:
        """All columns, `prompt` among them."""
        return ["prompt", *self.columns]

    @property
    def conversational(self) -> bool:
        """Whether prompts are messages, so that completions are too."""
        return not isinstance(self.prompts[0], str)

    def gold(self, row: int) -> str | None:
        """A row's right answer as text (the first, where several are right); None where it has none."""
        value = self.columns[self.answer_column][row] if self.answer_column else None
        if isinstance(value, list | tuple):
            value = next((one for one in value if not is_empty(one)), None)
        return None if isinstance(value, Mapping) or is_empty(value) else str(value).strip()

    def prompt_text(self, row: int) -> str:
        """What was asked: the prompt itself, or its last message."""
        prompt = self.prompts[row]
        return prompt if isinstance(prompt, str) else str(prompt[-1].get("content") or "")

    def as_completion(self, text: str) -> Any:
        """A completion as the trainer would hand it over."""
        return [{"role": "assistant", "content": text}] if self.conversational else text


def load_rows(config: Mapping[str, Any], count: int) -> Rows:
    """Load the data as a run would, and take rows spread evenly over them.

    Args:
        config: the composed configuration as plain containers.
        count: how many rows; fewer where there are fewer.

    Raises:
        ConfigError: the data or the tokenizer cannot be loaded.
    """
    from grpo_cli.data.load import load_data  # imports datasets: a second

    tokenizer = load_tokenizer(config["model"])
    data = load_data(config["dataset"], tokenizer=tokenizer, seed=config["seed"])
    total = len(data.train) if hasattr(data.train, "__len__") else None
    numbers = spread(total, count) if total is not None else list(range(count))
    taken = [data.train[i] for i in numbers] if total is not None else list(data.train.take(count))
    if not taken:
        raise ConfigError("the data have no row to try the rewards on: see dataset.path and dataset.max_prompt_tokens")
    names = [name for name in taken[0] if name != "prompt"]
    prompts = [row["prompt"] for row in taken]
    opens = prompt_opens_think(tokenizer, config["training"].get("chat_template_kwargs"))
    return Rows(
        prompts=prompts,
        columns={name: [row.get(name) for row in taken] for name in names},
        numbers=numbers[: len(taken)],
        total=total,
        tokenizer=tokenizer,
        opens_think=[row_opens_think(prompt, opens) for prompt in prompts],
        answer_column=answer_column(names, config["reward"]),
        notes=list(data.info["notes"]),
    )


def spread(total: int, count: int) -> list[int]:
    """`count` places spread evenly over `total`.

    Example:
        >>> spread(10, 4), spread(2, 4)
        ([0, 2, 5, 7], [0, 1])
    """
    count = min(total, count)
    return [i * total // count for i in range(count)]


def answer_column(names: Sequence[str], cfg_reward: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The column with the right answer: one by a usual name, those that a reward takes first.

    Args:
        names: the data's columns.
        cfg_reward: the rewards, whose parameters are read from their source.
    """
    taken: set[str] = set()
    for entry in cfg_reward.values():
        parameters = parameters_of(str(entry.get("target")))
        taken.update(parameters.annotations if parameters else ())
    there = [name for name in ANSWER_NAMES if name in names]
    return next((name for name in there if name in taken), there[0] if there else None)


def load_tokenizer(model: Mapping[str, Any]) -> Any:
    """Load the policy's tokenizer; that of the model in the package without torch, in a third of the time."""
    if model["name"] == "embedded" and not model["tokenizer"] and not model["chat_template"]:
        from transformers import PreTrainedTokenizerFast

        from grpo_cli.assets import EMBEDDED_MODEL

        return PreTrainedTokenizerFast.from_pretrained(EMBEDDED_MODEL, truncation_side="left", padding_side="left")
    from grpo_cli.training.model import load_tokenizer as load

    return load(dict(model))


def token_ids(tokenizer: Any, texts: Iterable[str]) -> list[list[int]]:
    """The texts' token ids, as the model would have generated them; what is no valid Unicode is replaced."""
    clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    return tokenizer(text=clean, add_special_tokens=False, verbose=False)["input_ids"] if clean else []
