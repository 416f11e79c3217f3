"""Starting where another run is or was, in odd places, and where there is no room: each ends as it should."""

from __future__ import annotations

import json
import os
import resource
import signal

import pytest
from killing import Command, faults, unreadable
from real_runs import SHORT, read_records

from grpo_cli.runs.folder import RunFolder

pytestmark = pytest.mark.slow

TINY = [*SHORT, "training.max_steps=2", "training.save_steps=1"]


def test_the_same_command_twice_at_once_and_a_folder_that_is_taken(tmp_path, warm_command):
    both = [Command(tmp_path, *TINY, command=warm_command) for _ in range(2)]
    fixed = [Command(tmp_path, *TINY, "hydra.run.dir=fixed", command=warm_command) for _ in range(2)]
    both[0].wait(lambda: any(c.process.poll() is not None for c in fixed), "a refusal")
    refused = next(c for c in fixed if c.process.poll() is not None)
    assert refused.end() == 2
    (sentence,) = refused.output.strip().splitlines()
    assert sentence.startswith(f"grpo-train: The run folder {tmp_path / 'fixed'} is in use by process ")
    assert [c.end() for c in both] == [0, 0], [c.output for c in both]
    folders = sorted((tmp_path / "outputs" / "grpo").iterdir())
    assert len(folders) == 2
    assert [c.end() for c in fixed if c is not refused] == [0]
    for folder in [*folders, tmp_path / "fixed"]:
        assert faults(RunFolder(folder), steps=2) == []


def test_every_way_to_go_on_with_a_run_or_not(tmp_path, warm_command):
    words = [*SHORT, "training.max_steps=5", "training.save_steps=1", "training.save_total_limit=null"]
    first = Command(tmp_path, *words, "hydra.run.dir=run")
    run = RunFolder(tmp_path / "run")
    first.wait((run.checkpoints / "checkpoint-2" / "complete.json").exists, "checkpoint 2")
    first.process.send_signal(signal.SIGTERM)
    assert first.end() == 143, first.output
    # A folder given by name is a new run's own, whatever lies beside it.
    other = Command(tmp_path, *words, "training.max_steps=1", "hydra.run.dir=other", command=warm_command)
    # A checkpoint, and a changed key: what changed is said, and what was after the checkpoint is written anew.
    changes = ["resume=run/checkpoints/checkpoint-1", "training.learning_rate=1e-5"]
    changed = Command(tmp_path, *words, *changes, command=warm_command)
    assert changed.end() == 0, changed.output
    assert "  training.learning_rate: 0.0005 → 1e-05\n" in changed.output
    assert "from step 1" in changed.output
    assert faults(run, steps=5) == []
    assert read_records(run.logs / "superseded" / "metrics.jsonl", "train")[0]["step"] == 2
    assert other.end() == 0 and "Going on with" not in other.output
    # Complete: nothing to go on with. resume=never in its place: moved aside, whole.
    refused = Command(tmp_path, "resume=run")
    assert refused.end() == 2 and "is complete" in refused.output
    weights = (run.model / "model.safetensors").read_bytes()
    again = Command(tmp_path, *TINY, "resume=never", "hydra.run.dir=run", command=warm_command)
    assert again.end() == 0, again.output
    assert (tmp_path / "run" / "earlier" / "1" / "model" / "model.safetensors").read_bytes() == weights
    assert faults(run, steps=2) == []


def test_no_room_for_a_checkpoint_is_one_sentence_and_what_was_there_stays(tmp_path):
    # A limit on the size of files stands for a full disk: writing fails in the middle of the optimizer's state.
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (700 * 1024, 700 * 1024))

    command = Command(tmp_path, *TINY, preexec_fn=limited)
    assert command.end() == 1
    (sentence,) = [line for line in command.output.splitlines() if "could not be written" in line]
    assert "checkpoints/checkpoint-1 could not be written: a limit on file sizes is reached (ulimit -f)" in sentence
    folder = command.folder()
    assert unreadable(folder) == []
    assert json.loads(folder.result.read_text())["status"] == "failed"
    assert [r["step"] for r in read_records(folder.metrics)] == [0, 1]
    assert not list(folder.checkpoints.glob("checkpoint-*"))


def test_a_reader_that_goes_away_and_a_folder_with_an_odd_name(tmp_path, warm_command):
    place = tmp_path / "ein Ordner, größer – 训练"
    place.mkdir()
    command = Command(place, *TINY, command=warm_command)
    assert command.process.stdout.readline().startswith("grpo-train")
    command.process.stdout.close()
    assert command.process.wait(240) == 0
    assert faults(command.folder(), steps=2) == []
    # The same again through a pipe whose reader is gone before the first line.
    reading, writing = os.pipe()
    os.close(reading)
    silent = Command(place, *TINY, "training.max_steps=1", stdout=writing, command=warm_command)
    os.close(writing)
    assert silent.process.wait(240) == 0
