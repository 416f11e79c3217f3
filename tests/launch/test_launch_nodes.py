"""What a node knows of the others, and how nodes meet: agreeing, refusing, noticing who has gone."""

import copy
import socket
import threading
import time

import pytest

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.jobs.nodes import working_folder
from grpo_cli.launch.hardware import Hardware
from grpo_cli.launch.meeting import link
from grpo_cli.launch.meeting.host import Host
from grpo_cli.launch.meeting.member import Member
from grpo_cli.launch.nodes import Nodes, first_host, interface_of, is_own, settle_nodes
from grpo_cli.launch.outcome import Outcome
from grpo_cli.launch.plan import plan_launch
from grpo_cli.runs.checkpoints import record_files
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_atomic

ABOUT = {
    "host": "alpha",
    "processes": 1,
    "kind": "cpu",
    "packages": {"torch": "2.13.0", "trl": "1.16.0"},
    "hardware": {},
    "config": {"seed": "1"},
    "rewards": {"math": "abc"},
}
SLURM = {"SLURM_JOB_NUM_NODES": "4", "SLURM_NODEID": "2", "SLURM_JOB_NODELIST": "gpu[07-10]", "SLURM_JOB_ID": "12345"}


def settle(env=None, **nodes):
    return settle_nodes({"nodes": {"count": "auto", **nodes}}, env or {})


def test_one_machine_needs_no_meeting():
    assert settle_nodes({}, SLURM) is None
    assert settle(count=1) is None


def test_slurm_says_all_of_it():
    assert settle(SLURM) == Nodes(4, 2, "gpu07", 24690, 600.0)


def test_what_is_written_wins():
    nodes = settle(SLURM | {"MASTER_ADDR": "elsewhere"}, count=2, rank=1, address="10.0.0.1", port=4000, timeout=5)
    assert nodes == Nodes(2, 1, "10.0.0.1", 4000, 5)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({}, "write launch.nodes.count=2 launch.nodes.rank=0 launch.nodes.address=10.0.0.1 ("),
        ({"count": 2}, "write launch.nodes.rank=0 launch.nodes.address=10.0.0.1 (rank: 0 on the first node, to 1 on"),
        ({"count": 2, "rank": 2}, "nodes are numbered 0 to 1"),
        ({"count": 2, "rank": 0}, "launch.nodes.address=10.0.0.1"),
        ({"count": "two"}, "launch.nodes.count=two must be a whole number"),
        ({"count": 2, "rank": 0, "address": "a", "port": 65535}, "must be at most 65534"),
    ],
)
def test_what_is_missing_is_said(nodes, words):
    with pytest.raises(ConfigError, match=r"launch\.nodes") as refused:
        settle(**nodes)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("listed", "first"),
    [
        ("gpu01", "gpu01"),
        ("gpu[003-005,9],login", "gpu003"),
        ("a-1,b-2", "a-1"),
        ("rack1-[7,9]", "rack1-7"),
        ("", None),
    ],
)
def test_first_host_of_slurms_list(listed, first):
    assert first_host(listed) == first


def test_the_plan_of_a_node(tmp_path):
    machine = Hardware("here", "", "", cores=8, memory_bytes=0, gpus=(), torch="2", torch_cuda=None)
    launch = {"kind": "cpu", "num_processes": 2, "nodes": {"count": 3, "rank": 1, "address": "127.0.0.1"}}
    plan = plan_launch(launch, {}, tmp_path, hardware=machine, base_env={})
    text = " ".join(plan.argv)
    assert plan.world_size == 6
    assert "--num_processes 6 --num_machines 3 --machine_rank 1 --main_process_port 29501" in text
    assert "--main_process_ip 127.0.0.1 --same_network" in text
    wanted = {"GRPO_TRAIN_WORLD_SIZE": "6", "GRPO_TRAIN_NODE": "1", "OMP_NUM_THREADS": "4", "GLOO_SOCKET_IFNAME": "lo"}
    assert {key: plan.env[key] for key in wanted} == wanted
    mine = plan_launch(launch, {}, tmp_path, hardware=machine, base_env={"GLOO_SOCKET_IFNAME": "ib0"})
    assert mine.env["GLOO_SOCKET_IFNAME"] == "ib0"


def test_the_interface_of_an_address():
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("203.0.113.9") is None
    assert is_own("localhost")
    assert not is_own("203.0.113.9")


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def meet(port, members, timeout=5.0, count=2):
    """A host and its members, each in a thread; returns host, members, and what each side raised."""
    raised = {}
    host = Host(Nodes(count, 0, "127.0.0.1", port, timeout), ABOUT)
    joined = [Member(Nodes(count, rank, "127.0.0.1", port, timeout), about) for rank, about in members]

    def run(name, action):
        try:
            action()
        except (ConfigError, RunError) as error:
            raised[name] = error

    def gather():
        host.gather(lambda text: None)
        host.begin(folder="/runs/x", token="t", resume_from=None)

    threads = [threading.Thread(target=run, args=("host", gather))]
    threads += [
        threading.Thread(target=run, args=(member.nodes.rank, lambda m=member: m.join(lambda text: None)))
        for member in joined
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return host, joined, raised


def pump_until(peers, done, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        peers.pump()
        time.sleep(0.01)
    assert done()


def test_nodes_agree_and_a_stop_goes_to_all(port):
    host, members, raised = meet(port, [(1, ABOUT), (2, ABOUT)], count=3)
    assert raised == {}
    assert [h["node"] for h in host.hosts()] == [0, 1, 2]
    members[0].tell_stop("SIGINT")
    pump_until(host, lambda: host.stop == "SIGINT")
    pump_until(members[1], lambda: members[1].stop == "SIGINT")
    host.farewell(Outcome(130, "interrupted", "SIGINT", None, 1.0), {"status": "interrupted"})
    ended = members[1].conclude(Outcome(0, "completed", None, None, 2.0))
    assert (ended.exit_code, members[1].result) == (130, {"status": "interrupted"})
    host.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": {"seed": "2"}}, "seed is 1 here and 2 there"),
        ({"packages": {"torch": "2.9", "trl": "1.16.0"}}, "has torch 2.9, node 0 (alpha) has 2.13.0"),
        ({"rewards": {"math": "edited"}}, "another rewards' source"),
        ({"processes": 8}, "processes=8"),
    ],
)
def test_another_configuration_is_refused_on_both_sides(port, change, words):
    about = copy.deepcopy(ABOUT) | {"host": "beta"} | change
    host, _, raised = meet(port, [(1, about)])
    assert words in str(raised["host"])
    assert words in str(raised[1]), "the refused node does not know why"
    host.close()


