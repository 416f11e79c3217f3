"""The pool against functions that do what no reward should."""

import time

import pytest

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.rewards.guard.pool import Pool

KINDS = {
    "timeout": ["bigint", "regex", "sleep", "busy", "swallow", "deaf", "stop"],
    "died": ["segfault", "exit", "abort", "allocate", "fill"],
    "value": ["nan", "inf", "text", "generator", "huge result", "unpicklable"],
    "error": [
        *("huge exception", "unprintable exception", "system exit", "interrupt"),
        *("generator exit", "recursion", "assert"),
    ],
    "ok": ["liar", "flood", "fork", "daemon", "alarm", "nothing special"],
}


def done(pool, completions, seconds=10.0):
    return pool.submit(0, [{"completion": text} for text in completions], seconds).wait()


def test_whatever_a_reward_does_its_completion_has_an_outcome_and_the_others_their_scores(pool, children):
    deeds = [(kind, deed) for kind, deeds in KINDS.items() for deed in deeds]
    texts = [text for _, deed in deeds for text in (deed, "fine")]
    workers = pool(workers=4, memory_gb=0.3)
    outcomes = done(workers, texts, 1.5)

    assert {deed: o.kind for (_, deed), o in zip(deeds, outcomes[::2], strict=True)} == {d: k for k, d in deeds}
    assert [o.values for o in outcomes[1::2]] == [[1.0]] * len(deeds)
    what = {deed: o.what for (_, deed), o in zip(deeds, outcomes[::2], strict=True)}
    assert what["bigint"] == "took longer than its 1.5 s and was killed"
    assert what["segfault"] == "killed its process (SIGSEGV)"
    assert what["exit"] == "ended its process (exit code 0)"
    assert what["fill"] == what["allocate"] == "needed more memory than guard.memory_gb allows"
    assert what["interrupt"].startswith("failed with KeyboardInterrupt")
    assert max(len(o.what) + len(o.trace) for o in outcomes) < 10_000
    workers.close()
    assert not children()


@pytest.mark.parametrize(("n", "workers", "seconds"), [(24, 2, 0.1), (7, 3, 0.3), (100, 2, 0.02)])
def test_hanging_costs_no_more_than_its_time_on_all_workers(pool, n, workers, seconds):
    workers_ = pool(workers=workers)
    done(workers_, ["warm"])
    started = time.perf_counter()
    outcomes = done(workers_, ["sleep"] * n, seconds)

    assert {o.kind for o in outcomes} == {"timeout"}
    assert time.perf_counter() - started < seconds * -(-n // workers) + 1


def test_what_waits_behind_a_hang_is_taken_over_at_once_and_nothing_is_scored_twice(pool, tmp_path):
    file = tmp_path / "noted.txt"
    workers = pool("noted", file=str(file))
    done(workers, ["warm"] * 20)
    file.unlink()
    texts = ["hang" if i % 16 == 3 else f"c{i}" for i in range(128)]
    started = time.perf_counter()
    outcomes = done(workers, texts, 0.5)

    assert [o.kind for o in outcomes] == ["timeout" if text == "hang" else "ok" for text in texts]
    assert time.perf_counter() - started < 0.5 * 8 / 2 + 1
    scored = file.read_text().split()
    assert sorted(scored) == sorted(texts)


def test_a_replaced_worker_imports_nothing_again(pool, bad_file):
    bad_file.write_text("import time; time.sleep(1)\n" + bad_file.read_text())
    workers = pool(workers=1)
    done(workers, ["warm"])
    started = time.perf_counter()
    done(workers, ["sleep", "fine"] * 5, 0.05)

    assert time.perf_counter() - started < 5 * 0.05 + 1


def test_a_batch_costs_the_slowest_and_not_the_sum(guard):
    entry = {"target": "waits", "seconds": 0.1}
    rewards = guard(settings={"workers": 4}, a=entry, b=entry, c=entry, d=entry)
    texts = ["x"]
    rewards.rewards[0](["p"], texts)
    started = time.perf_counter()
    rewards.begin(["p"], texts, None, {})
    assert [reward(["p"], texts) for reward in rewards.rewards] == [[1.0]] * 4

    assert time.perf_counter() - started < 0.25


def test_a_reward_that_cannot_be_built_in_a_worker_says_so(pool, bad_file):
    bad_file.write_text("import nowhere_at_all\n" + bad_file.read_text())

    with pytest.raises(ConfigError, match=r"reward\.bad\.target: .*nowhere_at_all, which is not installed"):
        done(pool(), ["x"])


def test_a_worker_that_dies_at_its_start_again_and_again_ends_the_run(pool, bad_file):
    with bad_file.open("a") as out:
        out.write("class Doomed(Counter):\n    def __init__(self):\n        os._exit(9)\n")
    doomed = Pool({0: ("doomed", {"target": f"{bad_file}:Doomed"}, {})}, 1, lanes=[0])
    try:
        with pytest.raises(RunError, match="end as they start"):
            doomed.submit(0, [{"completions": ["x"]}], 1.0).wait()
    finally:
        doomed.close()


def test_preload_runs_before_the_first_job(pool, bad_file):
    bad_file.write_text(bad_file.read_text() + "\ndef preload():\n    DEEDS['loaded'] = lambda: 7.0\n")

    assert [o.values for o in done(pool(), ["loaded"] * 4)] == [[7.0]] * 4
