"""The `dataset` group: where the prompts come from and how a row becomes a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grpo_cli.config.groups._option import option


@dataclass
class DatasetConfig:
    """One data set, or a weighted mixture of several (whose entries take these same keys and `weight`)."""

    # --- where the rows come from: exactly one of path, generator, mixture ---
    path: str | list[str] | None = option(
        None,
        "Hub id, folder saved by datasets, folder of data files, or JSONL/JSON/CSV/Parquet/text file, glob or list.",
    )
    generator: str | None = option(
        None, "Function that makes the rows: 'package.module:name' or 'path/to/file.py:name'."
    )
    generator_kwargs: dict[str, Any] = option(
        {}, "Keyword arguments of the generator; `seed` is passed where it takes one."
    )
    task: Any = option(None, "What the generator makes, where it can make several things (its argument `task`).")
    size: int | None = option(None, "How many rows the generator makes (its argument `size`).")
    seed: int | None = option(None, "Seed of the generator (its argument `seed`); null: the run's seed.")
    mixture: dict[str, Any] = option(
        {}, "Several sources by name; each entry takes the keys of this group and `weight`."
    )
    mixture_stopping: str = option(
        "first_exhausted",
        "When a mixture ends: as one source runs out, once all were seen (small ones repeat), or every "
        "row exactly once.",
        choices=("first_exhausted", "all_exhausted", "all_exhausted_without_replacement"),
    )
    # --- how the source is read ---
    name: str | None = option(None, "Configuration of a hub data set (its subset), such as 'main' of openai/gsm8k.")
    revision: str | None = option(None, "Branch, tag or commit of a hub data set.")
    data_files: Any = option(None, "Files inside a hub data set or folder to read, when not all of them.")
    format: str = option(
        "auto",
        "Format of the files when their names do not tell.",
        choices=("auto", "jsonl", "json", "csv", "parquet", "text"),
    )
    delimiter: str = option("auto", "Delimiter of CSV files; auto finds comma, semicolon, tab or bar from the header.")
    json_field: str | None = option(None, "Key under which a JSON file keeps its list of rows.")
    streaming: bool = option(False, "Read rows as training asks for them, without downloading all first.")
    shuffle_buffer: int = option(1000, "Rows that a stream is shuffled over (seeded); 0 keeps its order.")
    # --- splits ---
    train_split: str = option("train", "Split to train on; a slice such as 'train[:10%]' works.")
    test_split: str | None = option(
        "auto",
        "Held-out split; auto takes 'test', else 'validation', else rows of train; null always rows of train.",
    )
    test_path: str | list[str] | None = option(
        None, "File, folder or hub id of the held-out rows, when they lie apart."
    )
    test_size: Any = option(
        "auto",
        "Held out of train when there is no test split: a share, a count, 0 for none; auto: a tenth, at most 500.",
    )
    overlap: str = option(
        "drop",
        "What to do with training rows whose prompt is in the held-out set.",
        choices=("drop", "keep", "error"),
    )
    # --- from a row to a prompt ---
    columns: dict[str, str] = option(
        {}, "Columns by name, ours: theirs; `prompt: question` reads the prompt from `question`."
    )
    prompt_template: str | None = option(None, "Text of the prompt with {column} fields; {{ and }} stand for braces.")
    system_prompt: str | None = option(None, "System message (or first paragraph of a plain-text prompt).")
    conversational: str | bool = option(
        "auto",
        "Prompts as chat messages; auto: when the tokenizer has a chat template.",
        choices=("auto", True, False),
    )
    trailing_assistant: str = option(
        "error",
        "A conversation that ends with the assistant's turn: an error, or drop that turn.",
        choices=("error", "drop"),
    )
    answer_pattern: str | None = option(
        None, "Regular expression whose first group is the answer in the answer column."
    )
    on_missing_answer: str = option(
        "error", "A row with no answer (or none the pattern finds).", choices=("error", "drop", "keep")
    )
    # --- which rows ---
    min_prompt_tokens: int | None = option(None, "Drop prompts shorter than this, in tokens after the chat template.")
    max_prompt_tokens: int | None = option(None, "Drop prompts longer than this, in tokens after the chat template.")
    limit: int | None = option(None, "Train on so many rows: a seeded sample (of a stream, the first).")
    test_limit: int | None = option(None, "Hold out so many rows: a seeded sample (of a stream, the first).")
