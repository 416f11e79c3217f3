"""Fluency, sentiment, factual and similarity, against the same model run by hand on one text."""

from __future__ import annotations

import math

import pytest
from tiny_text_models import TEMPLATE, byte_tokenizer, decoder_sizes, encoder_sizes, save

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.build import RewardContext, build_rewards

TARGETS = {
    "fluency": "grpo_cli.rewards.fluency:Fluency",
    "sentiment": "grpo_cli.rewards.sentiment:Sentiment",
    "factual": "grpo_cli.rewards.factual:Factual",
    "similarity": "grpo_cli.rewards.similarity:SemanticSimilarity",
}


def build(kind, folder, *, opens=False, columns=None, **options):
    entry = {"target": TARGETS[kind], "model": str(folder), **options}
    context = RewardContext(device="cpu", prompt_opens_think=opens, columns=columns)
    return build_rewards({kind: entry}, context=context)[0]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        BertLMHeadModel,
        BertModel,
        Qwen2Config,
        Qwen2ForCausalLM,
        Qwen2Model,
    )

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("models")
    chat = byte_tokenizer()
    chat.chat_template = TEMPLATE
    lm = Qwen2ForCausalLM(Qwen2Config(**decoder_sizes(initializer_range=0.5, tie_word_embeddings=True)))
    save(lm, root / "lm")
    save(lm, root / "lm_chat", chat)
    save(BertLMHeadModel(BertConfig(**encoder_sizes())), root / "bert_lm")
    labels = {0: "contradiction", 1: "neutral", 2: "Entailment"}
    save(BertForSequenceClassification(BertConfig(**encoder_sizes(id2label=labels))), root / "nli")
    save(BertForSequenceClassification(BertConfig(**encoder_sizes(num_labels=1))), root / "one_label")
    several = BertConfig(**encoder_sizes(id2label={0: "toxic", 1: "rude"}, problem_type="multi_label_classification"))
    save(BertForSequenceClassification(several), root / "multi_label")
    regression = BertConfig(**encoder_sizes(num_labels=1, problem_type="regression"))
    save(BertForSequenceClassification(regression), root / "regression")
    save(BertModel(BertConfig(**encoder_sizes())), root / "encoder")
    save(Qwen2Model(Qwen2Config(**decoder_sizes())), root / "decoder")
    return root


