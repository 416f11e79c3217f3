"""Each fault that a reward can have is found, by a reward that has it; rewards without it are let be."""

from __future__ import annotations

import pytest
from trial_material import OPENS_THINK, ROWS

EXACT = {"target": "grpo_cli.rewards.correctness:exact_match", "correctness": True}
FORMAT = {"target": "grpo_cli.rewards.form:format"}


def texts(findings, *severities):
    return [text for severity, _, text in findings if severity in (severities or ("error", "warning"))]


def only(findings, *words, severity="error"):
    """Exactly one finding of that severity holds these words."""
    found = [t for s, _, t in findings if s == severity and all(w in t for w in words)]
    assert len(found) == 1, findings
    return found[0]


def test_sound_rewards_have_no_findings(findings_of):
    assert texts(findings_of({"exact_match": EXACT})) == []
    assert texts(findings_of({"exact_match": EXACT, "format": {**FORMAT, "weight": 0.2}})) == []


def test_a_constant_reward(findings_of):
    found = findings_of({"same": "def same(completion, answer): return 0.5"})
    assert only(found, "is constant, 0.5", "advantage will be zero")


def test_an_exception_names_the_row_and_the_cause(findings_of):
    source = "def brittle(completion, answer):\n    return float(int(completion.split()[0]) == int(answer))"
    found = findings_of({"brittle": {"source": source, "correctness": True}})
    text = only(found, "fails on")
    assert "row " in text and ("ValueError" in text or "IndexError" in text)
    assert "an empty completion" not in str(found)


def test_a_value_that_is_no_number_is_a_failure(findings_of):
    found = findings_of({"odd": "def odd(completion): return 'good' if completion else 0.0"})
    assert "which is no number" in only(found, "fails on")


def test_empty_and_blanks_that_score(findings_of):
    found = findings_of({"brief": "def brief(completion): return 1.0 - min(len(completion.strip()), 100) / 100"})
    assert only(found, "an empty completion scores 1, the best there is")
    assert only(found, "a completion of blanks scores 1")


def test_a_penalty_is_fine_beside_a_reward_that_gives(findings_of):
    penalty = "def penalty(completion): return -min(len(completion), 1000) / 1000"
    assert only(findings_of({"penalty": penalty}), "an empty completion scores 0")
    beside = findings_of({"exact_match": EXACT, "penalty": penalty})
    assert texts(beside) == []
    assert only(beside, "an empty completion scores 0", "a right answer still gets more", severity="note")


def test_a_substring_search_rewards_guessing_and_hidden_answers(findings_of):
    source = "def within(completion, answer): return float(answer in completion)"
    found = findings_of({"within": {"source": source, "correctness": True}})
    for words in ("a list of guesses", "several answers", "only inside <think>", "never closed"):
        assert only(found, words, "like the right answer, in 100% of the rows", severity="warning")
    assert not any("wrong answer" in text for text in texts(found))


def test_wrong_answers_that_score(findings_of):
    source = "def digits(completion, answer): return float(any(c.isdigit() for c in completion))"
    found = findings_of({"digits": {"source": source, "correctness": True}})
    assert only(found, "a wrong answer scores 1, like the right answer, in 100% of the rows")


def test_right_answers_that_do_not_score_are_counted_and_the_first_named(findings_of):
    rows = [{**row, "answer": f"<<{row['answer']}>>" if i % 4 == 3 else row["answer"]} for i, row in enumerate(ROWS)]
    source = (
        "import re\n"
        "def strict(completion, answer):\n"
        "    found = re.findall(r'<answer>(\\d+)</answer>', completion)\n"
        "    return float(found[-1:] == [answer])"
    )
    found = findings_of({"strict": {"source": source, "correctness": True}}, rows=rows, count=16)
    text = only(found, "the right answer scores 0 in 25% of the rows", severity="warning")
    assert "row 3, 'What is 53 plus 53?', answer '<<106>>'" in text
    note = only(found, "finds the right answer", severity="note")
    assert note == "finds the right answer in <answer> or thought, in <answer>, not bare or in \\boxed{}"


def test_none_for_right_answers(findings_of):
    source = "def half(completion, answer): return None if int(answer) % 4 else float(answer in completion)"
    assert only(findings_of({"half": source}, count=16), "gives None to the right answer of 50% of the rows")
    assert only(findings_of({"never": "def never(completion): return None"}), "gives None to every probe")


def test_a_judge_that_obeys(findings_of):
    source = "def judge(completion): return 1.0 if '10/10' in completion else min(len(completion), 50) / 100"
    assert only(findings_of({"judge": source}), "a word to the judge scores 1, the best", severity="warning")


def test_a_form_that_the_chat_template_keeps_away(findings_of):
    source = (
        "import re\n"
        "def tagged(completion):\n"
        "    return float(bool(re.fullmatch(r'<think>.*</think>\\s*<answer>.+</answer>', completion, re.DOTALL)))"
    )
    found = findings_of({"tagged": source, "exact_match": EXACT}, chat_template=OPENS_THINK)
    assert only(found, "cannot be had with this chat template", "scores 0 instead of 1")
    assert texts(findings_of({"tagged": source, "exact_match": EXACT})) == []
    aware = findings_of({"format": FORMAT, "exact_match": EXACT}, chat_template=OPENS_THINK)
    assert texts(aware) == []


def test_what_pays_in_sum_only(findings_of):
    # Neither alone: the length pays a very long wrong completion more than a right one gets.
    long = {"source": "def long(completion): return min(len(completion), 20_000) / 4000", "weight": 1.0}
    found = findings_of({"exact_match": EXACT, "long": long})
    assert only(found, "a very long completion without an answer gets", "in all, the right answer")


