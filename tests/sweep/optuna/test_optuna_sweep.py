"""`grpo-train -m sweep=optuna` for real: side by side, pruned, killed and gone on with; refused; shown by a dry run."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from real_runs import SHORT, environment, read_records

pytestmark = pytest.mark.slow


def jobs_of(folder: Path) -> list[dict]:
    return json.loads((folder / "sweep.json").read_text())["jobs"]


def test_trials_side_by_side_killed_gone_on_with_and_pruned(tmp_path, cli, warm_command) -> None:
    # A planted course: each trial's held-out reward is its own `level`, from the first evaluation on.
    (tmp_path / "mine.py").write_text("def level(completion, level=0.0):\n    return level\n")
    (tmp_path / "conf" / "sweep").mkdir(parents=True)
    (tmp_path / "conf" / "sweep" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - optuna\nsweep:\n  sampler: grid\n  pruner: median\n"
        "  pruner_options: {n_startup_trials: 1}\n  space:\n    +reward.mine.level: [0.9, 0.8, 0.1, 0.2]\n"
    )
    steps = 60
    command = [
        *["-m", *SHORT, "sweep=mine", "reward=[]", "+reward.mine.target=mine.py:level", f"training.max_steps={steps}"],
        *["training.save_steps=5", "evaluation.every=6", "evaluation.limit=4", "evaluation.baseline=false"],
        *["launch.slots=2", "launch.threads=1", "report.every=null", "training.max_completion_length=16"],
    ]
    process = subprocess.Popen(
        [*warm_command, *command, "sweep.n_trials=3"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (saved := list(tmp_path.glob("outputs/grpo/*/[01]/checkpoints/checkpoint-10"))):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    process.kill()
    process.wait()

    done = cli(*command, "sweep.n_trials=4")  # more than were asked for at first
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "outputs" / "grpo").iterdir()
    assert f"Going on with the sweep in {folder}" in done.stderr
    jobs = jobs_of(folder)
    assert [job["status"] for job in jobs] == ["completed", "completed", "pruned", "pruned"], done.stdout
    assert [job["overrides"][-1] for job in jobs] == [f"+reward.mine.level={v}" for v in (0.9, 0.8, 0.1, 0.2)]
    assert [job["objective"] for job in jobs[:2]] == pytest.approx([0.9, 0.8])
    results = [json.loads((folder / str(n) / "result.json").read_text()) for n in range(4)]
    assert results[int(saved[0].parts[-3])]["attempts"] == 2  # from its checkpoint, not anew
    assert [result["attempts"] for result in results[2:]] == [1, 1]
    assert [result["status"] for result in results[2:]] == ["pruned"] * 2
    trained = [len(read_records(folder / str(n) / "metrics.jsonl", "train")) for n in range(4)]
    assert max(trained[2:]) < steps, trained

    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    trials = optuna.load_study(study_name="grpo-train", storage=storage).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED"]
    assert [trial.value for trial in trials] == pytest.approx([0.9, 0.8, 0.1, 0.2])
    assert list(trials[0].intermediate_values) == list(range(6, steps + 1, 6))
    record = json.loads((folder / "sweep.json").read_text())
    assert (record["trials"], record["points"]) == (4, 4)


def test_other_launchers_get_batches_and_a_refused_sweep_leaves_nothing(tmp_path, cli) -> None:
    space = "training.learning_rate=tag(log,interval(1e-5,1e-3))"
    refused = {
        "sweep=optuna": "has nothing to vary",
        f"sweep=optuna {space} sweep.sampler=cma": "cannot be cma; did you mean cmaes?",
        "sweep=optuna training.learnin_rate=interval(0,1)": "did you mean training.learning_rate",
        f"sweep=optuna {space} sweep.pruner=median evaluation.every=null": "evaluation.every=null makes none",
        f"sweep=optuna {space} sweep.pruner=median evaluation.every=10 hydra/launcher=basic": "hydra/launcher=slots",
        f"sweep=optuna {space} launch=slurm": "launch=slurm only submits them",
    }
    for arguments, said in refused.items():
        done = cli("-m", *arguments.split(), timeout=30)
        assert done.returncode == 2 and said in done.stderr, done.stdout + done.stderr
        assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
        assert not list(tmp_path.glob("outputs/grpo/*"))

    shown = cli("-m", "sweep=optuna", space, "experiment=form_first", "dry_run=true")
    assert shown.returncode == 0, shown.stderr
    assert "The first 3 of 20 trials" in shown.stdout and "grpo_cli.training.worker" in shown.stdout
    assert not list(tmp_path.glob("outputs/*/*/optuna.journal"))

    done = cli(
        *["-m", *SHORT, "sweep=optuna", space, "training.max_steps=1", "training.num_generations=8,5"],
        *["hydra/launcher=basic", "sweep.n_trials=4", "sweep.batch=2", "hydra.sweep.dir=basic", "sweep.seed=1"],
    )
    jobs = jobs_of(tmp_path / "basic")
    statuses = [job["status"] for job in jobs]
    assert len(statuses) == 4 and set(statuses) == {"completed", "invalid"}, done.stdout + done.stderr
    journal = [json.loads(line) for line in (tmp_path / "basic" / "optuna.journal").read_text().splitlines()]
    told = [line["values"] for line in journal if line["op_code"] == 6]
    assert told == [[job["objective"]] if job["status"] == "completed" else None for job in jobs]
