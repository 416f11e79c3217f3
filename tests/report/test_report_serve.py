"""A live report: only for this machine, and news arrive without reading anything twice."""

from __future__ import annotations

import gzip
import http.client
import json
import signal
import subprocess
import sys
import threading

import pytest
from devtools import CHROMIUM, browser
from real_runs import environment
from recorded import record_run, training_log

from grpo_cli.errors import ConfigError
from grpo_cli.report.serve import LiveReport, make_server
from grpo_cli.runs.jsonl import append, read


@pytest.fixture
def served(tmp_path):
    """A run, its server, and a function that asks it."""
    root = record_run(tmp_path / "run", steps=3, status="running")
    with make_server(root) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]

        def ask(path: str, host: str | None = None) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
            answer = connection.getresponse()
            return answer.status, answer.read()

        ask.port = port
        yield root, ask
        server.shutdown()


def test_only_this_machine_is_answered_and_no_path_leads_to_a_file(served):
    root, ask = served
    status, page = ask("/")
    assert status == 200 and b"data-version" in page
    assert b'id="data-index"' not in page
    for path in ("/config.yaml", "/../run/config.yaml", "/data/../config.yaml", "/data/part-99", "/data/"):
        assert ask(path)[0] == 404
    assert ask("/", host="evil.example:80")[0] == 403
    assert ask("/", host="localhost:1")[0] == 200
    with make_server(root) as other:
        assert other.server_address[0] == "127.0.0.1"
    with pytest.raises(ConfigError, match="cannot be had"):
        make_server(root, ask.port)


def test_news_change_the_version_the_page_and_the_completions(served):
    root, ask = served
    version, page = ask("/version")[1], ask("/")[1]
    assert ask("/version")[1] == version
    before = json.loads(gzip.decompress(ask("/data/index")[1]))
    import random

    append(root / "metrics.jsonl", training_log(4, 8, random.Random(0)))
    record = next(read(root / "completions" / "train.jsonl"))
    append(root / "completions" / "train.jsonl", {**record, "step": 4})
    assert ask("/version")[1] != version
    assert ask("/")[1] != page
    after = json.loads(gzip.decompress(ask("/data/index")[1]))
    assert len(after["reward"]) == len(before["reward"]) + 1
    assert after["groups"][: len(before["groups"])] == before["groups"]


def test_a_run_that_goes_back_to_a_checkpoint_is_read_anew(served):
    root, _ = served
    live = LiveReport(root)
    path = root / "completions" / "train.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(json.loads(gzip.decompress(live.data("index")))["reward"]) == 3 * 16 + 8
    (root / "beside").write_bytes(b"".join(lines[:16]))
    (root / "beside").replace(path)
    assert len(json.loads(gzip.decompress(live.data("index")))["reward"]) == 16 + 8


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: install it to test the page in it")
def test_a_page_that_is_open_follows_the_run(served, tmp_path):
    root, ask = served
    with browser(tmp_path / "profile") as tab:
        tab.size(1280, 900)
        tab.open(f"http://127.0.0.1:{ask.port}/")
        tab.run("document.querySelector('#browser').scrollIntoView()")
        tab.until("document.querySelector('#browser').dataset.ready === 'yes'")
        assert tab.run("document.querySelector('#chart-reward .at').textContent") == "step 3"
        import random

        append(root / "metrics.jsonl", training_log(9, 9, random.Random(0)))
        record = next(read(root / "completions" / "train.jsonl"))
        append(root / "completions" / "train.jsonl", {**record, "step": 9})
        tab.until("document.querySelector('#chart-reward .at').textContent === 'step 9'", 15)
        tab.until("document.querySelector('#browser .told button') !== null", 15)
        tab.run("document.querySelector('#browser .told button').click()")
        tab.until("document.querySelector('#browse-step').value === '9'", 15)
        assert tab.problems == []


def test_ctrl_c_ends_it_with_130(tmp_path):
    root = record_run(tmp_path / "run", steps=2)
    command = [sys.executable, "-m", "grpo_cli.commands.report", str(root), "--serve"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (130, "")
