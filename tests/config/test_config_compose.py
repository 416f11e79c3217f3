"""Composition: what a job gets, and Hydra's own habits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from grpo_cli.config.compose import discard_empty, run_folder
from grpo_cli.config.places import choices, conf_dir, groups
from grpo_cli.errors import ConfigError, RunError

HEAVY = ("torch", "transformers", "trl", "datasets", "accelerate", "peft", "numpy", "pandas")


def test_training_keys_need_no_plus(compose: Callable) -> None:
    [(cfg, overrides)] = compose("training.beta=0.04", "model.revision=main")
    assert cfg.training.beta == 0.04
    assert cfg.model.revision == "main"
    assert overrides == ["training.beta=0.04", "model.revision=main"]


def test_settings_for_the_embedded_model_stay_with_it(compose: Callable) -> None:
    [(embedded, _)] = compose()
    [(other, _)] = compose("model=hub", "model.name=some/model")
    assert embedded.training.max_steps == 100
    assert "max_steps" not in other.training and "learning_rate" not in other.training


def test_command_line_beats_debug_beats_experiment_beats_groups(compose: Callable, workdir: Path) -> None:
    (workdir / "conf" / "experiment").mkdir(parents=True)
    (workdir / "conf" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ntraining:\n  max_steps: 7\n  learning_rate: 1e-4\n  beta: 0.1\n"
    )
    [(cfg, _)] = compose("experiment=mine", "debug=smoke", "training.beta=0.2")
    assert (cfg.training.learning_rate, cfg.training.max_steps, cfg.training.beta) == (1e-4, 2, 0.2)


def test_user_conf_adds_but_does_not_replace(compose: Callable, workdir: Path) -> None:
    for name, text in {"mine": "method: lora\nr: 4\n", "none": "method: qlora\n"}.items():
        file = workdir / "conf" / "peft" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    [(cfg, _)] = compose("peft=mine")
    assert cfg.peft.r == 4
    [(cfg, _)] = compose()
    assert cfg.peft.method == "none"
    assert "mine" in choices("peft") and "peft" in groups()


def test_config_name_and_config_dir(compose: Callable, workdir: Path) -> None:
    (workdir / "recipes").mkdir()
    (workdir / "recipes" / "mine.yaml").write_text("defaults:\n  - train\n  - _self_\nname: mine\n")
    [(cfg, _)] = compose("--config-dir", "recipes", "--config-name", "mine", "seed=3")
    assert (cfg.name, cfg.seed, cfg.training.seed) == ("mine", 3, 3)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
        ("./some where/model", "./some where/model"),
        ("local", "local"),
    ],
)
def test_model_by_hub_id_or_folder(compose: Callable, workdir: Path, given: str, name: str) -> None:
    (workdir / "local").mkdir()
    [(cfg, _)] = compose(f"model={given}")
    assert cfg.model.name == name


def test_dataset_by_file(compose: Callable) -> None:
    [(cfg, overrides)] = compose("dataset=rows.jsonl")
    assert cfg.dataset.path == "rows.jsonl"
    assert overrides == ["dataset=custom", "dataset.path=rows.jsonl"]


def test_multirun_over_models_by_id(compose: Callable) -> None:
    jobs = compose("-m", "model=a/b,c/d", "seed=1,2")
    assert [(c.model.name, c.seed) for c, _ in jobs] == [("a/b", 1), ("a/b", 2), ("c/d", 1), ("c/d", 2)]


def test_hydra_mode_multirun_without_the_option(compose: Callable) -> None:
    assert len(compose("hydra.mode=MULTIRUN", "seed=1,2,3")) == 3


def test_reward_sets_can_be_swept_and_tuned(compose: Callable) -> None:
    jobs = compose("-m", "reward=[exact_match],[exact_match,format]", "reward.exact_match.weight=2")
    assert [list(cfg.reward) for cfg, _ in jobs] == [["exact_match"], ["exact_match", "format"]]
    assert all(cfg.reward.exact_match.weight == 2 for cfg, _ in jobs)


def test_resume_applies_recorded_overrides_first(compose: Callable, workdir: Path) -> None:
    run = workdir / "outputs" / "grpo" / "before"
    run.mkdir(parents=True)
    recorded = ["model=hub", "model.name=a/b", "training.beta=0.1", "seed=5", "resume=never"]
    (run / "overrides.yaml").write_text(OmegaConf.to_yaml(recorded))
    [(cfg, overrides)] = compose(f"resume={run}", "seed=6")
    assert (cfg.model.name, cfg.training.beta, cfg.seed, cfg.resume) == ("a/b", 0.1, 6, str(run))
    assert overrides.count("resume=never") == 0
    [(cfg, _)] = compose(f"resume={run}", "model=embedded")
    assert cfg.model.name == "embedded"


def test_job_errors_arrive_as_they_were_raised(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grpo_cli.config import compose as module

    def job(cfg: object, overrides: list[str]) -> float:
        assert os.environ.get("HYDRA_FULL_ERROR") is None  # children must not inherit it
        (run_folder() / "result.json").write_text("{}")
        raise RunError("the model caught fire")

    monkeypatch.setattr(sys, "argv", ["grpo-train"])
    with pytest.raises(RunError, match="caught fire"):
        module.run([], job)
    assert os.environ.get("HYDRA_FULL_ERROR") is None
    assert len(list(workdir.glob("outputs/grpo/*/result.json"))) == 1


def test_wrong_config_leaves_other_runs_alone(compose: Callable, workdir: Path) -> None:
    other = workdir / "outputs" / "grpo" / "other"
    other.mkdir(parents=True)
    (other / "result.json").write_text("{}")
    with pytest.raises(ConfigError):
        compose("training.beta=x")
    assert [p.name for p in (workdir / "outputs" / "grpo").iterdir()] == ["other"]


def test_discard_empty_stops_at_the_top(workdir: Path) -> None:
    folder = workdir / "top" / "name" / "stamp"
    folder.mkdir(parents=True)
    discard_empty(folder, workdir / "top")
    assert workdir.exists() and not (workdir / "top").exists()
    folder.mkdir(parents=True)
    (folder / "kept").write_text("")
    discard_empty(folder, workdir / "top")
    assert (folder / "kept").exists()


PRESETS = [
    (group, choice)
    for group in groups()
    if (conf_dir() / group).is_dir()
    for choice in choices(group)
    if group not in ("experiment", "reward", "dataset")  # their own strands' tests compose these
]


@pytest.mark.parametrize(("group", "choice"), PRESETS, ids=["=".join(p) for p in PRESETS])
def test_every_choice_of_every_group_is_valid(compose: Callable, group: str, choice: str) -> None:
    needs = {"model=hub": ["model.name=some/model"]}.get(f"{group}={choice}", [])
    [(cfg, _)] = compose(f"{group}={choice}", *needs)
    assert cfg.seed == 42


@pytest.mark.parametrize("choice", choices("experiment"))
def test_every_experiment_is_valid(compose: Callable, choice: str) -> None:
    assert len(compose(f"experiment={choice}")) >= 1


@pytest.mark.parametrize("choice", choices("reward"))
def test_every_reward_is_valid_or_names_what_it_needs(compose: Callable, choice: str) -> None:
    try:
        compose(f"reward=[{choice}]")
    except ConfigError as e:
        assert all("must be set" in problem for problem in e.problems)


def test_every_training_field_is_accepted_at_its_default() -> None:
    from grpo_cli.config.schema import sections
    from grpo_cli.config.values import problem

    for field in sections()["training"].values():
        assert problem(field, field.default) is None, field.key


def _python(workdir: Path, code: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=workdir,
        env={**os.environ, "PYTHONPATH": str(conf_dir().parent), **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    "argv",
    [["--cfg", "job"], ["training.lerning_rate=1"], ["--help"], ["--fields", "beta"], ["-sc", "query=bash"]],
)
def test_no_heavy_module_is_imported(workdir: Path, argv: list[str]) -> None:
    light_only = ("hydra", "omegaconf", "rich") if argv[0] in ("--help", "--fields") else ()
    code = (
        f"import sys; sys.argv = ['grpo-train', *{argv!r}]\n"
        "from grpo_cli.commands.train import main\n"
        "main()\n"
        f"print('LOADED', [m for m in {HEAVY + light_only!r} if m in sys.modules])"
    )
    out = _python(workdir, code, COMP_LINE="grpo-train training.vllm_s", COMP_POINT="26")
    assert out.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("grpo-train mod", "model="),
        ("grpo-train model=e", "model=embedded"),
        ("grpo-train training.vllm_server_p", "training.vllm_server_port="),
        ("grpo-train training.max_comp", "training.max_completion_length="),
        ("grpo-train evaluation.ev", "evaluation.every="),
    ],
)
def test_tab_completion_knows_groups_and_all_keys(workdir: Path, line: str, expected: str) -> None:
    code = (
        "import sys; sys.argv = ['grpo-train', '-sc', 'query=bash']\nfrom grpo_cli.commands.train import main\nmain()"
    )
    assert expected in _python(workdir, code, COMP_LINE=line).split()
