"""`reproduce=<folder>`: what may stand beside it, and for real: stopped, resumed, reproduced bit for bit."""

import json
import re
import signal
import subprocess
import time

import pytest
from real_runs import COMMAND, SHORT, environment, read_records

from grpo_cli.config.command_line import rewrite
from grpo_cli.errors import ConfigError
from grpo_cli.runs.jsonl import read


@pytest.fixture
def recorded(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text("name: mine\n")
    return folder


def test_it_takes_all_but_the_place_and_the_looks_from_the_run(recorded):
    rewritten = rewrite(["display=plain", f"reproduce={recorded}"])
    assert rewritten == [f"reproduce={recorded}", "resume=never", "name=mine", "display=plain"]
    assert "name=again" in rewrite([f"reproduce={recorded}", "name=again"])
    assert rewrite(["reproduce=null", "seed=1"]) == ["reproduce=null", "seed=1"]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["seed=1"], "takes all settings from that run, so seed=1 cannot be given"),
        (["-m"], "so -m cannot be given"),
        (["model=hub", "training.beta=0"], "model=hub training.beta=0"),
    ],
)
def test_what_would_make_it_another_run_is_refused(recorded, arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        rewrite([f"reproduce={recorded}", *arguments])


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no run in that folder \(a run folder holds config.yaml\)"):
        rewrite([f"reproduce={tmp_path}"])


def read_records_so_far(folder):
    """The training logs written so far; a line that is being written does not count."""
    return [r for r in read(folder / "metrics.jsonl") if r["kind"] == "train"]


@pytest.mark.slow
def test_a_stopped_and_resumed_run_is_reproduced_bit_for_bit_and_an_altered_one_is_not(cli, tmp_path):
    folder = tmp_path / "run"
    options = [*SHORT, "training.max_steps=6", f"hydra.run.dir={folder}"]
    log = (tmp_path / "log").open("w")
    started = subprocess.Popen([*COMMAND, *options], cwd=tmp_path, env=environment(), stdout=log, stderr=log)
    while started.poll() is None and not (folder.exists() and read_records_so_far(folder)):
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    assert started.wait(120) in (0, 130)
    resumed = cli(f"resume={folder}", "display=plain")
    assert resumed.returncode == 0, resumed.stderr

    again = tmp_path / "again"
    done = cli(f"reproduce={folder}", "display=plain", f"hydra.run.dir={again}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "versions, code, rewards and hardware are the same" in done.stdout
    assert f"Reproduction of {folder}: identical" in done.stdout
    reproduction = json.loads((again / "result.json").read_text())["reproduction"]
    assert reproduction["identical"] and reproduction["weights"]["compared"] == 125_568
    assert reproduction["losses"]["identical"] and reproduction["completions"]["identical"]

    metrics = read_records(folder / "metrics.jsonl")
    next(r for r in metrics if r["kind"] == "train" and r["step"] == 3)["loss"] += 0.25
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in metrics))
    provenance = json.loads((folder / "provenance.json").read_text())
    provenance["packages"]["trl"] = "0.1"
    provenance["data"]["train"]["fingerprint"] = "another"
    (folder / "provenance.json").write_text(json.dumps(provenance))
    done = cli(f"reproduce={folder}", "display=plain")
    assert done.returncode == 1
    assert "trl: 0.1 → " in done.stdout.split("step 1/6")[0]
    assert "reproduce: not the same train rows: another (64 rows)" in done.stdout.split("step 1/6")[0]
    assert re.search(r"losses: NOT identical, first at step 3 \(loss: \S+ and \S+\), at most by 0\.25\n", done.stdout)
