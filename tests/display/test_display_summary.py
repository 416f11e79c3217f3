from __future__ import annotations

import io
from pathlib import Path

import display_replay
import pytest

from grpo_cli.display.jobs import best_job, print_jobs_table
from grpo_cli.display.summary import print_summary, resume_override
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.objectives import Objective


def summary(tmp_path: Path, result: dict, records: int = 190, shown: str | None = None) -> str:
    folder, out = RunFolder(tmp_path), io.StringIO()
    display_replay.replay(folder, list(display_replay.simulate())[:records])
    print_summary(folder, result, header={"folder": shown} if shown else None, stream=out)
    return out.getvalue()


def test_completed(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "completions").mkdir()
    metrics = {"before": {"eval/held_out/accuracy": 0.1016}, "after": {"eval/held_out/accuracy": 0.9883}}
    result = {"status": "completed", "seconds": 19.2, "step": 100, "max_steps": 100, "metrics": metrics}
    text = summary(tmp_path, result, shown="outputs/a/b")
    assert text.splitlines()[1:] == [
        *("✓ completed   100 of 100 steps · 0:19 · 200,000 completion tokens", ""),
        *("  held-out accuracy  0.10 → 0.99  +0.89", "  training reward    0.35 → 0.96  +0.61", ""),
        *("  run folder         outputs/a/b", "  model              outputs/a/b/model"),
        *("  metrics            outputs/a/b/metrics.jsonl", "  completions        outputs/a/b/completions"),
        *("", "  Use the model:", "    from transformers import pipeline"),
        *('    generate = pipeline("text-generation", "outputs/a/b/model")', ""),
    ]


def test_interrupted_says_how_to_go_on(tmp_path: Path) -> None:
    result = {"status": "interrupted", "step": 50, "max_steps": 100}
    assert "start it again" in summary(tmp_path, result, 90)
    (tmp_path / "checkpoints" / "checkpoint-50").mkdir(parents=True)
    assert "    grpo-train resume=outputs/a/b\n" in summary(tmp_path, result, 90, shown="outputs/a/b")


def test_a_kept_dora_adapter_is_not_shown_with_what_loads_it_wrongly(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    result = {"status": "completed", "step": 100, "max_steps": 100}
    for adapter, told, untold in (
        ('{"use_dora": true}', "AutoPeftModelForCausalLM.from_pretrained", "pipeline"),
        ('{"use_dora": false}', "pipeline", "peft"),
    ):
        (tmp_path / "model" / "adapter_config.json").write_text(adapter)
        text = summary(tmp_path, result, 100)
        assert told in text and untold not in text


def test_every_data_set_has_its_gain(tmp_path: Path) -> None:
    before = {"eval/held_out/accuracy": 0.1, "eval/hard/accuracy": 0.0, "eval/hard/level=2/accuracy": 0.0}
    after = {**dict.fromkeys(before, 0.5), "eval/hard/accuracy_gain_low": 0.1, "eval/hard/accuracy_gain_high": 0.9}
    metrics = {"before": before, "after": after}
    text = summary(tmp_path, {"status": "completed", "step": 9, "max_steps": 9, "metrics": metrics})
    assert "  hard accuracy      0.00 → 0.50  +0.50  95 %: +0.10 to +0.90\n" in text
    assert text.index("held-out accuracy  0.10 → 0.50") < text.index("hard accuracy") and "level" not in text


def test_a_run_that_the_doctor_ended_is_not_simply_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "checkpoint-9").mkdir(parents=True)
    said = "The doctor ended the run, as doctor.stop_on=reward_collapse says: the reward has collapsed (0.9 to 0)."
    text = summary(tmp_path, {"status": "failed", "step": 9, "stopped": "doctor.stop_on", "error": said})
    assert "  Start again with what the doctor suggests, or go on all the same:\n    grpo-train resume=" in text
    assert max(len(row) for row in text.splitlines() if "  The doctor" in row) <= 80


def test_failed_shows_the_message_and_the_log(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker.log").write_text("…")
    result = {"status": "failed", "error": "The reward exact_match returned nan\nfor row 3.", "step": 2}
    text = summary(tmp_path, result, 9)
    assert "  The reward exact_match returned nan\n  for row 3.\n" in text
    assert f"log                {tmp_path / 'logs' / 'worker.log'}" in text
    assert "pipeline" not in text


def test_a_run_that_never_got_anywhere_has_a_summary_too(tmp_path: Path) -> None:
    out = io.StringIO()
    print_summary(RunFolder(tmp_path / "missing"), {}, stream=out)
    assert "failed" in out.getvalue()


@pytest.mark.parametrize("folder", ["outputs/a/2026-01-31_12-00-00", "my runs/a=1,b", "it's", "a'b\\c {x}"])
def test_the_resume_override_survives_the_shell_and_hydra(folder: str) -> None:
    import shlex

    from hydra.core.override_parser.overrides_parser import OverridesParser

    (word,) = shlex.split(resume_override(folder))
    override = OverridesParser.create().parse_override(word)
    assert override.value() == folder


ROWS = [
    {
        **{"number": 0, "overrides": ["lr=1e-6", "seed=1"], "status": "completed"},
        **{"objective": {"name": "eval/held_out/accuracy", "value": 0.5}, "seconds": 20, "folder": "multirun/0"},
    },
    {"number": 1, "overrides": "lr=3e-6 seed=1", "status": "completed", "objective": 0.9, "seconds": 61.0},
    {"number": 2, "overrides": "lr=9e-6 seed=1", "status": "failed", "objective": None, "seconds": 3},
    {"number": 3, "overrides": "lr=9e-5 seed=1", "status": "completed", "objective": "nan"},
    {"number": 4, "overrides": "lr=9e-4 seed=1"},
]


def test_the_table_of_jobs() -> None:
    out = io.StringIO()
    print_jobs_table(ROWS, [Objective("eval/held_out/accuracy")], stream=out)
    assert [one.rstrip() for one in out.getvalue().splitlines()] == [
        "   job  overrides       status       eval/held_out/accuracy  time  folder",
        "     0  lr=1e-6 seed=1  completed                    0.5000  0:20  multirun/0",
        "★    1  lr=3e-6 seed=1  completed                    0.9000  1:01  -",
        "     2  lr=9e-6 seed=1  failed                            -  0:03  -",
        "     3  lr=9e-5 seed=1  completed                       nan     -  -",
        "     4  lr=9e-4 seed=1  not started                       -     -  -",
        "3 of 5 jobs completed, 1 failed, 1 not started; best: job 1",
    ]


def test_the_best_job_follows_the_direction() -> None:
    assert best_job(ROWS) == 1 and best_job(ROWS, "minimize") == 0
    assert best_job(ROWS[2:]) is None and best_job([]) is None
    tie = [{"status": "completed", "objective": 1.0}] * 2
    assert best_job(tie) == 0 and best_job(tie, "minimize") == 0