def test_two_nodes_of_one_number(port):
    host, _, raised = meet(port, [(1, ABOUT), (1, ABOUT | {"host": "gamma"})], count=3)
    assert "Two nodes have launch.nodes.rank=1" in str(raised["host"])
    assert "srun --ntasks-per-node=1" in str(raised["host"])
    host.close()


def test_a_node_that_never_comes_is_named(port):
    host, _, raised = meet(port, [(2, ABOUT)], timeout=0.6, count=3)
    assert f"Node 1 of 3 did not come to 127.0.0.1:{port} within 0.6 s" in str(raised["host"])
    assert "node 1 of 3 did not come" in str(raised[2])
    host.close()


def test_no_node_0_at_the_address(port):
    with pytest.raises(RunError, match=f"Node 0 was not found at 127.0.0.1:{port} within 0.3 s"):
        Member(Nodes(2, 1, "127.0.0.1", port, 0.3), ABOUT).join(lambda text: None)


def test_a_port_in_use(port):
    with socket.socket() as taken:
        taken.bind(("", port))
        taken.listen()
        with pytest.raises(ConfigError, match=f"port {port} of this machine cannot be used"):
            Host(Nodes(2, 0, "127.0.0.1", port, 1.0), ABOUT)


def test_a_node_that_has_gone_breaks_the_run(port):
    host, (member,), _ = meet(port, [(1, ABOUT)])
    member.close()
    pump_until(host, lambda: host.broken)
    assert "Node 1 (alpha, 127.0.0.1) has gone: its connection closed" in host.broken
    host.close()
    host, (member,), _ = meet(port, [(1, ABOUT)])
    host.close()
    pump_until(member, lambda: member.broken)
    assert f"Node 0 (127.0.0.1:{port}) has gone" in member.broken


def test_a_silent_node_is_taken_for_gone(port, monkeypatch):
    monkeypatch.setattr(link, "SILENT_SECONDS", 0.2)
    host, _members, _ = meet(port, [(1, ABOUT)])
    pump_until(host, lambda: host.broken)
    assert "silent" in host.broken
    host.close()


def test_the_cause_is_told_not_the_lost_connection(port):
    host, (member,), _ = meet(port, [(1, ABOUT)])
    here = Outcome(1, "failed", None, "rank 0: gloo: connection closed by peer", 1.0)
    there = Outcome(1, "failed", None, "rank 1: reward mine: row 3 gave inf", 1.0)
    concluded = {}
    thread = threading.Thread(target=lambda: concluded.update(member=member.conclude(there)))
    thread.start()
    outcome = host.conclude(here)
    host.farewell(outcome, {})
    thread.join(10)
    assert outcome.error == "Node 1 (alpha, 127.0.0.1): rank 1: reward mine: row 3 gave inf"
    assert concluded["member"].error == outcome.error
    host.close()


def test_what_does_not_speak_the_protocol_is_passed_over(port):
    with socket.socket() as stranger:
        done = threading.Event()

        def scan():
            while not done.is_set():
                try:
                    stranger.connect(("127.0.0.1", port))
                    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    return
                except OSError:
                    time.sleep(0.02)

        thread = threading.Thread(target=scan)
        thread.start()
        host, _, raised = meet(port, [(1, ABOUT)])
        done.set()
        thread.join()
    assert raised == {}
    host.close()


def test_a_node_works_in_node_0s_folder_where_it_sees_it(tmp_path):
    theirs, mine = RunFolder(tmp_path / "node0" / "stamp"), RunFolder(tmp_path / "mine" / "later-stamp")
    told = {"folder": str(theirs.root), "token": "word"}
    assert working_folder(told, mine) == (tmp_path / "mine" / "stamp", False)
    write_atomic(theirs.logs / "meeting", "another run's word")
    assert working_folder(told, mine) == (tmp_path / "mine" / "stamp", False)
    write_atomic(theirs.logs / "meeting", "word")
    assert working_folder(told, mine) == (theirs.root, True)
    # The same file system, mounted elsewhere on this node.
    assert working_folder(told | {"folder": "/elsewhere/stamp"}, RunFolder(theirs.root.parent / "x"))[1]


def test_only_node_0_writes_beside_the_results(tmp_path):
    main, other = RunFolder(tmp_path), RunFolder(tmp_path, 1)
    assert other.config == main.config
    assert other.worker_log == tmp_path / "logs" / "node1" / "worker.log"
    assert other.reward_failures == tmp_path / "reward_failures.node1.jsonl"
    assert main.reward_failures in record_files_of(main), "records that a resumption must take back"
    assert other.reward_failures in record_files_of(main)


def record_files_of(folder):
    for path in (folder.reward_failures, RunFolder(folder.root, 1).reward_failures):
        path.touch()
    return record_files(folder)
