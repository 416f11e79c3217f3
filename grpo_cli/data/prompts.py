"""From a row of the source to a row of ours: columns renamed, the prompt built, the answer extracted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo_cli.data.check import no_answer_column
from grpo_cli.data.columns import plan_columns
from grpo_cli.data.template import parse_template
from grpo_cli.errors import ConfigError

Message = dict[str, Any]
Prompt = str | list[Message]


@dataclass
class Built:
    """What a batch became: `keep` are the places (in the batch) of the rows that stay."""

    prompts: list[Prompt]
    answers: list[Any] | None
    keep: list[int]


@dataclass
class PromptBuilder:
    """Builds the prompts of one source.

    Args:
        cfg: the source's complete config node.
        key: where it stands in the config, for messages.
        where: the data's name, for messages.
        columns: the source's columns.
        tokenizer: decides whether prompts are conversational, and checks the chat template.
    """

    cfg: Mapping[str, Any]
    key: str
    where: str
    columns: Sequence[str]
    tokenizer: Any
    conversational: bool | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        text = self.cfg["prompt_template"]
        self.template = parse_template(text, f"{self.key}.prompt_template") if text is not None else None
        self.fields = self.template.fields if self.template else []
        plan = plan_columns(
            self.columns,
            self.cfg["columns"] or {},
            fields=self.fields,
            has_template=self.template is not None,
            key=self.key,
            where=self.where,
        )
        self.names = plan.names
        self.mapping = self.cfg["columns"] or {}
        self.notes += plan.notes
        self.pattern = None
        if self.cfg["answer_pattern"] is not None:
            if "answer" not in self.names:
                raise ConfigError(no_answer_column(self.key, self.where, list(self.columns)))
            self.pattern = re.compile(self.cfg["answer_pattern"])

    @property
    def reads(self) -> list[str]:
        """The source's columns that `build` looks at."""
        read = [self._theirs(name) for name in (self.fields if self.template else ["prompt"])]
        if "answer" in self.names:
            read.append(self.names["answer"])
        return list(dict.fromkeys(read))

    def _theirs(self, name: str) -> str:
        # A template may use the source's own names or ours; the source's come first.
        return name if self.template and name in self.columns else self.mapping.get(name, name)

    def build(self, batch: Mapping[str, Sequence[Any]], first: int) -> Built:
        """Build prompts and answers of a batch.

        Args:
            batch: at least the columns that `reads` names.
            first: number of the batch's first row (from 1), for messages.

        Returns:
            The prompts and answers of the rows that stay.

        Raises:
            ConfigError: a value is missing or of the wrong type, with its row number.
        """
        size = len(next(iter(batch.values())))
        answers = list(batch[self.names["answer"]]) if "answer" in self.names else None
        built = Built([], None if answers is None else [], [])
        for i in range(size):
            if answers is not None:
                answer = self._answer(answers[i], first + i)
                if answer is None and self.cfg["on_missing_answer"] == "drop":
                    continue
                assert built.answers is not None
                built.answers.append(answer)
            built.prompts.append(self._prompt(batch, i, first + i))
            built.keep.append(i)
        return built

    def _row(self, number: int) -> str:
        return f"row {number} of {self.where}"

    def _answer(self, value: Any, number: int) -> Any:
        mode = self.cfg["on_missing_answer"]
        if value is not None and self.pattern is not None:
            text = value if isinstance(value, str) else str(value)
            match = self.pattern.search(text)
            found = match and (match.group(1) if self.pattern.groups else match.group(0))
            if found is None and mode == "error":
                raise ConfigError(
                    f"{self.key}.answer_pattern finds no answer in {self._row(number)} ({_short(text)}): "
                    f"mend the pattern, or pass over such rows with {self.key}.on_missing_answer=drop"
                )
            value = found.strip() if found is not None else None
        if value is None and mode == "error":
            raise ConfigError(
                f"{self._row(number)} has no answer (column '{self.names['answer']}'): fill it in, or set "
                f"{self.key}.on_missing_answer=drop (or keep, where the rewards take None)"
            )
        return value

    def _prompt(self, batch: Mapping[str, Sequence[Any]], i: int, number: int) -> Prompt:
        if self.template is None:
            value = batch[self.names["prompt"]][i]
        else:
            row = {name: batch[self._theirs(name)][i] for name in self.fields}
            for name, part in row.items():
                if part is None:
                    raise ConfigError(
                        f"{self._row(number)} has no value in '{name}', which {self.key}.prompt_template needs"
                    )
            value = self.template.render(row)
        if value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, list) and not value):
            raise ConfigError(f"{self._row(number)} has an empty prompt")
        is_chat = isinstance(value, list)
        if not is_chat and not isinstance(value, str):
            raise ConfigError(
                f"{self._row(number)}: its prompt is of type {type(value).__name__}, neither text nor a "
                f"list of messages"
            )
        if self.conversational is None:
            self._decide(is_chat, value)
        if self.conversational:
            messages = self._messages(value, number) if is_chat else [{"role": "user", "content": value}]
            system = self.cfg["system_prompt"]
            if system and messages[0]["role"] != "system":  # a row's own system message stays
                messages = [{"role": "system", "content": system}, *messages]
            return messages
        if is_chat:
            raise ConfigError(
                f"{self._row(number)}: its prompt is a list of messages, while prompts are plain text here "
                f"(the rows before it are text, or {self.key}.conversational=false): make all prompts of "
                f"one type"
            )
        return f"{self.cfg['system_prompt']}\n\n{value}" if self.cfg["system_prompt"] else str(value)

    def _decide(self, is_chat: bool, value: Any) -> None:
        """Settle by the first prompt whether prompts are messages, and that the chat template takes them."""
        wish = self.cfg["conversational"]
        wish = {"true": True, "false": False}.get(wish.lower(), wish) if isinstance(wish, str) else wish
        can = bool(getattr(self.tokenizer, "chat_template", None))
        if (wish is True or (wish == "auto" and is_chat)) and not can:
            what = "the prompts are lists of messages" if is_chat else f"{self.key}.conversational=true"
            raise ConfigError(
                f"{self.where}: {what}, and the tokenizer has no chat template: set model.chat_template "
                f"to one, "
                "or train on plain-text prompts"
            )
        if wish is False and is_chat:
            raise ConfigError(f"{self.key}.conversational=false, and the prompts of {self.where} are lists of messages")
        self.conversational = can if wish == "auto" else bool(wish)
        if self.conversational and self.cfg["system_prompt"]:
            probe = [
                {"role": "system", "content": self.cfg["system_prompt"]},
                {"role": "user", "content": "x"},
            ]
            try:
                self.tokenizer.apply_chat_template(probe, tokenize=False, add_generation_prompt=True)
            except Exception as error:
                raise ConfigError(
                    f"{self.key}.system_prompt: the tokenizer's chat template takes no system message "
                    f"({error}): "
                    f"put the text into {self.key}.prompt_template instead"
                ) from error

    def _messages(self, value: list[Any], number: int) -> list[Message]:
        messages = []
        for message in value:
            if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
                raise ConfigError(
                    f"{self._row(number)}: its prompt is a list, but not of messages with 'role' and 'content'"
                )
            message = {k: v for k, v in message.items() if v is not None}
            content = message.get("content")
            if isinstance(content, list):
                if any(not isinstance(p, Mapping) or p.get("type", "text") != "text" for p in content):
                    raise ConfigError(
                        f"{self._row(number)}: its prompt holds parts that are no text: images are not supported"
                    )
                content = "".join(str(p.get("text") or "") for p in content)
            if content is None and "tool_calls" not in message:
                raise ConfigError(f"{self._row(number)}: the '{message['role']}' message of its prompt has no content")
            messages.append({**message, "content": content if content is not None else ""})
        if messages[-1]["role"] == "assistant":
            if self.cfg["trailing_assistant"] != "drop":
                raise ConfigError(
                    f"{self._row(number)}: its conversation ends with the assistant's turn, so there is "
                    f"nothing to complete: "
                    f"set {self.key}.trailing_assistant=drop to leave that turn away"
                )
            while messages and messages[-1]["role"] == "assistant":
                messages.pop()
            if not messages:
                raise ConfigError(f"{self._row(number)}: its conversation holds the assistant's turns only")
        return messages


def _short(text: str, size: int = 60) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= size else "…" + text[-size:])
