"""Tables of jobs: settings by key where that fits, shortened where it does not, numbers never cut."""

import io

import pytest

from grpo_cli.display.console import make_console
from grpo_cli.display.jobs import common_folder, marked_jobs, print_jobs_table, tally, values_of
from grpo_cli.display.state import RunState
from grpo_cli.display.sweep_table import latest, most_telling, sweep_table
from grpo_cli.display.table import Column, brief, settings, short_keys
from grpo_cli.runs.objectives import Objective

ACCURACY, LENGTH = Objective("eval/held_out/accuracy"), Objective("eval/held_out/completion_length", "minimize")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Make a console of a terminal of a width."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return lambda width: make_console(Terminal(), width=width, height=30, color_system=None)


def job(number, status="completed", objectives=(0.5, 20.0), **more):
    overrides = [
        f"training.learning_rate={['1e-06', '0.0003'][number % 2]}",
        f"training.num_generations={8 + number}",
        f"reward={['[exact_match]', '[exact_match,format]'][number % 2]}",
        f"seed={number}",
    ]
    values = {"objective": objectives[0] if objectives else None, "objectives": list(objectives) or None}
    folder = f"outputs/grpo/2026-11-22_18-54-36-114012/{number}"
    return {"number": number, "overrides": overrides, "status": status, "seconds": 61, "folder": folder} | values | more


ROWS = [job(0, objectives=(0.5, 20.0)), job(1, objectives=(0.9, 30.0)), job(2, objectives=(0.4, 25.0))]


def drawn(console, rows, objectives, states=()):
    console.print(sweep_table(rows, dict(states), objectives, console))
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_number_is_ever_cut(terminal, width):
    state = RunState(phase="training", step=242, max_steps=1000)
    lines = drawn(terminal(width), [*ROWS, job(3, "running", ())], [ACCURACY], {3: state}.items())
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for shown in ("0.9000", "242/1000", "completed", "accuracy", "training", *(["1:01"] if width > 60 else [])):
        assert shown in text, text
    assert [line[0] for line in lines[-4:]] == [" ", "★", " ", " "]


def test_each_setting_has_a_column_where_that_fits(terminal):
    header = drawn(terminal(140), ROWS, [ACCURACY])
    assert "rate" in header[-4] and "seed" in header[-4] and "training." not in "".join(header)
    assert header[-2].split()[1:6] == ["1", "3e-4", "9", "[exact_match,format]", "1"]


def test_with_two_objectives_in_100_columns_all_settings_still_have_theirs(terminal):
    lines = drawn(terminal(100), ROWS, [ACCURACY, LENGTH])
    assert "accuracy ↑" in lines[-4] and "length ↓" in lines[-4] and "completion_" in lines[-5]
    assert lines[-2].split()[:5] == ["★", "1", "3e-4", "9", "[exact_ma…"], lines
    assert lines[-2].split()[-4:-2] == ["0.9000", "30.0000"]


def test_without_room_for_keys_values_are_shown(terminal):
    (column,) = settings(ROWS, terminal(80), [Column("x", ["1"] * 3)] + [Column("y" * 56, ["1"] * 3)], cut=True)
    assert column.title == "values" and column.cells[1].startswith("3e-4 9 ")


@pytest.mark.parametrize(("width", "setting"), [(100, "[exact_match,format]"), (72, "seed=1")])
def test_the_closing_table_cuts_nothing_and_names_the_folder_once(monkeypatch, width, setting):
    out = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    print_jobs_table(ROWS, [ACCURACY, LENGTH], stream=out)
    text = out.getvalue()
    assert setting in text and "0.0003" in text and "training." not in text and "…" not in text
    assert text.count("2026-11-22_18-54-36-114012/N") == 1 and "on the Pareto front: jobs 0, 1" in text


def test_in_a_file_every_job_has_one_line_with_all_of_it():
    out = io.StringIO()
    print_jobs_table(ROWS, [ACCURACY, LENGTH], stream=out)
    lines = out.getvalue().splitlines()
    assert len(lines) == 5 and max(map(len, lines)) > 150
    assert (
        lines[0].split()[-5:]
        == ["eval/held_out/accuracy", "↑", "eval/held_out/completion_length", "↓", "time", "folder"][-5:]
    )
    assert "training.learning_rate=0.0003 training.num_generations=9 reward=[exact_match,format] seed=1" in lines[2]
    assert lines[2].endswith("outputs/grpo/2026-11-22_18-54-36-114012/1")


