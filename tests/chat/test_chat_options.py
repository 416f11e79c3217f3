"""What grpo-chat is asked for: settings and their mistakes, and what a run says of itself."""

import pytest

from grpo_cli.chat.options import find, parse
from grpo_cli.errors import ConfigError
from grpo_cli.runs.checkpoints import mark_complete
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import append, write_json


@pytest.fixture
def run(tmp_path):
    """A run folder with a configuration, recorded prompts and a model."""
    folder = RunFolder(tmp_path / "run")
    folder.model.mkdir(parents=True)
    folder.config.write_text("training: {temperature: 0.7, max_completion_length: 32}\nmodel: {name: embedded}\n")
    write_json(folder.result, {"status": "interrupted"})
    return folder


def recorded(folder, *roles):
    append(folder.completions("train"), {"step": 1, "prompt": [{"role": r, "content": f"{r}'s text"} for r in roles]})


def test_a_run_is_spoken_to_as_it_was_trained(run):
    recorded(run, "system", "user")
    subject = find(parse([f"run={run.root}"]))
    assert (subject.model, subject.temperature, subject.max_new_tokens) == (run.model, 0.7, 32)
    assert (subject.system, subject.several_turns) == ("system's text", False)


def test_settings_of_the_command_line_come_first(run):
    recorded(run, "system", "user", "assistant", "user")
    options = parse([str(run.root), "temperature=0", "max_new_tokens=5", "system=", "base=false"])
    subject = find(options)
    assert (subject.temperature, subject.max_new_tokens, subject.system) == (0.0, 5, None)
    assert subject.several_turns and not options.base
    assert not find(parse([f"run={run.root}", "history=false"])).several_turns


def test_without_a_model_its_last_checkpoint_is_named(run):
    run.model.rmdir()
    with pytest.raises(ConfigError, match=r"that run is interrupted and has no model/ yet; nor has it saved"):
        find(parse([f"run={run.root}"]))
    checkpoint = run.checkpoints / "checkpoint-7"
    checkpoint.mkdir(parents=True)
    with pytest.raises(ConfigError, match="no complete checkpoint"):
        find(parse([f"run={checkpoint}"]))
    mark_complete(checkpoint, 1, run)
    with pytest.raises(ConfigError, match=f"run={checkpoint}"):
        find(parse([f"run={run.root}"]))
    assert find(parse([f"run={checkpoint}"])).model == checkpoint


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ([], "Which run"),
        (["run=x", "temprature=1"], "did you mean 'temperature'"),
        (["run=x", "temperature=warm"], "temperature=warm: it must be a number of at least 0"),
        (["run=x", "max_new_tokens=0"], "a whole number of at least 1"),
        (["run=x", "base=no"], "write base=true or base=false"),
        (["run=/nowhere"], "there is no such folder"),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        find(parse(arguments))


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(ConfigError, match="neither a run folder nor a checkpoint"):
        find(parse([f"run={tmp_path}"]))
