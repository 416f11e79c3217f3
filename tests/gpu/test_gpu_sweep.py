"""Jobs of a multirun forked on a GPU: the template must not have touched CUDA. Skipped without one, saying so."""

import json

import pytest
from real_runs import SHORT, read_records

from grpo_cli.launch.hardware import detect

GPUS = len(detect().usable_gpus)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(GPUS < 1, reason="needs a GPU that the installed torch can use; none is visible"),
]


def test_jobs_on_a_gpu_can_be_forked(tmp_path, cli):
    """As many slots as GPUs; each job on its own, with the losses of one that was started anew."""
    command = ["-m", *SHORT, "launch.slots=auto", "launch.gpus_per_job=1", "seed=1,2", "evaluation.baseline=false"]
    for warm in ("true", "false"):
        done = cli(*command, f"launch.warm={warm}", f"hydra.sweep.dir={warm}")
        assert done.returncode == 0, done.stdout + done.stderr
    for number in (0, 1):
        events = (tmp_path / "true" / str(number) / "logs" / "events.jsonl").read_text().splitlines()
        assert [e["value"] for e in map(json.loads, events) if e.get("key") == "launch.warm"] == [True]
        runs = [tmp_path / warm / str(number) for warm in ("true", "false")]
        assert all(json.loads((r / "provenance.json").read_text())["device"].startswith("cuda") for r in runs)
        forked, anew = (
            [r["loss"] for r in read_records(run / "metrics.jsonl", "train") if "loss" in r] for run in runs
        )
        assert forked == pytest.approx(anew, rel=1e-3)
