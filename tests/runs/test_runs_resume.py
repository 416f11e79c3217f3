import contextlib
import os
import socket
import threading
import time

import psutil
import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.runs import checkpoints, resume
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.lock import own, wait_until_free
from grpo_cli.runs.result import read_result, start_result, update_result


def make_run(root, stamp, *, status, fingerprint="same", steps=()):
    folder = RunFolder(root / stamp)
    start_result(folder, fingerprint=fingerprint, overrides=[])
    update_result(folder, status=status)
    for step in steps:
        checkpoint = folder.checkpoints / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        checkpoints.mark_complete(checkpoint, 1, folder)
    return folder


def test_the_newest_interrupted_run_of_the_same_configuration_is_found(tmp_path):
    make_run(tmp_path, "2026-01-01", status="interrupted", steps=[5])
    newest = make_run(tmp_path, "2026-01-02", status="interrupted", steps=[5, 15])
    make_run(tmp_path, "2026-01-03", status="interrupted", fingerprint="other", steps=[99])
    found = resume.find_interrupted(tmp_path, "same", tmp_path / "2026-01-04")
    assert found == resume.Resumption(newest, newest.checkpoints / "checkpoint-15")


def test_a_completed_run_is_not_resumed_nor_one_before_it(tmp_path):
    make_run(tmp_path, "2026-01-01", status="interrupted", steps=[5])
    make_run(tmp_path, "2026-01-02", status="completed", steps=[10])
    assert resume.find_interrupted(tmp_path, "same", tmp_path / "new") is None


def test_a_run_that_still_goes_on_is_left_alone(tmp_path):
    make_run(tmp_path, "2026-01-01", status="running", steps=[5])
    assert resume.find_interrupted(tmp_path, "same", tmp_path / "new") is None


def test_a_run_whose_process_was_killed_counts_as_interrupted(tmp_path):
    folder = make_run(tmp_path, "2026-01-01", status="running", steps=[5])
    update_result(folder, pid=os.getpid(), process_started=1.0, host=socket.gethostname())
    assert read_result(folder)["status"] == "interrupted"
    found = resume.find_interrupted(tmp_path, "same", tmp_path / "new")
    assert found is not None and found.folder == folder


@pytest.mark.parametrize(
    "status, steps, sentence",
    [
        ("completed", [5], "is complete; to train further"),
        ("interrupted", [], "holds no complete checkpoint"),
    ],
)
def test_naming_a_run_that_cannot_be_resumed_says_why(tmp_path, status, steps, sentence):
    folder = make_run(tmp_path, "run", status=status, steps=steps)
    with pytest.raises(ConfigError, match=sentence):
        resume.explicit(folder.root)


def test_a_checkpoint_may_be_named_itself(tmp_path):
    folder = make_run(tmp_path, "run", status="interrupted", steps=[5, 10])
    found = resume.explicit(folder.checkpoints / "checkpoint-5")
    assert found == resume.Resumption(folder, folder.checkpoints / "checkpoint-5")


def test_the_fingerprint_ignores_how_a_run_is_watched_and_sees_an_edited_reward():
    config = {"training": {"learning_rate": 1e-6}, "display": "live", "resume": "auto"}
    same = resume.fingerprint({**config, "display": "plain", "resume": "never"}, {"mine": "abc"})
    assert resume.fingerprint(config, {"mine": "abc"}) == same
    assert resume.fingerprint(config, {"mine": "abd"}) != same
    assert resume.fingerprint({**config, "training": {"learning_rate": 2e-6}}, {"mine": "abc"}) != same


def test_differences_name_each_changed_key():
    old = {"training": {"beta": 0.0, "seed": 1}, "display": "live"}
    new = {"training": {"beta": 0.04, "seed": 1, "top_k": 5}, "display": "plain"}
    assert resume.differences(old, new) == ["training.beta: 0.0 → 0.04", "training.top_k: not set → 5"]


def test_a_folder_has_one_owner_at_a_time(tmp_path):
    folder = RunFolder(tmp_path)
    with own(folder), pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"), own(folder):
        pass
    with own(folder):
        pass


def test_a_run_that_was_ended_for_a_reason_is_gone_on_with_only_by_name(tmp_path):
    run = make_run(tmp_path, "2026-01-01", status="failed", steps=[7])
    checkpoint = run.checkpoints / "checkpoint-7"
    assert resume.resumable(run, "same").checkpoint == checkpoint
    update_result(run, stopped="The doctor ended the run.")
    assert resume.resumable(run, "same") is None
    assert resume.explicit(run.root).checkpoint == checkpoint


def test_a_run_whose_folder_is_ours_is_run_by_nobody_even_while_its_process_shows(tmp_path):
    run = make_run(tmp_path, "2026-01-01", status="running", steps=[7])
    update_result(run, pid=os.getpid(), process_started=psutil.Process().create_time(), host=socket.gethostname())
    assert resume.resumable(run, "same") is None  # it may be at work
    assert resume.resumable(run, "same", owned=True).checkpoint == run.checkpoints / "checkpoint-7"


def test_waiting_for_an_owner_that_is_about_to_end(tmp_path):
    folder = RunFolder(tmp_path)
    holder = contextlib.ExitStack()
    holder.enter_context(own(folder))
    timer = threading.Timer(0.3, holder.close)
    timer.start()
    began = time.monotonic()
    wait_until_free(folder, 20)
    assert 0.25 < time.monotonic() - began < 10
    with own(folder):
        began = time.monotonic()
        wait_until_free(folder, 0.2)  # and not for ever
        assert time.monotonic() - began < 5
