"""Wrong inputs that only the worker can see: one clear sentence, the right exit code, a folder that says what happened.

One of each kind goes the whole way through the real command, the rest straight to a worker; what the composer
refuses without one is in tests/config/test_config_wrong_inputs.py.
"""

# ruff: noqa: E501  (a table of whole sentences)
from __future__ import annotations

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from forked_ranks import run_ranks

from grpo_cli.assets import EMBEDDED_MODEL

pytestmark = pytest.mark.slow

# Small enough that everything is over at the first step.
TINY = [
    "display=plain",
    "launch=cpu",
    "training.max_steps=2",
    "training.per_device_train_batch_size=8",
    "training.max_completion_length=8",
    "evaluation.baseline=false",
    "evaluation.limit=4",
    "evaluation.every=null",
]
ADDITION = ["dataset.generator_kwargs.num_train=32"]
REWARDS = """def nan(completions, **kwargs):
    return [float("nan")] * len(completions)

def infinite(completions, **kwargs):
    return [1.0] * (len(completions) - 1) + [float("inf")]

def too_few(completions, **kwargs):
    return [1.0]

def word(completion):
    return "good"

def divides(completions, **kwargs):
    return [1 / 0 for _ in completions]

def nothing(completions, **kwargs):
    return [None] * len(completions)

def wants(completions, nothere, **kwargs):
    return [1.0] * len(completions)
"""


def rows(number: int, prompt: str = "What is {}+1?") -> str:
    return "".join(json.dumps({"prompt": prompt.format(i), "answer": str(i + 1)}) + "\n" for i in range(number))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "rewards.py").write_text(REWARDS)
    (tmp_path / "imports.py").write_text("import nosuchpackage\n\ndef score(completions):\n    return [1.0]\n")
    # How many rows a function returns, only the worker can see.
    (tmp_path / "few.py").write_text("def few():\n    return [{'prompt': str(i), 'answer': '1'} for i in range(4)]\n")
    (tmp_path / "rows.jsonl").write_text(rows(40))
    (tmp_path / "late.jsonl").write_text(rows(40) + '{"prompt": "b", "answer":\n')
    (tmp_path / "long.jsonl").write_text(rows(20, prompt="word " * 400 + "{}"))
    (tmp_path / "broken.jinja").write_text("{% for m in messages %}\n{{ m['content'] }")
    (tmp_path / "mute.jinja").write_text("{% for m in messages %}hello{% endfor %}")
    return tmp_path


def refused(done, folder: Path, code: int) -> str:
    """What the user reads: the checks that hold for every failure, and its sentences."""
    text = done.stdout + done.stderr
    assert done.returncode == code, text
    assert "Traceback" not in text and 'File "' not in text, text
    (run,) = (folder / "outputs" / "grpo").iterdir()
    result = json.loads((run / "result.json").read_text())
    assert (result["status"], result["exit_code"]) == ("failed", code)
    assert (run / "config.yaml").is_file() and "Traceback" in (run / "logs" / "worker.log").read_text()
    *sentences, log = result["error"].splitlines()
    assert log == f"The whole log: {run / 'logs' / 'worker.log'}"
    for sentence in sentences:
        assert sentence.endswith((".", "?")) and sentence in text
    return "\n".join(sentences)