def test_folders_of_a_sweep_are_told_from_others():
    assert common_folder(ROWS) == "outputs/grpo/2026-11-22_18-54-36-114012"
    assert common_folder([*ROWS, job(3, folder="elsewhere/3")]) is None
    assert common_folder([job(3, folder="a/b")]) is None and common_folder([]) is None


def test_only_completed_jobs_are_marked():
    rows = [*ROWS, job(3, "pruned", (0.99, 1.0)), job(4, "failed", ()), job(5, "completed", ())]
    assert marked_jobs(rows, [ACCURACY, LENGTH]) == [0, 1]
    assert marked_jobs(rows, [ACCURACY]) == [1] and marked_jobs(rows, [ACCURACY._replace(direction="minimize")]) == [2]
    assert values_of({"objective": 0.5}, 2) == [0.5, None] and values_of({"objectives": ["nan", 1]}, 2)[1] == 1.0


def test_the_closing_line_counts_every_end():
    rows = [*ROWS, job(3, "pruned"), job(4, "pruned"), job(5, "failed"), job(6, "not started", ())]
    said = tally(rows, [ACCURACY])
    assert said == "3 of 7 jobs completed, 2 pruned, 1 failed, 1 not started; best: job 1"
    assert tally([job(0, "failed", ())], [ACCURACY]) == "0 of 1 jobs completed, 1 failed"
    many = [job(n, objectives=(n, n)) for n in range(20)]
    assert tally(many, [ACCURACY, LENGTH]).endswith("jobs 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … (20)")


def test_the_place_of_the_mark_is_there_before_any_job_is_best(terminal):
    rows = [job(0, "not started", ()), job(1, "running", ())]
    before = drawn(terminal(100), rows, [ACCURACY], {1: RunState(stopping=True, phase="training")}.items())
    after = drawn(terminal(100), [job(0), rows[1]], [ACCURACY], {1: RunState(phase="training")}.items())
    assert before[-2].index("0") == after[-2].index("0") and after[-2][0] == "★"
    assert "stopping" in before[-1] and "training" in after[-1]


def test_what_a_run_last_measured_of_its_objective():
    state = RunState(train={"reward": 0.7, "loss": "nan"})
    state.evals = [{"step": 0, LENGTH.name: 30.0}, {"step": 5, LENGTH.name: 25.0}, {"step": 9}]
    assert latest(state, LENGTH.name) == 25.0 and latest(state, "reward") == 0.7
    assert latest(state, ACCURACY.name) is None


def test_of_more_jobs_than_lines_those_that_run_the_best_and_the_next_are_shown():
    rows = [job(n, "completed") for n in range(40)] + [job(n, "running") for n in (40, 41)]
    rows += [job(n, "not started") for n in range(42, 60)]
    shown = [row["number"] for row in most_telling(rows, 12, {3}, [*range(38), 39, 38])]
    assert shown == [3, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46]
    assert [row["number"] for row in most_telling(rows[:42], 6, set(), list(range(40)))] == [36, 37, 38, 39, 40, 41]
    assert [row["number"] for row in most_telling(rows[40:], 4, set(), [])] == [40, 41, 42, 43]
    assert most_telling(rows, 60, set(), []) == rows
    assert all(len(most_telling(rows, room, set(range(40)), [])) == room for room in range(1, 60))


def test_keys_are_as_long_as_tells_them_apart():
    keys = ["training.seed", "evaluation.seed", "training.beta", "name", "a.b.c", "x.b.c"]
    assert short_keys(keys) == {
        "training.seed": "training.seed",
        "evaluation.seed": "evaluation.seed",
        "training.beta": "beta",
        "name": "name",
        "a.b.c": "a.b.c",
        "x.b.c": "x.b.c",
    }
    assert [brief(v) for v in ("0.0003", "1e-06", "0.5", "[a]", "0", "nan", "7")] == [
        *("3e-4", "1e-6", "0.5", "[a]", "0", "nan", "7")
    ]
