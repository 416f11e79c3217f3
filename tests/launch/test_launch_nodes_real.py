"""One training over two hosts for real: over the wire, interrupted on one, gone on with, and one of them killed."""

import contextlib
import json
import os
import signal
import subprocess
import time

import namespaces
import pytest
from real_runs import COMMAND, SHORT, environment, read_records

pytestmark = pytest.mark.slow
PARAMETERS = 125_568  # of the embedded model: every step sends its gradients, 4 bytes each


@pytest.fixture
def hosts():
    if reason := namespaces.why_not():
        pytest.skip(reason)
    with namespaces.two_hosts() as two:
        yield two


@contextlib.contextmanager
def both(hosts, tmp_path):
    """The same command on both hosts, but for the rank; what is left of it is killed afterwards."""
    shared = [
        "launch=multi_node",
        "launch.kind=cpu",
        "launch.nodes.count=2",
        f"launch.nodes.address={hosts[0].address}",
    ]
    shared += [*SHORT, "training.max_steps=300", "training.save_steps=1000", "launch.nodes.timeout=60"]
    started = []
    for rank, host in enumerate(hosts):
        with (tmp_path / f"node{rank}.txt").open("w") as out:
            command = host.command(*COMMAND, *shared, f"launch.nodes.rank={rank}")
            env = environment(OMP_NUM_THREADS="1")
            started.append(subprocess.Popen(command, cwd=tmp_path, env=env, stdout=out, stderr=subprocess.STDOUT))
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def wait_for_step(tmp_path, step, seconds=180):
    """Wait until a step has been taken and return the run's folder."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for events in tmp_path.glob("outputs/grpo/*/logs/events.jsonl"):
            steps = [e["step"] for e in map(json.loads, events.read_text().splitlines()) if e["event"] == "step"]
            if steps and steps[-1] >= step:
                return events.parents[1]
        time.sleep(0.1)
    texts = [(tmp_path / f"node{rank}.txt").read_text() for rank in (0, 1)]
    raise AssertionError(f"step {step} was not reached\n" + "\n".join(texts))


def test_two_hosts_train_together_and_end_together(hosts, tmp_path):
    with both(hosts, tmp_path) as (first, second):
        folder = wait_for_step(tmp_path, 4)
        os.kill(second.pid, signal.SIGINT)  # Ctrl-C on the node that does not write the run
        assert [first.wait(120), second.wait(120)] == [130, 130], (tmp_path / "node0.txt").read_text()
    result = json.loads((folder / "result.json").read_text())
    assert (result["status"], result["host"]) == ("interrupted", "node-a")
    step = max(record["step"] for record in read_records(folder / "metrics.jsonl", "train"))
    sent = [host.bytes_sent() for host in hosts]
    assert min(sent) > step * PARAMETERS * 4, f"{step} steps, but {sent} bytes went over the wire"
    assert len(list((tmp_path / "outputs" / "grpo").iterdir())) == 1, "each node made a run folder of its own"
    assert json.loads((folder / "checkpoints" / f"checkpoint-{step}" / "complete.json").read_text())["world_size"] == 2
    assert (folder / "logs" / "node1" / "worker.log").exists()
    told = json.loads((folder / "provenance.json").read_text())["launch"]
    assert told["world_size"] == 2
    assert [(node["node"], node["host"], node["address"]) for node in told["nodes"]] == [
        (0, "node-a", hosts[0].address),
        (1, "node-b", hosts[1].address),
    ]

    with both(hosts, tmp_path) as (first, second):  # the same commands go on; then node 1 loses its power
        assert wait_for_step(tmp_path, step + 2) == folder
        killed = time.monotonic()
        second.kill()
        assert first.wait(30) == 1
        took = time.monotonic() - killed
    assert took < 15, f"node 0 noticed after {took:.1f} s"
    said = (tmp_path / "node0.txt").read_text()
    assert f"Going on with {folder} from step {step}" in said
    assert f"Node 1 (node-b, {hosts[1].address}) has gone: its connection closed" in said
    deadline = time.monotonic() + 5
    while any(map(namespaces.processes_in, hosts)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [namespaces.processes_in(host) for host in hosts] == [[], []]
    steps = [record["step"] for record in read_records(folder / "metrics.jsonl", "train")]
    assert steps == sorted({*steps}), "a step was recorded twice"
