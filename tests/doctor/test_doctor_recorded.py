"""Every rule on recorded runs: where it must fire, with what severity and by when, and where it must not."""

import pytest
from recordings import FOLDER, changed, examine, load

from grpo_cli.doctor.finding import SEVERITIES, Finding
from grpo_cli.doctor.rules import RULES

# Recording → the rules that must fire, each with the step by which it must have; nothing else may.
PLANTED = {
    "hack": {"degenerate": 30, "reward_hacking": 30},
    "empty_wins": {"zero_variance": 15, "degenerate": 30, "reward_hacking": 40, "length_collapse": 40},
    "short_wins": {"reward_hacking": 30},
    "brevity_wins": {"one_reward_dominates": 15, "reward_hacking": 24},
    "collapse": {"degenerate": 10, "reward_collapse": 15, "length_collapse": 20},
    "collapse_into_rambling": {"reward_collapse": 15, "length_explosion": 15},
    "kl_blow_up": {"kl_blow_up": 10, "reward_collapse": 15, "truncated": 25},
    "too_many_updates": {"ratio_drift": 15, "reward_collapse": 25},
    "no_signal": {"zero_variance": 11},
    "tiny_learning_rate": {"reward_flat": 60},
    "truncated": {"truncated": 15},
    "dominated": {"one_reward_dominates": 15, "reward_hacking": 30},
    "failing_reward": {"reward_failures": 15},
    "loss_zero": {"loss_zero": 3},
}
HEALTHY = [*(f"default_seed{seed}" for seed in range(1, 6)), "with_kl", "two_iterations"]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_raises_no_alarm(name):
    assert [finding.sentence for finding in examine(load(name))] == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_in_time_and_nothing_else(name):
    first: dict[str, int] = {}
    for finding in examine(load(name)):
        first.setdefault(finding.rule, finding.step)
    late = {rule: step for rule, step in first.items() if step > PLANTED[name].get(rule, 0)}
    assert set(first) == set(PLANTED[name])
    assert not late


def test_every_recording_is_examined():
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == {*PLANTED, *HEALTHY}


def found(lines, **settings) -> dict[str, Finding]:
    return {finding.rule: finding for finding in examine(lines, **settings)}


def late(**values):
    """Put values into the logs of the last 20 steps."""
    return lambda log: log | (values if log["step"] > 80 else {})


def test_not_finite():
    finding = found(changed("default_seed1", late(grad_norm="nan", loss="nan")))["not_finite"]
    assert (finding.step, finding.severity) == (85, "error")
    assert "loss and grad_norm" in finding.symptom


def test_gradients_that_stay_large_and_one_that_was_large_once():
    assert found(changed("default_seed1", late(grad_norm=40.0)))["gradient_blow_up"].step == 90
    once = changed("default_seed1", lambda log: log | ({"grad_norm": 40.0} if log["step"] == 85 else {}))
    assert "gradient_blow_up" not in found(once)


def test_entropy_collapse_counts_only_while_there_is_reward_left():
    def stuck(log):
        return log | ({"entropy": 0.001, "reward": 0.4, "reward_std": 0.49} if log["step"] > 20 else {})

    assert found(changed("default_seed1", stuck))["entropy_collapse"].step <= 50
    won = changed("default_seed1", lambda log: log | ({"entropy": 0.001} if log["step"] > 20 else {}))
    assert "entropy_collapse" not in found(won)


def test_rollout_mismatch():
    def sampled(difference, ratio):
        return lambda log: (
            log
            | {
                "sampling/sampling_logp_difference/mean": difference,
                "sampling/importance_sampling_ratio/mean": ratio,
            }
        )

    def with_vllm(difference, ratio, **settings):
        lines = changed("default_seed1", sampled(difference, ratio))
        facts = {"measured_by_trl": True, "mismatch_causes": ["training.bf16=true rounds"]}
        return found([{"facts": lines[0]["facts"] | facts}, *lines[1:]], **settings)

    assert "rollout_mismatch" not in with_vllm(0.01, 1.0)
    told = with_vllm(0.3, 1.0)["rollout_mismatch"]
    assert told.severity == "warning" and told.cause == "Likely: training.bf16=true rounds."
    assert "rollout_mismatch" in with_vllm(0.01, 0.5)
    assert "rollout_mismatch" not in with_vllm(0.3, 1.0, max_mismatch=0.5)
    own = changed("default_seed1", sampled(0.3, 0.5))
    assert "rollout_mismatch" not in found(own), "the run measured it, and has said why"


