from __future__ import annotations

import pickle

import pytest
from tiny_text_models import decoder_sizes

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.build import RewardContext, build_rewards

TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<end>{% endfor %}"
CHAT = [{"role": "user", "content": "1+1?"}]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Tiny reward models: a sound one, one with a chat template, one with two labels, one without a head."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2Config,
        Qwen2ForCausalLM,
        Qwen2ForSequenceClassification,
    )

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<end>", *letters])}
    bytes_only = Tokenizer(models.BPE(vocabulary, []))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    sizes = decoder_sizes(vocab_size=len(vocabulary))
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("models")
    made = {
        "plain": Qwen2ForSequenceClassification(Qwen2Config(**sizes, num_labels=1)),
        "two_labels": Qwen2ForSequenceClassification(Qwen2Config(**sizes, num_labels=2)),
        "no_head": Qwen2ForCausalLM(Qwen2Config(**sizes, num_labels=1)),
    }
    made["chat"] = made["plain"]
    for name, model in made.items():
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_only, eos_token="<end>")
        tokenizer.chat_template = TEMPLATE if name == "chat" else None
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    return root


def build(folder, **options):
    entry = {"target": "grpo_cli.rewards.reward_model:RewardModel", "model": str(folder), **options}
    return build_rewards({"judge": entry}, context=RewardContext(device="cpu"))[0]


def by_hand(folder, text):
    """One text alone through the model: no batch, no padding."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    model.config.pad_token_id = 0
    ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        return model(ids["input_ids"]).logits[0, 0].item()


def test_scores_are_those_of_each_text_alone_in_its_order(folders):
    completions = ["a long completion", "b", "middling", "", "числа"]
    reward = build(folders / "plain", batch_size=2)
    scores = reward(["p: "] * 5, completions)

    assert len(set(scores)) == 5
    assert scores == pytest.approx([by_hand(folders / "plain", "p: " + c) for c in completions], abs=1e-5)


def test_conversations_go_through_the_models_own_template(folders):
    completion = [{"role": "assistant", "content": "2"}]
    (score,) = build(folders / "chat")([CHAT], [completion])
    (plain,) = build(folders / "plain")([CHAT], [completion])

    expected = by_hand(folders / "chat", "<|user|>1+1?<end><|assistant|>2<end>")
    assert score == pytest.approx(expected, abs=1e-5)
    assert plain == pytest.approx(by_hand(folders / "plain", "1+1?\n2"), abs=1e-5)


def test_too_long_texts_lose_their_beginning(folders):
    (limited,) = build(folders / "plain", max_length=4)(["a long prompt "], ["wxyz"])
    (full,) = build(folders / "plain")(["p" * 1000], ["c" * 64])

    assert limited == pytest.approx(by_hand(folders / "plain", "wxyz"), abs=1e-5)
    assert full == pytest.approx(by_hand(folders / "plain", "c" * 64), abs=1e-5)


def test_nothing_at_all_still_gets_a_number(folders):
    (score,) = build(folders / "plain")([""], [""])

    assert isinstance(score, float)


def test_the_model_is_loaded_once_frozen_and_in_eval_mode(folders):
    first, second = build(folders / "plain"), build(folders / "plain", batch_size=2)
    model = first.function.model

    assert second.function.model is model
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert pickle.loads(pickle.dumps(first)).function.model is model


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("two_labels", "has 2 labels; a reward model has one"),
        ("no_head", "lacks trained weights for score.weight"),
        ("nowhere", "nowhere cannot be loaded"),
    ],
)
def test_what_is_no_reward_model_is_refused(folders, folder, message):
    with pytest.raises(ConfigError, match=message):
        build(folders / folder)


def test_agrees_with_trl(folders):
    """TRL scores prompt + completion the same way when given the model itself."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folders / "plain").eval()
    tokenizer = AutoTokenizer.from_pretrained(folders / "plain")
    tokenizer.pad_token = tokenizer.eos_token  # as TRL does
    model.config.pad_token_id = tokenizer.pad_token_id
    prompts, completions = ["1+1? ", "2+2? ", "hi "], ["2", "maybe four", "!"]
    # What GRPOTrainer._calculate_rewards does with a module.
    texts = [p + c for p, c in zip(prompts, completions, strict=True)]
    inputs = tokenizer(text=texts, return_tensors="pt", padding=True, padding_side="right", add_special_tokens=False)
    with torch.inference_mode():
        theirs = model(**inputs).logits[:, 0].tolist()

    assert build(folders / "plain")(prompts, completions) == pytest.approx(theirs, abs=1e-5)
