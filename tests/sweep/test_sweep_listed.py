"""Which jobs a command line asks for: listed as Hydra will start them, a user's own files found by glob among them."""

import json
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf
from real_runs import SHORT, read_records

from grpo_cli.config import compose, places
from grpo_cli.errors import ConfigError
from grpo_cli.sweep.listed import listed_jobs


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """The jobs of some overrides, in a folder with two experiments of the user's own."""
    monkeypatch.chdir(tmp_path)
    own_experiments(tmp_path)
    compose.register()

    def jobs(*overrides: str, params: dict[str, str] | None = None) -> list[str]:
        config = OmegaConf.create({"hydra": {"sweeper": {"params": params}}})
        with initialize_config_dir(str(places.conf_dir()), version_base="1.3"):
            return [" ".join(job) for job in listed_jobs(config, overrides)]

    return jobs


def own_experiments(root: Path) -> None:
    folder = root / "conf" / "experiment"
    folder.mkdir(parents=True)
    for name, steps in (("mine_a", 1), ("mine_b", 2)):
        (folder / f"{name}.yaml").write_text(f"# @package _global_\ntraining:\n  max_steps: {steps}\n")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=range(1,4)", ["seed=1", "seed=2", "seed=3"]),
        ("training.beta=choice(0,1e-2)", ["training.beta=0", "training.beta=0.01"]),
        ("reward=[math],[math,format]", ["reward=[math]", "reward=[math,format]"]),
        ("experiment=mine_a,addition_format", ["experiment=mine_a", "experiment=addition_format"]),
        ("experiment=glob(mine*)", ["experiment=mine_a", "experiment=mine_b"]),
        ("experiment=glob([mine*,addition*],exclude=*_b)", ["experiment=addition_format", "experiment=mine_a"]),
        ("reward=glob(exact*)", ["reward=exact_match"]),
        ("dataset=glob(gsm8*)", ["dataset=gsm8k"]),
    ],
)  # fmt: skip
def test_what_hydra_varies_is_listed(listed, override, expected):
    assert listed(override) == expected


def test_several_keys_are_combined_and_a_files_own_sweep_counts(listed):
    assert listed("seed=1,2", "experiment=glob(mine*)", "training.beta=0") == [
        f"seed={seed} experiment=mine_{which} training.beta=0" for seed in (1, 2) for which in "ab"
    ]
    assert listed("training.beta=0", params={"seed": "1,2"}) == ["seed=1 training.beta=0", "seed=2 training.beta=0"]


def test_every_experiment_is_found_the_users_own_among_them(listed):
    found = listed("experiment=glob(*)")
    assert {"experiment=mine_a", "experiment=mine_b", "experiment=addition_format"} <= set(found)


def test_a_glob_that_matches_nothing_is_refused(listed):
    with pytest.raises(ConfigError, match=r"experiment=glob\(zz\*\) matches no choice of experiment; it has .*mine_a"):
        listed("experiment=glob(zz*)", "seed=1,2")


@pytest.mark.slow
def test_the_users_experiments_are_run_by_glob(tmp_path, cli):
    own_experiments(tmp_path)
    short = [option for option in SHORT if "max_steps" not in option]
    done = cli("-m", *short, "hydra.sweep.dir=sweep", "experiment=glob(mine*)", "evaluation.baseline=false")
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = json.loads((tmp_path / "sweep" / "sweep.json").read_text())["jobs"]
    assert [job["overrides"][-2] for job in jobs] == ["experiment=mine_a", "experiment=mine_b"]
    trained = [read_records(tmp_path / "sweep" / str(n) / "metrics.jsonl", "train") for n in (0, 1)]
    assert [max(record["step"] for record in records) for records in trained] == [1, 2]

    empty = cli("-m", "experiment=glob(zz*)", "hydra.sweep.dir=empty")
    assert empty.returncode == 2 and "matches no choice of experiment" in empty.stderr
    assert not (tmp_path / "empty").exists()