CONFIGURATIONS = {
    "too few rows": (
        ["dataset=generator", "dataset.generator=few.py:few", "training.per_device_train_batch_size=64"],
        r"dataset: [34] training prompts are too few for one generation batch, which takes 8 \(64 completions, 8 a prompt\): the run would train 0 steps; write training.per_device_train_batch_size=\d+, or give more data\.",
    ),
    "model not on the hub": (
        ["model=nobody/nothing-here", *ADDITION],
        r"model.name: 'nobody/nothing-here' is neither a local folder nor a hub id that can be reached \(.*\); check the spelling, the network, and for a gated model the HF_TOKEN\.",
    ),
    "data not on the hub": (
        ["dataset=nobody/nothing-here"],
        r"dataset.path: there is no file or folder 'nobody/nothing-here' here, and the hub could not be reached to look for it there \(.*\)\.",
    ),
    "no weights": (
        ["model=./bare", *ADDITION],
        r"model.name: the folder .*bare holds nothing transformers can load \(.*no file named model.safetensors.*\)\.",
    ),
    "broken chat template": (
        ["model.chat_template=broken.jinja", *ADDITION],
        r"model.chat_template: the template cannot be rendered: .*, line \d\.",
    ),
    "chat template without the message": (
        ["model.chat_template=mute.jinja", *ADDITION],
        r"model.chat_template: the rendered template does not hold the user's message; it must print message\['content'\] for every message\.",
    ),
    "no such split": (
        ["dataset=rows.jsonl", "dataset.train_split=trian"],
        r"dataset.train_split=trian: there is no split 'trian'; there is only 'train'\.",
    ),
    "broken line far down": (
        ["dataset=late.jsonl"],
        r"late.jsonl, line 41 is not JSON: Expecting value \(column \d+\)\.",
    ),
    "prompts longer than the context": (
        ["dataset=long.jsonl"],
        r"long.jsonl: \d+ prompts fill the model's context of 512 tokens \(the longest has \d+\): set dataset.max_prompt_tokens below 512, leaving room for the completion\.",
    ),
    "unknown argument of from_pretrained": (
        ["model.init_kwargs.nosuch=1", *ADDITION],
        r"model.init_kwargs.nosuch: .*unexpected keyword argument 'nosuch'\.",
    ),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_wrong_configuration(files: Path, case: str) -> None:
    if case == "no weights":
        shutil.copytree(EMBEDDED_MODEL, files / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    argv, sentence = CONFIGURATIONS[case]
    code, said = run_ranks([*TINY, *argv], files)
    assert code == 2
    assert re.fullmatch(sentence, f"{said.rstrip('.')}."), said


def test_a_wrong_configuration_as_the_user_sees_it(cli, files: Path) -> None:
    argv, sentence = CONFIGURATIONS["too few rows"]
    said = refused(cli(*TINY, *argv), files, code=2)
    assert re.fullmatch(sentence, said), said


@pytest.mark.skipif(find_spec("peft") is None, reason="needs peft")
def test_modules_that_the_model_does_not_have(files: Path) -> None:
    code, said = run_ranks([*TINY, *ADDITION, "peft=lora", "peft.target_modules=[nosuch]"], files)
    assert code == 2
    assert re.fullmatch(r"peft.target_modules: Target modules \{'nosuch'\} not found in the base model\..*", said)


def test_wrong_rewards_are_told_all_at_once(cli, files: Path) -> None:
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    config = AutoConfig.from_pretrained(EMBEDDED_MODEL, num_labels=2)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(files / "two_labels")
    AutoTokenizer.from_pretrained(EMBEDDED_MODEL).save_pretrained(files / "two_labels")
    done = cli(
        *TINY,
        "dataset=rows.jsonl",
        "dataset.columns.solution=answer",
        "reward=[exact_match,reward_model]",
        "reward.reward_model.model=two_labels",
        "reward.mine.target=rewards.py:wants",
        "reward.yours.target=imports.py:score",
    )
    sentences = refused(done, files, code=2).splitlines()
    expected = [
        r"reward 'exact_match' needs the column 'answer', which the data lack; .*: write dataset.columns.answer=solution to map one, .*",
        r"reward.reward_model: reward model two_labels has 2 labels; a reward model has one \(num_labels: 1 in its config.json\)\.",
        r"reward 'mine' needs the column 'nothere', which the data lack; .*",
        r"reward.yours.target: '.*imports.py' cannot be imported: it imports nosuchpackage, which is not installed here \(.*line 1\)\.",
    ]
    assert len(sentences) == len(expected)
    for sentence in expected:
        assert any(re.fullmatch(sentence, said) for said in sentences), (sentence, sentences)


PROMPT = r"on the prompt 'What is \d+\+\d+\?'"
RUNS = {
    "nan": rf"After 0 steps: reward 'mine' returned NaN \(to skip a completion return None\) for completion 0 of the batch \(0 to 7\) {PROMPT}, which begins '.*'\.",
    "infinite": rf"After 0 steps: reward 'mine' returned inf, which is not finite as float32 for completion 7 of the batch \(0 to 7\) {PROMPT}, which begins '.*'\.",
    "too_few": r"After 0 steps: reward 'mine' returned 1 values; it must return a list with one number \(or None\) for each of the 8 completions\.",
    "word": rf"After 0 steps: reward 'mine' returned 'good', which is no number for completion 0 of the batch \(0 to 7\) {PROMPT}, which begins '.*'\.",
    "divides": r"After 0 steps: reward 'mine' failed with ZeroDivisionError: division by zero at .*rewards\.py:\d+ \(return \[1 / 0 for _ in completions\]\) on a batch of 8; the first begins '.*'\.",
    "nothing": r"Step 1: no reward \(mine\) scored any of the 8 completions \(all returned None\), so there is nothing to learn from; look at the completions in the run folder\.",
}


@pytest.mark.parametrize("function", RUNS)
def test_reward_that_fails_while_running(files: Path, function: str) -> None:
    argv = [*TINY, *ADDITION, "~reward.exact_match", f"reward.mine.target=rewards.py:{function}"]
    code, said = run_ranks(argv, files)
    assert code == 1
    assert re.fullmatch(RUNS[function], f"{said.rstrip('.')}."), said


def test_a_failing_reward_as_the_user_sees_it(cli, files: Path) -> None:
    done = cli(*TINY, *ADDITION, "~reward.exact_match", "reward.mine.target=rewards.py:divides")
    said = refused(done, files, code=1)
    assert re.fullmatch(RUNS["divides"], said), said
