"""What `grpo-eval` prints of a run's checkpoints."""

import io

from grpo_cli.evaluation.show import print_results
from grpo_cli.evaluation.standalone import Evaluated
from grpo_cli.evaluation.subjects import Subject


def result(step, label=None, **values):
    metrics = {}
    for name, value in values.items():
        for part in (f"eval/{name}", f"eval/{name}/level=carry"):
            metrics |= {f"{part}/accuracy{ending}": value for ending in ("", "_low", "_high")}
            metrics[f"{part}/samples"] = 8
    return Evaluated(Subject(label or f"step {step}", None, step), metrics)


def lines(*results):
    stream = io.StringIO()
    print_results(results, "here", stream)
    return [line.strip() for line in stream.getvalue().splitlines()]


def test_checkpoints_get_a_curve_for_each_data_set_and_none_for_its_tags():
    printed = lines(*(result(step, held_out=step / 30, hard=0.5) for step in (0, 10, 30)))
    titles = [line for line in printed if line.startswith("eval/")]
    assert titles == ["eval/held_out/accuracy", "eval/hard/accuracy"]
    below = [line for line in printed if line.endswith("step")]
    assert len(below) == 2 and all(line.startswith("0") and "30" in line for line in below)


def test_the_checkpoints_of_two_runs_are_no_curve():
    both = [result(step, f"{run}: step {step}", held_out=0.5) for run in "ab" for step in (0, 10)]
    assert not [line for line in lines(*both) if line.startswith("eval/")]
