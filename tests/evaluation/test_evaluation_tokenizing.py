"""A tokenizer that remembers answers as the real one does, until one of its files changes."""

import shutil

import pytest

from grpo_cli.assets import EMBEDDED_MODEL
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.cache import CompletionCache
from grpo_cli.evaluation.tokenizing import RememberedTokenizer, tokenizer_of
from grpo_cli.rewards.build import Later, RewardContext, build_rewards

CHAT = [[{"role": "user", "content": "What is 1+1?"}], [{"role": "user", "content": "What is 22+34?"}]]
OPTIONS = {"add_generation_prompt": True, "tokenize": True, "return_dict": True}


class Unloaded:
    """Stands where a tokenizer must not be asked."""


@pytest.fixture
def model(tmp_path):
    """A `model` section with a tokenizer of its own."""
    shutil.copytree(EMBEDDED_MODEL, tmp_path / "model")
    return {
        "name": str(tmp_path / "model"),
        "tokenizer": None,
        "revision": None,
        "chat_template": None,
        "trust_remote_code": False,
    }


def asked(tokenizer):
    return (
        tokenizer.chat_template,
        tokenizer.model_max_length,
        list(tokenizer.apply_chat_template(CHAT, **OPTIONS)["input_ids"]),
        tokenizer.apply_chat_template(CHAT[0], tokenize=False, add_generation_prompt=True),
        list(tokenizer(text=["12+3", "4"])["input_ids"]),
    )


def test_it_answers_as_the_real_one_and_the_next_one_without_it(tmp_path, model):
    cache = CompletionCache(str(tmp_path / "cache"))
    first = tokenizer_of(model, cache)
    known = asked(first)
    assert known == asked(first.real) and first.eos_token_id == first.real.eos_token_id
    again = tokenizer_of(model, cache)
    again._load = Unloaded
    assert asked(again) == known
    with pytest.raises(AttributeError):
        again.apply_chat_template(CHAT[0], tokenize=False)  # not asked before: the real one has to answer


def test_another_template_or_file_is_another_tokenizer(tmp_path, model):
    cache = CompletionCache(str(tmp_path / "cache"))
    before = asked(tokenizer_of(model, cache))
    other = tokenizer_of({**model, "chat_template": "{{ messages[0].content }}"}, cache)
    assert other.apply_chat_template(CHAT[0], tokenize=False, add_generation_prompt=True) == "What is 1+1?"
    written = tmp_path / "model" / "chat_template.jinja"
    written.write_text("Q: {{ messages[0].content }}")
    changed = asked(tokenizer_of(model, cache))
    assert changed[3] == "Q: What is 1+1?" and changed[2] != before[2]


def test_what_is_no_tokenizer_is_told_when_it_is_asked(tmp_path, model):
    (tmp_path / "empty").mkdir()
    nothing = tokenizer_of({**model, "name": str(tmp_path / "empty")}, CompletionCache(str(tmp_path / "cache")))
    assert isinstance(nothing, RememberedTokenizer)
    with pytest.raises(ConfigError, match="empty"):
        nothing.chat_template  # noqa: B018


def wants_tokenizer(completions, tokenizer):
    return [float(tokenizer == "loaded")] * len(completions)


def wants_nothing(completions):
    return [0.0] * len(completions)


def test_a_reward_that_names_the_tokenizer_gets_it_and_no_other_has_it_loaded():
    made = []
    context = RewardContext(tokenizer=Later(lambda: made.append(1) or "loaded"), device=Later(lambda: 1 / 0))
    here = "evaluation.test_evaluation_tokenizing"
    (plain,) = build_rewards({"a": {"target": f"{here}:wants_nothing"}}, context=context)
    assert plain(prompts=["p"], completions=["c"]) == [0.0] and not made
    (asks,) = build_rewards({"b": {"target": f"{here}:wants_tokenizer"}}, context=context)
    assert asks(prompts=["p"], completions=["c"]) == [1.0] and made == [1]