def test_throughput_halved_only_when_it_lasts():
    def logs(slow_from, seconds):
        lines = load("default_seed1")[:1]
        for step in range(1, 101):
            slow = 3.0 if step >= slow_from else 1.0
            log = {"kind": "train", "step": step, "num_tokens": 2000.0 * step, "step_time": seconds * slow}
            lines.append(log | {"rewards/exact_match/ms": 2.0 * slow, "rewards/exact_match/errors": 0.0})
        return lines

    finding = found(logs(slow_from=60, seconds=20.0))["throughput_halved"]
    assert 60 < finding.step <= 100
    assert "reward.exact_match takes 6 ms a completion, 2 at first" in finding.evidence
    assert "throughput_halved" not in found(logs(slow_from=60, seconds=0.5))
    assert "throughput_halved" not in found(logs(slow_from=1, seconds=20.0))


def test_timeouts_are_failures_too():
    slow = changed("default_seed1", late(**{"rewards/exact_match/timeouts": 0.2}))
    assert found(slow)["reward_failures"].try_ == ("reward.exact_match.timeout=30",)


def test_completions_that_grow_to_the_limit():
    def growing(log):
        cut = log["step"] / 100 if log["step"] > 10 else 0.0
        return log | {
            "completions/mean_length": 12 + log["step"] / 2,
            "completions/clipped_ratio": cut if cut > 0.1 else 0,
        }

    assert found(changed("default_seed1", growing))["length_explosion"].severity == "warning"


def test_held_out_accuracy_that_falls_while_the_reward_rises_on_any_data_set():
    def worse(line, name):
        if line.get("kind") != "eval":
            return line
        line = {key: value for key, value in line.items() if "accuracy" not in key}
        return line | {name: 0.8 - 0.006 * line["step"]}

    for name in ("eval/held_out/accuracy", "eval/gsm8k/accuracy", "eval/accuracy"):
        finding = found([worse(line, name) for line in load("default_seed1")])["reward_hacking"]
        assert (finding.severity, finding.about) == ("error", name)
        assert "0.8" in finding.evidence


def test_an_interval_decides_what_is_a_fall_and_parts_of_a_data_set_do_not_count():
    def wide(line, spread):
        if line.get("kind") != "eval":
            return line
        value = 0.8 - 0.003 * line["step"]
        line = {key: value for key, value in line.items() if "accuracy" not in key}
        name = "eval/held_out/accuracy"
        part = {"eval/held_out/level=3/accuracy": value}
        interval = {name: value, f"{name}_low": value - spread, f"{name}_high": value + spread}
        return line | part | (interval if spread else {})

    run = load("default_seed1")
    assert "reward_hacking" in found([wide(line, 0.02) for line in run])
    assert "reward_hacking" not in found([wide(line, 0.4) for line in run])
    assert "reward_hacking" not in found([wide(line, 0) for line in run])


def test_a_finding_is_told_once_and_once_more_when_it_is_worse():
    told = [f.severity for f in examine(load("brevity_wins")) if f.rule == "reward_hacking"]
    assert told == ["warning", "error"]


def test_every_finding_says_what_to_try_and_can_be_written_out():
    for name in PLANTED:
        for finding in examine(load(name)):
            plain = finding.as_dict()
            assert finding.rule in RULES
            assert finding.severity in SEVERITIES
            assert finding.try_ or finding.severity == "info"
            assert list(plain)[:2] == ["step", "rule"] and isinstance(plain["try"], list)
            assert not plain["symptom"].endswith(".") and plain["cause"].endswith((".", "<run folder>."))


def test_thresholds_of_the_config_count():
    assert "truncated" not in found(load("truncated"), truncated=1.0)
    assert "reward_flat" not in found(load("tiny_learning_rate"), patience=200)
    assert "kl_blow_up" not in found(load("kl_blow_up"), max_kl=100.0)
