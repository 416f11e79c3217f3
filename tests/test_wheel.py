"""The wheel: small, with all it needs inside, and able to train from an empty directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import grpo_cli

REPOSITORY = Path(__file__).resolve().parents[1]
MOST_BYTES = 2_000_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The `grpo-train` of a fresh environment: the wheel's own package, the other packages borrowed from here."""
    root = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
    python = root / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    (site,) = root.glob("lib/python*/site-packages")
    # A plain path, behind the environment's own packages; .pth files in there (an editable install) have no effect.
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    return root / "bin" / "grpo-train"


def grpo_train(program: Path, folder: Path, *arguments: str) -> str:
    """Run it in a folder, with nothing of this checkout to be found; gives what it printed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"HF_HUB_OFFLINE": "1", "COLUMNS": "120"}
    done = subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_is_small_and_holds_the_configs_and_the_model(wheel):
    assert wheel.stat().st_size < MOST_BYTES
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = {f"grpo_cli/{p.relative_to(REPOSITORY)}" for p in (REPOSITORY / "conf").rglob("*.yaml")}
    assert tracked <= names
    assert {"grpo_cli/assets/embedded/model.safetensors", "grpo_cli/assets/embedded/tokenizer.json"} <= names
    assert {"grpo_cli/report/assets/page.css", "grpo_cli/report/assets/browser.js"} <= names
    plugins = ("hydra_plugins/grpo_train_slots/", "hydra_plugins/grpo_train_optuna/")
    ours = ("grpo_cli/", *plugins, f"grpo_train-{grpo_cli.__version__}.")
    assert {f"{plugins[0]}launcher.py", f"{plugins[1]}sweeper.py"} <= names
    assert not [name for name in names if not name.startswith(ours)]


def test_it_answers_and_composes_from_an_empty_directory(installed, tmp_path):
    assert grpo_train(installed, tmp_path, "--version") == f"grpo-train {grpo_cli.__version__}\n"
    assert "learning_rate: 0.0005" in grpo_train(installed, tmp_path, "--cfg", "job")
    assert list(tmp_path.iterdir()) == []


def test_it_trains_from_an_empty_directory(installed, tmp_path):
    small = ["training.max_steps=2", "training.per_device_train_batch_size=16", "evaluation.limit=8", "display=plain"]
    printed = grpo_train(installed, tmp_path, *small, "hydra.run.dir=run")
    assert "completed" in printed
    assert json.loads((tmp_path / "run" / "result.json").read_text())["step"] == 2
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()
    provenance = json.loads((tmp_path / "run" / "provenance.json").read_text())
    # What ran was the installed package, not this checkout.
    source = Path(provenance["rewards"]["exact_match"]["file"])
    assert installed.parents[1] in source.parents
