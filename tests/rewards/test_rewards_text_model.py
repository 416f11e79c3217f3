"""What all models used as rewards share: loading, sharing, limits."""

from __future__ import annotations

import pytest
from tiny_text_models import byte_tokenizer, encoder_sizes, save

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.text_model import TextModel

CLASSIFIER = "AutoModelForSequenceClassification"


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("bert")
    save(BertForSequenceClassification(BertConfig(**encoder_sizes(num_labels=3))), root / "classifier")
    save(BertModel(BertConfig(**encoder_sizes()), add_pooling_layer=False), root / "base")
    return root


def by_hand(folder, *texts):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**AutoTokenizer.from_pretrained(folder)(*texts, return_tensors="pt")).logits.softmax(-1)[0]


def test_batches_change_nothing_and_keep_the_order(bert):
    texts = ["a long text of many letters", "b", "middling", "числа", "b"]
    scorer = TextModel(CLASSIFIER, str(bert / "classifier"), batch_size=2)
    found = scorer.probabilities([scorer.tokenize(text) for text in texts])

    for text, values in zip(texts, found, strict=True):
        assert values == pytest.approx(by_hand(bert / "classifier", text).tolist(), abs=1e-5)
    assert found[0] != pytest.approx(found[2], abs=1e-3)


def test_nothing_to_score_is_no_error(bert):
    assert TextModel(CLASSIFIER, str(bert / "classifier")).probabilities([]) == []


def test_two_users_share_one_model(bert):
    first, second = (TextModel(CLASSIFIER, str(bert / "classifier"), batch_size=n) for n in (1, 2))

    assert first.model is second.model
    assert not first.model.training
    assert not any(parameter.requires_grad for parameter in first.model.parameters())


def test_what_is_too_long_loses_its_end(bert):
    scorer = TextModel(CLASSIFIER, str(bert / "classifier"), max_length=4)
    pair = TextModel(CLASSIFIER, str(bert / "classifier"), max_length=5).tokenize("a" * 9, "bc")

    assert scorer.tokenize("abcdefgh") == scorer.tokenize("abcd")
    assert pair["input_ids"] == byte_tokenizer()("aaabc")["input_ids"]
    assert len(TextModel(CLASSIFIER, str(bert / "classifier")).tokenize("a" * 1000)["input_ids"]) == 64


def test_roberta_keeps_positions_for_itself(tmp_path):
    """Their tokenizers often name no limit; two positions more than there are crash the model."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    config = RobertaConfig(**encoder_sizes(num_labels=2, max_position_embeddings=34, pad_token_id=0))
    scorer = TextModel(CLASSIFIER, save(RobertaForSequenceClassification(config), tmp_path / "roberta"))

    assert scorer.max_length == 33
    assert len(scorer.probabilities([scorer.tokenize("a" * 100)])[0]) == 2


def test_invalid_unicode_is_scored(bert):
    scorer = TextModel(CLASSIFIER, str(bert / "classifier"))

    assert scorer.tokenize("a\ud800b") == scorer.tokenize("a?b")


@pytest.mark.parametrize(
    ("folder", "options", "message"),
    [
        ("base", {}, "lacks trained weights for"),
        ("nowhere", {}, "nowhere cannot be loaded"),
        ("classifier", {"batch_size": 0}, "batch_size must be 1 or more, not 0"),
        ("classifier", {"max_length": 0}, "max_length must be 1 or more, not 0"),
    ],
)
def test_what_cannot_score_is_refused(bert, folder, options, message):
    with pytest.raises(ConfigError, match=message):
        TextModel(CLASSIFIER, str(bert / folder), **options)


def test_a_pooler_that_is_not_read_may_be_missing(bert):
    assert TextModel("AutoModel", str(bert / "base")).max_length == 64


def test_labels_by_name_and_index(tmp_path):
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(**encoder_sizes(id2label={0: "NEGATIVE", 1: "Positive"}))
    scorer = TextModel(CLASSIFIER, save(BertForSequenceClassification(config), tmp_path / "model"))

    assert [scorer.label(wanted) for wanted in ("positive", "NEGATIVE", 1)] == [1, 0, 1]
    for wanted in ("neutral", 2, -1, True):
        with pytest.raises(ConfigError, match=r"no label .*: NEGATIVE \(0\), Positive \(1\)"):
            scorer.label(wanted)
