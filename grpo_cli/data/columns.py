"""Which of the data's columns becomes which of ours; names that the trainer keeps for itself. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grpo_cli.config.suggest import did_you_mean
from grpo_cli.errors import ConfigError

# TRL passes these to every reward itself (or drops them): a data column of that name would collide or vanish.
RESERVED = frozenset(
    (
        "prompts",
        "completion",
        "completions",
        "completion_ids",
        "trainer_state",
        "log_extra",
        "log_metric",
        "environments",
    )
)
IMAGES = frozenset(("image", "images"))
_USUAL_PROMPTS = ("question", "problem", "instruction", "query", "messages", "text", "input", "prompts")


@dataclass
class ColumnPlan:
    """How columns are renamed: `names` is {ours: theirs}, in the order of the result."""

    names: dict[str, str]
    notes: list[str] = field(default_factory=list)


def plan_columns(
    columns: Sequence[str],
    mapping: Mapping[str, str],
    *,
    fields: Sequence[str] = (),
    has_template: bool = False,
    key: str = "dataset",
    where: str = "the data",
) -> ColumnPlan:
    """Decide every column's name, or say what does not fit.

    Args:
        columns: the columns of the data.
        mapping: `dataset.columns`, ours: theirs.
        fields: columns that the prompt template names (theirs or ours).
        has_template: whether the template makes the prompt.
        key: the config node, for messages.
        where: the file or data set, for messages.

    Returns:
        The plan; each column of the data appears in it at least once.

    Raises:
        ConfigError: a column is missing, two would get one name, or a name is reserved.
    """
    have = ", ".join(columns) or "none"
    problems = []
    for ours, theirs in mapping.items():
        if theirs not in columns:
            problems.append(
                f"{key}.columns.{ours}={theirs}: {where} has no column "
                f"'{theirs}'{did_you_mean(theirs, columns)} (columns: {have})"
            )
        if ours in RESERVED or ours in IMAGES:
            problems.append(f"{key}.columns.{ours}: the trainer keeps the name '{ours}' for itself; choose another")
        if ours in columns and ours != theirs and ours not in mapping.values():
            problems.append(
                f"{key}.columns.{ours}={theirs} would give two columns '{ours}', for {where} has one of "
                f"that name already: "
                f"keep that one under another name with {key}.columns.other_{ours}={ours}"
            )
    for name in fields:
        if name not in columns and name not in mapping:
            problems.append(
                f"{key}.prompt_template names the column '{name}', which {where} does not have"
                f"{did_you_mean(name, columns)} (columns: {have})"
            )
    names = dict(mapping)
    notes = []
    for column in columns:
        if column in mapping.values() or column in names:
            continue
        ours = column
        if column in RESERVED:
            ours = f"data_{column}"
            if ours in columns or ours in names:
                problems.append(
                    f"{where} has a column '{column}', a name the trainer keeps: rename it in {key}.columns"
                )
            notes.append(
                f"column '{column}' of {where} is called '{ours}' here: the trainer keeps '{column}' for itself"
            )
        if column in IMAGES:
            problems.append(
                f"{where} has a column '{column}': images are not supported; if it is no picture, "
                f"rename it with {key}.columns.my_{column}={column}"
            )
        names[ours] = column
    if has_template and "prompt" in mapping:
        # The template makes the prompt; the column it may be made from stays under its own name.
        theirs = names.pop("prompt")
        if theirs not in names.values():
            names[theirs] = theirs
    if "prompt" not in names and not has_template:
        guess = next((c for c in _USUAL_PROMPTS if c in columns), columns[0] if columns else "question")
        problems.append(
            f"{where} has no column 'prompt' (columns: {have}): name the one to use with "
            f"{key}.columns.prompt={guess}, or write {key}.prompt_template"
        )
    if problems:
        raise ConfigError(*problems)
    return ColumnPlan(names, notes)
