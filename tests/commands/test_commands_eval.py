"""`grpo-eval` from its command line: models, runs and endpoints, the cache, and what it refuses."""

import json
import subprocess
import sys

import pytest
from real_runs import environment
from rewards.local_service import Answer, chat, serving

from grpo_cli.commands import eval as command
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.subjects import understand
from grpo_cli.runs.checkpoints import mark_complete
from grpo_cli.runs.folder import RunFolder

SMALL = ["dataset=addition", "dataset.generator_kwargs.num_test=12", "evaluation.batch_size=12"]


@pytest.fixture
def grpo_eval(tmp_path, monkeypatch, capsys):
    """Run the command in this process, in a folder of its own with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def run(*argv):
        monkeypatch.setattr(sys, "argv", ["grpo-eval", *argv, f"cache={tmp_path / 'cache'}"])
        code = command.main()
        got = capsys.readouterr()
        return code, got.out, got.err

    return run


def found(output):
    return json.loads(output)


@pytest.fixture
def run_folder(tmp_path):
    """What a run leaves for grpo-eval to find."""
    folder = RunFolder(tmp_path / "run")
    for step in (10, 20):
        checkpoint = folder.checkpoints / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        mark_complete(checkpoint, 1, folder)
    folder.model.mkdir()
    folder.overrides.write_text("- dataset=addition\n- evaluation.limit=32\n- resume=never\n")
    return folder


def test_a_run_brings_its_own_configuration_but_for_what_is_given_anew(run_folder):
    asked = understand([f"run={run_folder.root}", "evaluation.limit=8", "--json"])
    assert asked.overrides == ["dataset=addition", "evaluation.limit=8"]
    assert [s.name for s in asked.subjects] == [str(run_folder.model)]
    assert asked.as_json and not asked.own_data


def test_checkpoints_are_found_by_step(run_folder):
    def steps(which):
        return [s.step for s in understand([f"run={run_folder.root}", f"checkpoints={which}"]).subjects]

    assert steps("all") == [0, 10, 20]  # step 0 is the model that the run began with
    assert steps("last") == [20] and steps("10,20") == [10, 20]
    (one,) = understand([f"run={run_folder.checkpoints / 'checkpoint-10'}"]).subjects
    assert one.step == 10


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["dataset=addition"], "There is nothing to evaluate"),
        (["run=nowhere"], "is no run folder"),
        (["run={run}", "checkpoints=30"], "write all, last, or of 10, 20"),
        (["model=embedded", "checkpoints=all"], "name it with run="),
        (["endpoint=http://localhost:1/v1"], "name its models with model="),
        (["run={run}", "checkpoint=all"], "did you mean checkpoints?"),
        (["run={run}", "checkpionts=all"], "did you mean checkpoints?"),
        (["run={run}", "--jsno"], "did you mean --json?"),
        (["run={run}", "fresh=maybe"], "write fresh=true or fresh=false"),
        (["run={run}", "-m"], "leave out -m"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(run_folder, argv, said):
    with pytest.raises(ConfigError) as refused:
        understand([word.format(run=run_folder.root) for word in argv])
    assert said in str(refused.value)


def test_a_typo_ends_it_with_2_and_without_torch(tmp_path):
    script = (
        "import sys; from grpo_cli.commands.eval import main as m; c = m(); print('torch' in sys.modules); sys.exit(c)"
    )
    argv = ["model=embedded", "dataset=addition", "evaluation.limt=8"]
    done = subprocess.run(
        [sys.executable, "-c", script, *argv], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert done.stderr == "grpo-eval: evaluation.limt: no such key; did you mean evaluation.limit?\n"


@pytest.mark.slow
def test_two_models_are_compared_and_nothing_is_generated_twice(tmp_path, grpo_eval):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from grpo_cli.assets import EMBEDDED_MODEL

    other = AutoModelForCausalLM.from_pretrained(EMBEDDED_MODEL)
    with torch.no_grad():
        other.model.layers[1].mlp.down_proj.weight.zero_()
    other.save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(EMBEDDED_MODEL).save_pretrained(tmp_path / "other")

    words = [f"model=embedded,{tmp_path / 'other'}", *SMALL, "evaluation.samples=4", "evaluation.temperature=1"]
    code, output, error = grpo_eval(*words, "--json")
    assert code == 0, error
    first = found(output)
    models = first["models"]
    assert [m["generated"] for m in models] == [48, 48] and first["compared_with"] == "embedded"
    good, bad = (m["metrics"] for m in models)
    assert good["eval/held_out/accuracy"] > 0 and "eval/held_out/accuracy_gain" not in good
    difference = bad["eval/held_out/accuracy"] - good["eval/held_out/accuracy"]
    assert bad["eval/held_out/accuracy_gain"] == pytest.approx(difference)
    assert bad["eval/held_out/accuracy_gain_low"] <= difference <= bad["eval/held_out/accuracy_gain_high"]
    lines = (tmp_path / first["folder"] / "completions.jsonl").read_text().splitlines()
    assert len(lines) == 96 and json.loads(lines[-1])["model"] == str(tmp_path / "other")

    again = found(grpo_eval(*words, "--json")[1])["models"]
    assert [(m["generated"], m["cached"]) for m in again] == [(0, 48)] * 2
    assert [m["metrics"] for m in again] == [m["metrics"] for m in models]
    anew = found(grpo_eval("model=embedded", *words[1:], "fresh=true", "--json")[1])["models"]
    assert anew[0]["generated"] == 48 and anew[0]["metrics"] == good

    # What the cache answers whole takes neither torch nor a tokenizer's library, which is most of its time.
    script = "import sys; from grpo_cli.commands.eval import main as m; c = m(); "
    script += "print({'torch', 'transformers'} & sys.modules.keys()); sys.exit(c)"
    argv = [sys.executable, "-c", script, *words, f"cache={tmp_path / 'cache'}"]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("set()\n"), done.stdout + done.stderr
    assert "difference to embedded, prompt by prompt" in done.stdout and "96 from the cache" in done.stdout


@pytest.mark.slow
def test_an_endpoint_is_asked_again_where_it_fails_and_never_twice_for_one_answer(tmp_path, grpo_eval):
    def adds(body, number):
        if number % 5 == 3:
            return Answer("busy", status=429, headers={"Retry-After": "0"})
        question = body["messages"][-1]["content"]
        left, _, right = question.removeprefix("What is ").rstrip("?").partition("+")
        answer = int(left) + int(right) + (int(left) % 2)  # right where the first number is even
        return chat(f"<answer>{answer}</answer>", tokens=(9, 7), finish="length" if int(left) % 2 else "stop")

    with serving(adds) as service:
        words = [f"endpoint={service.url}/v1", "model=adder", *SMALL, "--json"]
        code, output, error = grpo_eval(*words)
        assert code == 0, error
        (first,) = found(output)["models"]
        asked = len(service.asked)
        assert asked > 12 and service.asked[0].path == "/v1/chat/completions"
        assert {"model", "messages", "temperature", "max_tokens"} == service.asked[0].body.keys()
        metrics = first["metrics"]
        assert 0 < metrics["eval/held_out/accuracy"] < 1
        assert metrics["eval/held_out/accuracy"] == pytest.approx(1 - metrics["eval/held_out/truncated"])
        assert metrics["eval/held_out/completion_length"] == 7
        (again,) = found(grpo_eval(*words)[1])["models"]
        assert len(service.asked) == asked and again["cached"] == 12
        assert again["metrics"] == metrics


@pytest.mark.slow
def test_what_an_endpoint_answered_before_it_failed_is_kept(tmp_path, grpo_eval):
    broken = [True]

    def answer(body, number):
        if broken[0] and number >= 8:
            return Answer("no", status=400)
        return chat("<answer>1</answer>")

    with serving(answer) as service:
        words = [f"endpoint={service.url}/v1", "model=m", *SMALL, "--json"]
        code, _, error = grpo_eval(*words)
        assert code == 1 and "4 of 12 requests failed for good" in error and "goes on from there" in error
        broken[0] = False
        (result,) = found(grpo_eval(*words)[1])["models"]
        assert (result["generated"], result["cached"]) == (4, 8)
