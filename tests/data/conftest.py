import json
from pathlib import Path

import pytest

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="session")
def plain_tokenizer():
    """One token a byte; no chat template, no stated context."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(["<eos>", *alphabet])}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", pad_token="<eos>")


@pytest.fixture
def tokenizer(plain_tokenizer):
    """The same with a chat template."""
    import copy

    chat = copy.deepcopy(plain_tokenizer)
    chat.chat_template = CHAT_TEMPLATE
    return chat


@pytest.fixture
def write_rows(tmp_path):
    """Write rows to a JSONL file and return its path."""

    def write(rows, name="rows.jsonl") -> str:
        path: Path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def sums(write_rows):
    """A JSONL file of 40 additions: question, answer, level."""
    return write_rows([{"question": f"{i}+1?", "answer": str(i + 1), "level": i % 3} for i in range(40)], "sums.jsonl")