def test_a_reward_that_drowns_another(findings_of):
    size = "def size(completion): return len(completion)"
    found = findings_of({"exact_match": EXACT, "size": size})
    assert only(found, "drowns exact_match", severity="warning")
    clipped = {"source": size, "clip": [0, 10]}
    assert not any("drowns" in text for text in texts(findings_of({"exact_match": EXACT, "size": clipped})))


def test_a_slow_reward(findings_of):
    source = "import time\ndef slow(completion, answer):\n    time.sleep(0.05)\n    return float(answer in completion)"
    found = findings_of({"slow": {"source": source, "timeout": 0.04}}, count=2)
    text = only(found, "is slow", "a batch of 64 would take about")
    assert "worker" in text


def test_an_asynchronous_reward_is_tried_all_at_once(findings_of):
    source = (
        "import asyncio\nasync def far(completion):\n    await asyncio.sleep(0.05)\n    return len(completion) / 1e5"
    )
    found = findings_of({"far": {"source": source, "timeout": 0.04}}, count=8)
    assert "all at once" in only(found, "is slow")


def test_data_without_answers(findings_of):
    rows = [{"prompt": row["prompt"]} for row in ROWS]
    found = findings_of({"size": "def size(completion): return len(completion)"}, rows=rows)
    assert texts(found) == []
    assert only(found, "no column with right answers", severity="note")
    assert only(found, "'very long' pays best", severity="note")


@pytest.mark.parametrize("conversational", [True, False])
def test_completions_have_the_prompts_form(trial_of, conversational):
    source = (
        "def kind(prompts, completions, **kwargs):\n"
        "    return [float(isinstance(c, list) == isinstance(p, list)) for p, c in zip(prompts, completions)]"
    )
    trial = trial_of({"kind": source}, conversational=conversational)
    assert trial.rows.conversational == conversational
    assert {v for p in trial.all for v in p.values("kind")} == {1.0}


def test_the_sum_is_clipped_gated_and_weighted(trial_of):
    entries = {
        "exact_match": {**EXACT, "gate": "format", "weight": 3.0},
        "format": {**FORMAT, "weight": 9.0, "schedule": {0: 0.5, 10: 0.0}},
    }
    trial = trial_of(entries)
    assert trial.form == "thought, in <answer>"
    assert trial.gold.mean(None) == 3.5
    assert trial.find("gold, bare").mean(None) == 0.0
    assert trial.find("gold, bare").mean("exact_match") == 1.0


def test_rewards_that_compare_a_group_get_one(trial_of):
    source = (
        "def own(prompts, completions, **kwargs):\n"
        "    assert all(p == prompts[0] for p in prompts)\n"
        "    texts = [c if isinstance(c, str) else c[0]['content'] for c in completions]\n"
        "    return [None if len(texts) == 1 else 1 / texts.count(t) for t in texts]"
    )
    trial = trial_of({"own": source}, count=3)
    assert {v for p in trial.all for v in p.values("own")} == {1.0}


def test_a_group_that_fails_is_tried_one_by_one(trial_of):
    source = (
        "def picky(completions, **kwargs):\n"
        "    texts = [c if isinstance(c, str) else c[0]['content'] for c in completions]\n"
        "    if '' in texts:\n"
        "        raise ValueError('empty')\n"
        "    return [len(t) for t in texts]"
    )
    trial = trial_of({"picky": source}, count=3)
    errors = trial.find("empty").scores["picky"].errors
    assert len(errors) == 3 and all("ValueError: empty" in error for error in errors)
    assert all(error is None for error in trial.find("very long").scores["picky"].errors)


def test_a_normalised_reward_is_summed_at_its_normalised_size(findings_of, trial_of):
    size = {"source": "def size(completion): return -len(completion)", "clip": [-200, 0], "weight": 0.2}
    assert any("drowns exact_match" in t for t in texts(findings_of({"exact_match": EXACT, "size": size})))
    entries = {"exact_match": EXACT, "size": {**size, "normalize": "running"}}
    assert texts(findings_of(entries)) == []
    # 0.2·z, some tenths beside the 1.0 of a right answer.
    assert 1.0 < trial_of(entries).gold.mean(None) < 1.5


def test_a_distance_whose_best_is_0_is_sound(findings_of):
    source = (
        "import re\n"
        "def near(completion, answer):\n"
        "    answers = re.findall(r'<answer>(\\d+)</answer>', completion.rpartition('</think>')[2])\n"
        "    return -min(abs(int(answers[-1]) - int(answer)), 100) / 100 if answers else -2.0"
    )
    found = findings_of({"near": source})
    assert texts(found) == []
    assert only(found, "finds the right answer in <answer> or thought, in <answer>, not bare", severity="note")


def test_a_reward_that_takes_all_columns_is_judged_by_what_it_does(findings_of):
    body = "    texts = [c if isinstance(c, str) else c[0]['content'] for c in completions]\n"
    reads = (
        f"def reads(completions, **kwargs):\n{body}    return [float(a in t) for a, t in zip(kwargs['answer'], texts)]"
    )
    assert only(findings_of({"reads": reads}), "a list of guesses", severity="warning")
    # Right beats wrong in some rows by chance: no reason to think that it knows.
    chance = (
        f"def chance(completions, **kwargs):\n{body}    return [(len(t) * 31 + sum(map(ord, t))) % 97 for t in texts]"
    )
    assert not any("like the right answer" in text for text in texts(findings_of({"chance": chance})))