def log_perplexity(folder, context, text):
    """transformers' own loss, on one text."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    before, ids = tokenizer(context)["input_ids"], tokenizer(text)["input_ids"]
    labels = torch.tensor([[-100] * len(before) + ids])
    with torch.no_grad():
        return model(input_ids=torch.tensor([before + ids]), labels=labels).loss.item()


def logits(folder, *texts):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**AutoTokenizer.from_pretrained(folder)(*texts, return_tensors="pt")).logits[0]


# fluency


def test_fluency_is_the_mapped_perplexity_of_the_completion_alone(folders):
    texts = ["a whale", "z", "a rather long sentence about whales"]
    reward = build("fluency", folders / "lm", floor=1.0, scale=3.0, batch_size=2)
    losses = [log_perplexity(folders / "lm", "<pad>", text) for text in texts]

    expected = [math.exp(-max(0.0, loss - 1.0) / 3.0) for loss in losses]
    assert reward(["?"] * 3, texts) == pytest.approx(expected, abs=1e-5)
    assert sorted(expected) == [expected[i] for i in sorted(range(3), key=lambda i: -losses[i])]


def test_fluency_after_the_prompt(folders):
    chat = [{"role": "user", "content": "hi"}]
    (plain,) = build("fluency", folders / "lm", conditioned=True)(["hi "], ["a whale"])
    (templated,) = build("fluency", folders / "lm_chat", conditioned=True)([chat], ["a whale"])
    losses = [
        log_perplexity(folders / "lm", context, "a whale") for context in ("<pad>hi ", "<|user|>hi<end><|assistant|>")
    ]

    assert [plain, templated] == pytest.approx([math.exp(-max(0, x - 2) / 2) for x in losses], abs=1e-5)


def test_fluency_has_its_floor_and_its_ends(folders):
    reward = build("fluency", folders / "lm", floor=100.0)

    assert reward(["?"] * 4, ["a whale", "", "<think>on and on", "<think>a</think> \n"]) == [1.0, 0.0, 0.0, 0.0]
    assert build("fluency", folders / "lm", opens=True, floor=100.0)([[]], ["on and on"]) == [0.0]


def test_fluency_of_what_is_too_long_reads_the_completions_beginning(folders):
    reward = build("fluency", folders / "lm", conditioned=True, max_length=5)

    assert reward(["p" * 500], ["abcdefgh"]) == reward(["q" * 9 + "p"], ["abcd"]) != reward(["q"], ["abcd"])
    assert 0 < build("fluency", folders / "lm")(["p"], ["c" * 5000])[0] < 1


@pytest.mark.parametrize(
    ("folder", "options", "message"),
    [
        ("bert_lm", {}, "sees the token after the one it predicts"),
        ("lm", {"scale": 0.0}, "scale must be above 0"),
        ("lm", {"max_length": 1}, "max_length must be 2 or more"),
        ("encoder", {}, "lacks trained weights"),
    ],
)
def test_fluency_refuses(folders, folder, options, message):
    with pytest.raises(ConfigError, match=message):
        build("fluency", folders / folder, **options)


# sentiment


def test_sentiment_is_the_labels_probability(folders):
    reward = build("sentiment", folders / "nli", label="neutral", batch_size=1)
    answered = "<think>?</think><answer>so what</answer>"

    expected = [logits(folders / "nli", text).softmax(-1)[1].item() for text in ("a whale", "so what")]
    assert reward(["?"] * 4, ["a whale", answered, "", "<think>a"]) == pytest.approx([*expected, 0, 0], abs=1e-5)


def test_sentiment_of_independent_labels_is_a_sigmoid(folders):
    (rude,) = build("sentiment", folders / "multi_label", label="rude")(["?"], ["a whale"])
    (only,) = build("sentiment", folders / "one_label", label=0)(["?"], ["a whale"])
    (forced,) = build("sentiment", folders / "multi_label", label=1, activation="softmax")(["?"], ["a whale"])

    assert rude == pytest.approx(logits(folders / "multi_label", "a whale").sigmoid()[1].item(), abs=1e-5)
    assert only == pytest.approx(logits(folders / "one_label", "a whale").sigmoid()[0].item(), abs=1e-5)
    assert forced == pytest.approx(logits(folders / "multi_label", "a whale").softmax(-1)[1].item(), abs=1e-5)


@pytest.mark.parametrize(
    ("folder", "options", "message"),
    [
        ("nli", {}, r"no label 'positive'; name one of its own: contradiction \(0\), neutral \(1\), Entailment \(2\)"),
        ("one_label", {"label": 0, "activation": "softmax"}, "softmax is always 1"),
        ("regression", {"label": 0}, "is a regression model; use the reward reward_model"),
        ("nli", {"label": 0, "activation": "relu"}, "activation must be"),
    ],
)
def test_sentiment_refuses(folders, folder, options, message):
    with pytest.raises(ConfigError, match=message):
        build("sentiment", folders / folder, **options)


# factual


def entailed(folders, premise, hypothesis, penalty=0.0):
    values = logits(folders / "nli", premise, hypothesis).softmax(-1)
    return (values[2] - penalty * values[0]).item()


def test_factual_asks_whether_the_reference_entails_each_sentence(folders):
    text, premise = "Whales swim. They fly!", "Whales are mammals."
    first, second = (entailed(folders, premise, s) for s in ("Whales swim.", "They fly!"))
    scores = {
        by: build("factual", folders / "nli", by=by)(["?"], [text], reference=[premise])[0]
        for by in ("sentence_min", "sentence_mean", "completion")
    }

    assert abs(first - second) > 1e-3
    assert scores["sentence_min"] == pytest.approx(min(first, second), abs=1e-5)
    assert scores["sentence_mean"] == pytest.approx((first + second) / 2, abs=1e-5)
    assert scores["completion"] == pytest.approx(entailed(folders, premise, text), abs=1e-5)


def test_factual_takes_the_best_reference_and_subtracts_contradiction(folders):
    premises = ["They are fish.", "Whales are mammals."]
    (score,) = build("factual", folders / "nli", contradiction_penalty=0.5)(["?"], ["They swim."], reference=[premises])

    assert score == pytest.approx(max(entailed(folders, p, "They swim.", 0.5) for p in premises), abs=1e-5)


def test_factual_without_reference_does_not_apply_and_without_completion_is_zero(folders):
    reward = build("factual", folders / "nli")

    assert reward(["?"] * 4, ["a.", "", "***", "a."], reference=[None, "b", "b", ["", None]]) == [None, 0.0, 0.0, None]


def test_factual_needs_its_labels_and_its_column(folders):
    with pytest.raises(ConfigError, match=r"no label 'entailment'(?s:.*)write entailment: <name or index>"):
        build("factual", folders / "multi_label")
    with pytest.raises(ConfigError, match="needs the column 'reference'"):
        build("factual", folders / "nli", columns=["prompt", "answer"])
    with pytest.raises(ConfigError, match="no label 'contradiction'"):
        build("factual", folders / "multi_label", entailment="rude", contradiction_penalty=1.0)
    assert build("factual", folders / "multi_label", entailment=1).function.entailment == 1


# semantic similarity


@pytest.mark.parametrize("pooling", ["mean", "cls", "last_token"])
@pytest.mark.parametrize("folder", ["encoder", "decoder"])
def test_similarity_is_the_cosine_of_pooled_embeddings(folders, folder, pooling):
    import torch
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folders / folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folders / folder)

    def embed(text):
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        return {"mean": hidden.mean(0), "cls": hidden[0], "last_token": hidden[-1]}[pooling]

    texts, reference = ["a whale", "q", "the same"], "the same"
    cosines = [torch.cosine_similarity(embed(text), embed(reference), dim=0).item() for text in texts]
    reward = build("similarity", folders / folder, pooling=pooling, floor=-1.0, batch_size=2)

    assert reward(["?"] * 3, texts, reference=[reference] * 3) == pytest.approx(
        [(cosine + 1) / 2 for cosine in cosines], abs=1e-5
    )


def test_similarity_is_cut_to_0_and_1_and_takes_the_best_reference(folders):
    reward = build("similarity", folders / "encoder", floor=0.999)
    several = build("similarity", folders / "encoder")(["?"], ["the same"], reference=[["other", "the same"]])

    assert reward(["?"], ["a whale"], reference=["something else"]) == [0.0]
    assert several == pytest.approx([1.0])
    assert several[0] <= 1.0


def test_similarity_of_nothing(folders):
    reward = build("similarity", folders / "encoder")

    assert reward(["?"] * 3, ["", "a", "<think>a"], reference=["b", None, "b"]) == [0.0, None, 0.0]


def test_similarity_writes_the_prefix_before_both(folders):
    reward = build("similarity", folders / "encoder", prefix="query: ")
    plain = build("similarity", folders / "encoder")

    assert reward(["?"], ["a"], reference=["b"]) == plain(["?"], ["query: a"], reference=["query: b"])


@pytest.mark.parametrize(("options", "message"), [({"pooling": "max"}, "pooling must be"), ({"floor": 1.0}, "floor")])
def test_similarity_refuses(folders, options, message):
    with pytest.raises(ConfigError, match=message):
        build("similarity", folders / "encoder", **options)
