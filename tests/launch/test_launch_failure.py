from pathlib import Path

import pytest

from grpo_cli.launch.failure import error_reports, explain, is_secondary, meaningful_lines, rank_deaths
from grpo_cli.runs import jsonl
from grpo_cli.runs.folder import RunFolder

# Verbatim from torch 2.13, shortened in the middle.
TORCHRUN = """W1122 10:47:02.011000 8668 torch/distributed/elastic/multiprocessing/api.py:1028] Sending
E1122 10:47:02.013000 8668 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: {code})
Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "accelerate/commands/launch.py", line 1423, in <module>
    main()
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
grpo_cli.training.worker FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-22_10:47:02
  host      : localhost
  rank      : 0 (local_rank: 0)
  exitcode  : -15 (pid: 8676)  (SIGTERM)
  error_file: <N/A>
  traceback : Signal 15 (SIGTERM) received by PID 8676
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-22_10:47:02
  host      : localhost
  rank      : 1 (local_rank: 1)
  exitcode  : {code} (pid: 8677)
  error_file: <N/A>
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html
============================================================
"""
LOST = "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1234"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "logs").mkdir()
    return RunFolder(tmp_path)


def report(folder: RunFolder, rank: int, message: str, *, kind: str = "run", time: float = 1.0) -> None:
    jsonl.write_json(
        folder.error(rank), {"rank": rank, "kind": kind, "message": message, "traceback": "", "time": time}
    )


def test_the_original_cause_wins_over_an_earlier_lost_connection(folder):
    report(folder, 0, LOST, time=1.0)
    report(folder, 1, "reward mine: row 3 gave inf", time=2.0)
    failure = explain(folder, 1)
    assert failure.message.splitlines()[0] == "rank 1: reward mine: row 3 gave inf"
    assert failure.exit_code == 1
    assert str(folder.worker_log) in failure.message


def test_the_earliest_of_two_causes_wins(folder):
    report(folder, 0, "later", time=2.0)
    report(folder, 1, "sooner", time=1.0)
    assert [r["message"] for r in error_reports(folder)] == ["sooner", "later"]
    assert explain(folder, 1).message.startswith("rank 1: sooner")


def test_a_configuration_error_exits_with_2_and_never_counts_as_an_echo(folder):
    report(folder, 0, "training.ddp_backend=gloo2 is not known; write gloo.", kind="config")
    failure = explain(folder, 1)
    assert failure.exit_code == 2
    assert failure.message.startswith("training.ddp_backend=gloo2")


def test_a_killed_rank_wins_over_those_that_noticed(folder):
    report(folder, 0, LOST)
    folder.worker_log.write_text(TORCHRUN.format(code=-9))
    first = explain(folder, 1).message.splitlines()[0]
    assert first.startswith("Rank 1 was killed by SIGKILL")
    assert "out of memory" in explain(folder, 1, oom_kills=1).message


def test_a_lost_connection_is_told_when_nothing_else_is_known(folder):
    report(folder, 0, LOST)
    assert "Connection closed by peer" in explain(folder, 1).message


def test_without_a_report_the_logs_last_exception_is_the_sentence(folder):
    lines = [f"line {i}" for i in range(40)]
    trace = [
        "Traceback (most recent call last):",
        '  File "w.py", line 1',
        "OSError: no space left on device",
        "",
    ]
    folder.worker_log.write_text("\n".join(lines + trace) + "\n" + TORCHRUN.format(code=1))
    message = explain(folder, 1).message.splitlines()
    assert message[0] == "The worker failed: OSError: no space left on device"
    assert message[-1].endswith(str(folder.worker_log))
    assert len(message) == 17
    assert not any("torch.distributed" in line or "torchrun" in line or "exitcode" in line for line in message)


def test_the_cause_is_preferred_over_an_echo_in_the_log_too(folder):
    folder.worker_log.write_text(f"ValueError: row 3 gave inf\n[rank0]: RuntimeError: {LOST}\n")
    assert explain(folder, 1).message.startswith("The worker failed: ValueError: row 3 gave inf")


def test_what_an_earlier_launch_logged_is_not_this_ones(folder):
    folder.worker_log.write_text("ValueError: of yesterday\n")
    message = explain(folder, 3, log_start=folder.worker_log.stat().st_size).message
    assert message.startswith("The worker ended with exit code 3.") and "yesterday" not in message


def test_a_missing_log_and_a_torn_report_do_no_harm(folder):
    folder.error(0).write_text('{"rank": 0, "mess')
    assert explain(folder, 1).message.startswith("The worker ended with exit code 1.")


def test_deaths_are_read_root_cause_first():
    assert [(d.rank, d.code) for d in rank_deaths(TORCHRUN.format(code=-11))] == [(1, -11), (0, -15)]
    assert rank_deaths("nothing of the kind") == []


def test_progress_bars_and_blank_lines_are_not_meaningful():
    assert meaningful_lines("a\r b\n\n\nc\n") == ["a", " b", "c"]


@pytest.mark.parametrize(
    ("message", "secondary"),
    [
        (LOST, True),
        ("NCCL communicator was aborted on rank 2", True),
        ("DistNetworkError: The client socket has timed out", True),
        ("Connection reset by peer", True),
        ("reward mine: expected a number", False),
        ("CUDA out of memory. Tried to allocate 2 GiB", False),
    ],
)
def test_what_counts_as_the_echo_of_another_ranks_death(message, secondary):
    assert is_secondary({"kind": "run", "message": message, "traceback": ""}) is secondary
