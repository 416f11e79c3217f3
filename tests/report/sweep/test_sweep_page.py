"""The leaderboard's page, its terminal form and the command, for sweeps in every state."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from html.parser import HTMLParser

import pytest
from report.recorded import HOSTILE
from sweeps import OBJECTIVE, grid, record_sweep

from grpo_cli.commands.report import main
from grpo_cli.report.serve import make_server
from grpo_cli.report.sweep.page import sweep_page
from grpo_cli.report.sweep.plots import plots, standalone
from grpo_cli.report.sweep.read import read_sweep
from grpo_cli.report.sweep.standings import standings, verdict
from grpo_cli.report.sweep.write import write_sweep_report

CLEAR = {"lr=1e-4": [0.1, 0.12, 0.11, 0.1, 0.13], "lr=1e-3": [0.9, 0.93, 0.91, 0.9, 0.92], "lr=1e-2": [0.5, 0.2, 0.9]}


class Words(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self, html):
        super().__init__()
        self.text, self.tags = [], []
        self.feed(html)

    def handle_data(self, data):
        self.text.append(data)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["grpo-report", *map(str, arguments)])
    code = main()
    out, err = capsys.readouterr()
    return code, out, err


def test_the_board_ranks_settings_and_says_what_is_sure(tmp_path):
    board = standings(read_sweep(record_sweep(tmp_path, grid(CLEAR))))
    headline, sentences, level = verdict(board)
    assert headline == "1 of the 2 other settings cannot be told apart from the best"
    assert "The best mean has lr=1e-3: held-out accuracy 91.2\u202f%." in sentences and level == "neutral"
    assert "1 is surely worse." in sentences
    html = sweep_page(board, tmp_path)
    text = " ".join(Words(html).text)
    assert re.search(r"p-values are corrected for that number by Holm", text)
    assert "confidence of 97.5\u202f% each (Bonferroni)" in text and "corrected for all 3 pairs" in text
    links = [a["href"] for tag, a in Words(html).tags if tag == "a" and "report.html" in a.get("href", "")]
    assert {"6/report.html", "0/report.html"} <= set(links)
    assert not [a for tag, a in Words(html).tags if "style" in a]  # the policy would not let it in


def test_a_clear_winner_is_called_one_and_no_other(tmp_path):
    rows = {k: v for k, v in CLEAR.items() if k != "lr=1e-2"}
    headline, _, level = verdict(standings(read_sweep(record_sweep(tmp_path, grid(rows)))))
    assert headline == "lr=1e-3 is the best setting: held-out accuracy 91.2\u202f%" and level == "good"


STATES = {
    "nothing started": [{"overrides": ["a=1"], "value": None, "status": "not started"}],
    "one job": [{"overrides": ["a=1"], "value": 0.5}],
    "one job without an evaluation": [{"overrides": ["a=1"], "value": None}],
    "failed, invalid and pruned": [
        {"overrides": ["a=1", "seed=1"], "value": 0.5},
        {"overrides": ["a=2", "seed=1"], "value": 0.2, "status": "pruned", "stopped": "below the median"},
        {"overrides": ["a=3", "seed=1"], "value": None, "status": "failed", "error": "CUDA ran out of memory.\nmore"},
        {"overrides": ["a=4", "seed=1"], "value": None, "status": "invalid", "error": "a=4 is not a divisor"},
        {"overrides": ["a=5", "seed=1"], "value": 0.1, "status": "running"},
    ],
    "all the same": grid({"a=1": [0.5, 0.5, 0.5], "a=2": [0.5, 0.5, 0.5]}),
    "NaN": [{"overrides": [f"a={i}"], "value": float("nan") if i else 0.5} for i in range(3)],
    "no jobs": [],
}


@pytest.mark.parametrize("state", STATES)
def test_a_sweep_in_any_state_has_a_page(state, tmp_path, monkeypatch, capsys):
    folder = record_sweep(tmp_path / "sweep", STATES[state])
    code, out, err = run(monkeypatch, capsys, folder)
    assert (code, err) == (0, "") and out.strip().endswith("report.html")
    text = " ".join(Words((folder / "report.html").read_text()).text)
    assert "nan" not in text.replace("NaN", "").lower().split() and "Traceback" not in text
    if state == "failed, invalid and pruned":
        assert "a=4 is not a divisor" in text and "CUDA ran out of memory." in text and "below the median" in text
        assert "Pruned jobs ended early and are not judged." in text and "1 interrupted" in text
        assert "held-out accuracy 50\u202f% with the one setting" in text.replace("Held", "held")
    if state in ("nothing started", "one job without an evaluation"):
        assert "Nothing to rank: no job has completed" in text


def test_damaged_files_are_told_and_the_rest_is_shown(tmp_path, monkeypatch, capsys):
    folder = record_sweep(tmp_path / "sweep", grid(CLEAR))
    (folder / "sweep.json").write_text('{"jobs": [{"num')
    (folder / "0/config.yaml").write_text("{torn")
    (folder / "1/result.json").write_text("")
    (folder / "2/metrics.jsonl").unlink()
    (folder / "3/completions/train.jsonl").write_bytes(b"\xff\xfe\n")
    code, out, _ = run(monkeypatch, capsys, folder)
    assert code == 0 and "sweep.json could not be read" in out and "lr=1e-3" in out
    for record in ({"jobs": 3}, {"jobs": [1, {"number": "x"}, {"number": 0}]}, {"objective": 4, "directions": "x"}):
        (folder / "sweep.json").write_text(json.dumps(record))
        assert run(monkeypatch, capsys, folder, "--quiet")[0] == 0


def test_hostile_text_stays_text(tmp_path):
    jobs = [
        {
            "overrides": [f"a='{t}'", "seed=1"],
            "value": 0.1 * i,
            "error": t,
            "status": "failed" if i % 2 else "completed",
        }
        for i, t in enumerate(text.replace("\ud83d", "") for text in HOSTILE)
    ]
    board = standings(read_sweep(record_sweep(tmp_path, jobs)))
    page = Words(sweep_page(board, tmp_path))
    assert [tag for tag, _ in page.tags].count("script") == 1 and "img" not in [tag for tag, _ in page.tags]
    assert not [a for _, a in page.tags if any(k.startswith("on") for k in a)]
    assert all(standalone(p).count("<script") == 0 for p in plots(board))


def test_several_objectives_have_a_front(tmp_path):
    values = [[0.9, 50.0], [0.5, 10.0], [0.4, 20.0], [0.8, None]]
    jobs = [{"overrides": [f"a={i}"], "value": v[0], "values": v} for i, v in enumerate(values)]
    record = {"objectives": [OBJECTIVE, "eval/held_out/completion_length"], "directions": ["maximize", "minimize"]}
    board = standings(read_sweep(record_sweep(tmp_path, jobs, **record)))
    assert board.front == [0, 1]
    (front,) = [p for p in plots(board) if p.key.startswith("pareto")]
    assert standalone(front).count("front") == 2 and "held-out completion length least" in front.meaning


def test_plots_are_written_as_files(tmp_path, monkeypatch, capsys):
    folder = record_sweep(tmp_path / "sweep", grid(CLEAR))
    code, out, _ = run(monkeypatch, capsys, folder, "plots=svg")
    names = {line.rpartition("/")[2] for line in out.split()}
    assert code == 0 and names == {"objective-over-jobs.svg", "learning-curves.svg", "parallel-coordinates.svg"}
    from xml.etree import ElementTree

    for path in (folder / "plots").iterdir():
        ElementTree.fromstring(path.read_text())


def test_the_command_takes_a_baseline_and_refuses_what_is_of_no_sweep(tmp_path, monkeypatch, capsys):
    folder = record_sweep(tmp_path / "sweep", grid(CLEAR))
    out = run(monkeypatch, capsys, folder, "--text", "--baseline", "lr=1e-2")[1]
    assert "compared with the baseline (lr=1e-2)" in out and not (folder / "report.html").exists()
    assert "baseline (lr=1e-3)" in run(monkeypatch, capsys, folder, "--text", "--baseline=7")[1]
    code, _, err = run(monkeypatch, capsys, folder, "--baseline", "99")
    assert code == 2 and "has no job of that number" in err
    code, _, err = run(monkeypatch, capsys, folder / "0", "--baseline=1")
    assert code == 2 and "are of one sweep" in err
    assert run(monkeypatch, capsys, folder, "--job=1")[0] == 2
    assert run(monkeypatch, capsys, folder, "--job=x", "--experiment=a")[0] == 2
    assert run(monkeypatch, capsys, *sorted(folder.glob("[0-4]")), f"out={tmp_path}/runs.html")[0] == 0


def test_the_page_written_at_the_end_respects_the_settings_and_never_raises(tmp_path):
    folder = record_sweep(tmp_path / "on", grid(CLEAR))
    assert write_sweep_report(folder) == folder / "report.html"
    jobs = [{**job, "config": {"report": {"enabled": False}, "seed": i}} for i, job in enumerate(grid(CLEAR))]
    assert write_sweep_report(record_sweep(tmp_path / "off", jobs)) is None
    assert not (tmp_path / "off/report.html").exists()
    assert write_sweep_report(tmp_path / "none") is None
    (folder / "report.html").unlink()
    (folder / "report.html").mkdir()
    assert write_sweep_report(folder) is None
    assert "could not be written: IsADirectoryError" in (folder / "report.log").read_text()


def test_a_sweep_under_way_is_served_and_its_news_are_seen(tmp_path):
    folder = record_sweep(tmp_path, [{"overrides": ["a=1"], "value": None, "status": "running"}])
    with make_server(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"

        def get(path):
            return urllib.request.urlopen(f"{address}/{path}").read().decode()

        before = get("version")
        assert "Nothing to rank" in get("")
        record_sweep(tmp_path, [])
        record_sweep(tmp_path / "other", grid(CLEAR))
        (tmp_path / "sweep.json").write_text((tmp_path / "other/sweep.json").read_text())
        assert get("version") != before
        page = get("")
        assert "lr=1e-3" in page and "data-live" in page
        server.shutdown()
