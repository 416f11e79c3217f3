"""A finding as a user sees it: plain lines, the live picture, the closing summary."""

import io

from recordings import examine, load

from grpo_cli.display.console import make_console
from grpo_cli.display.findings import finding_lines
from grpo_cli.display.follow import Follower
from grpo_cli.display.plain import describe
from grpo_cli.display.scene import Scene
from grpo_cli.display.state import RunState
from grpo_cli.display.summary import print_summary
from grpo_cli.display.view import draw
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.recorder import Recorder

FINDINGS = [finding.as_dict() for finding in examine(load("kl_blow_up"))]


def test_plain_lines_say_symptom_evidence_cause_and_what_to_try():
    text = describe({"event": "doctor", **FINDINGS[0]}, RunState())
    first, cause, tries = text.splitlines()
    assert first.startswith("doctor, step 10: the policy has run away from the reference model (KL 4.38 nats")
    assert cause.endswith("[kl_blow_up]")
    assert tries.strip().startswith("try training.learning_rate=1e-3, or training.beta=0.12")


def test_a_finding_without_advice_has_no_line_for_it():
    info = examine(load("loss_zero"))[0].as_dict()
    assert len(finding_lines(info)) == 2


def picture(tmp_path, width, height):
    recorder = Recorder(RunFolder(tmp_path))
    recorder.event("plan", max_steps=100)
    for finding in FINDINGS:
        recorder.event("doctor", **finding)
    follower = Follower(recorder.folder)
    follower.poll()
    console = make_console(io.StringIO(), width=width, height=height, force_terminal=False)
    console.print(draw(Scene(follower.state, {"name": "x", "folder": "f"}, console, now=0.0)))
    return console.file.getvalue().splitlines()


def test_the_live_view_shows_the_latest_two_and_counts_the_rest(tmp_path):
    lines = picture(tmp_path, 110, 40)
    text = "\n".join(lines)
    assert "the reward has collapsed" in text and "nearly all completions are cut" in text
    assert "run away" not in text and "and 1 more, in doctor.jsonl" in text
    assert "try training.max_completion_length=128" in text


def test_it_fits_every_terminal(tmp_path):
    for width, height in ((40, 10), (20, 5), (110, 12)):
        lines = picture(tmp_path / f"{width}x{height}", width, height)
        assert len(lines) <= height and max(map(len, lines)) <= width


def test_the_summary_lists_them_but_not_what_is_only_worth_knowing(tmp_path):
    out = io.StringIO()
    info = examine(load("loss_zero"))[0].as_dict()
    print_summary(RunFolder(tmp_path), {"status": "completed", "doctor": [*FINDINGS, info]}, stream=out)
    text = out.getvalue()
    assert text.count("doctor, step") == 3 and "normal here" not in text
    out = io.StringIO()
    print_summary(RunFolder(tmp_path), {"status": "completed", "doctor": [info]}, stream=out)
    assert "The doctor" not in out.getvalue()
