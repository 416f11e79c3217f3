"""What trackers get beside TRL's logs: the configuration, evaluations from the baseline to the last, completions."""

import importlib.util
import json
import os
import sqlite3
from pathlib import Path

import pytest
from real_runs import SHORT, read_records

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.recorder import Recorder
from grpo_cli.training.tracker_sinks import markdown
from grpo_cli.training.trackers import COMPLETIONS, Tracking


class Notebook:
    """A sink that writes down what it is given, and may break."""

    name = "notebook"

    def __init__(self, breaks=False):
        self.seen, self.breaks = [], breaks

    def begin(self, config):
        self.seen.append(("config", config["name"]))

    def metrics(self, values, step):
        self.seen.append(("metrics", step, values))

    def completions(self, title, rows, step):
        if self.breaks:
            raise ConnectionError("the tracker\nis gone")
        self.seen.append((title, step, len(rows)))

    def close(self):
        self.seen.append(("close",))


def record(step, i=0):
    message = [{"role": "assistant", "content": f"{i}"}]
    return {"step": step, "prompt": "1+1?", "completion": message, "reward": 1.0, "rewards": {"right": 1.0}}


class State:
    global_step = 5


def test_what_comes_before_training_waits_for_the_tracker_and_what_comes_after_it_follows(tmp_path):
    sink, recorder = Notebook(), Recorder(RunFolder(tmp_path))
    tracking = Tracking([sink], recorder, {"name": "mine"})
    recorder.listeners.append(tracking)
    recorder.completions("eval", [record(0, i) for i in range(40)])
    recorder.metrics("eval", 0, {"eval/held_out/accuracy": 0.5, "eval/note": "text"})
    assert sink.seen == []
    tracking.on_train_begin(None, State, None)
    recorder.completions("train", [record(5)])
    recorder.metrics("train", 5, {"loss": 0.1})
    tracking.on_log(None, State, None)
    tracking.on_log(None, State, None)
    recorder.metrics("eval", 9, {"eval/held_out/accuracy": 0.75})
    tracking.close()
    assert sink.seen == [
        ("config", "mine"),
        ("completions/eval", 0, COMPLETIONS),
        ("metrics", 0, {"eval/held_out/accuracy": 0.5}),
        ("completions/train", 5, 1),
        ("metrics", 9, {"eval/held_out/accuracy": 0.75}),
        ("close",),
    ]


def test_a_tracker_that_breaks_is_told_of_once_and_the_run_goes_on(tmp_path):
    bad, good, recorder = Notebook(breaks=True), Notebook(), Recorder(RunFolder(tmp_path))
    tracking = Tracking([bad, good], recorder, {"name": "mine"})
    tracking.on_train_begin(None, State, None)
    for step in (1, 2):
        tracking.on_completions("eval", [record(step)])
    (warning,) = read_records(recorder.folder.events)
    assert "ConnectionError: the tracker is gone" in warning["message"]
    assert [seen[1] for seen in good.seen if seen[0] == "completions/eval"] == [1, 2]


def test_a_table_keeps_its_cells_apart():
    assert markdown([{"completion": "a|b\nc", "reward": None}]).splitlines()[-1] == "| a\\|b<br>c |  |"


def tensorboard_holds(folder: Path, place: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = next(folder.rglob("events.out*")).parent
    read = EventAccumulator(str(events), size_guidance={"tensors": 0})
    read.Reload()
    text = read.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "max_steps: 4" in text
    assert [t.step for t in read.Tensors("completions/held_out/text_summary")] == [0, 2, 4]
    assert [t.step for t in read.Tensors("completions/train/text_summary")] == [1, 2, 3, 4]
    return [scalar.step for scalar in read.Scalars(accuracy(read.Tags()["scalars"]))]


def trackio_holds(folder: Path, place: Path):
    with sqlite3.connect(next((place / "trackio").glob("*.db"))) as database:
        logs = [json.loads(row[0]) for row in database.execute("select metrics from metrics")]
        configs = [str(row) for row in database.execute("select * from configs")]
    assert any("grpo_train" in config and "max_steps" in config for config in configs)
    assert sum("completions/held_out" in log for log in logs) == 3
    name = accuracy([key for log in logs for key in log])
    return [log["train/global_step"] for log in logs if name in log]


def wandb_holds(folder: Path, place: Path):
    (run,) = (place / "wandb").glob("offline-run-*")
    content = next(run.glob("*.wandb")).read_bytes()
    assert b"grpo_train" in content and b"/accuracy" in content
    tables = list((run / "files" / "media" / "table" / "completions").glob("held_out_*.json"))
    return [json.loads(t.read_text())["data"][0][0] for t in sorted(tables, key=lambda t: int(t.name.split("_")[2]))]


def mlflow_holds(folder: Path, place: Path):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert run.info.status == "FINISHED"
    assert "config.yaml" in [a.path for a in client.list_artifacts(run.info.run_id)]
    paths = [a.path for a in client.list_artifacts(run.info.run_id, "completions")]
    assert paths == ["completions/held_out.json", "completions/train.json"]
    return [m.step for m in client.get_metric_history(run.info.run_id, accuracy(run.data.metrics))]


def accuracy(names):
    return next(name for name in names if name.startswith("eval/") and name.endswith("accuracy"))


HOLDS = {"tensorboard": tensorboard_holds, "trackio": trackio_holds, "wandb": wandb_holds, "mlflow": mlflow_holds}


@pytest.mark.slow
@pytest.mark.parametrize("tracker", HOLDS)
def test_a_real_run_in_a_tracker_that_needs_no_network(tracker, cli, tmp_path):
    if importlib.util.find_spec(tracker) is None:
        pytest.skip(f"{tracker} is not installed (pip install 'grpo-train[trackers]')")
    env = {"WANDB_MODE": "offline", "TRACKIO_DIR": str(tmp_path / "trackio")}
    if tracker == "mlflow":
        env["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path / 'mlflow.db'}"
    folder = tmp_path / "run"
    short = [option for option in SHORT if not option.startswith("evaluation.every")]
    done = cli(*short, f"tracker={tracker}", "name=tracked", "evaluation.every=2", f"hydra.run.dir={folder}", **env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [r for r in read_records(folder / "logs" / "events.jsonl") if r["event"] == "warning"]
    assert os.environ.get("WANDB_MODE") is None
    assert HOLDS[tracker](folder, tmp_path) == [0, 2, 4]
