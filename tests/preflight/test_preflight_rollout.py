"""What generation cannot be: refused or warned of, with a fix that, pasted, passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from grpo_cli.config.places import conf_dir
from grpo_cli.errors import ConfigError
from grpo_cli.preflight.finding import ERROR, WARNING, Finding
from grpo_cli.preflight.rules import rollout
from grpo_cli.rollout.engine import auto_continuous_batching, auto_vllm
from grpo_cli.rollout.gpus import share_gpus
from grpo_cli.rollout.vllm import supported_versions, version_problem

ALL = {"installed": lambda package: True}
SERVER = "rollout=vllm_server"
OPTIONS = "+training.transformers_continuous_batching_config"
# Overrides, machine, code, severity, words of the finding.
CASES: list[tuple[str, str, str, str, str]] = [
    (
        SERVER,
        "a100",
        "hardware.launch",
        ERROR,
        "needs two GPUs or more, one of them for the server, and one is visible",
    ),
    (f"{SERVER} rollout.server.gpus=4", "a100x4", "hardware.launch", ERROR, "leaves none of the 4 visible GPUs"),
    (f"{SERVER} launch.num_processes=4", "a100x4", "hardware.launch", ERROR, "need 5 GPUs and 4 are visible"),
    (f"{SERVER} launch=multi_gpu rollout.server.gpus=3", "a100x4", "hardware.launch", ERROR, "leave one of the 4"),
    (SERVER, "cpu", "hardware.needs_gpu", ERROR, "needs a GPU"),
    (f"{SERVER} rollout.url=node7:8000", "a100", "rollout.url", ERROR, "is no address of a server"),
    (
        f"{SERVER} rollout.url=http://a:1 training.vllm_server_base_url=http://b:1",
        "a100",
        "rollout.two_urls",
        ERROR,
        "name two servers",
    ),
    ("rollout.url=http://node7:8000", "a100", "rollout.unused_url", ERROR, "this run generates without one"),
    ("rollout.server.gpus=2", "a100", "rollout.unused_server", WARNING, "a server that this run does not start"),
    (
        f"{SERVER} rollout.url=http://node7:8000 rollout.server.port=9000",
        "a100",
        "rollout.unused_server",
        WARNING,
        "joins a running one",
    ),
    (
        "rollout=vllm_colocate training.use_transformers_continuous_batching=true",
        "a100",
        "rollout.two_engines",
        ERROR,
        "ask for two engines",
    ),
    ("rollout=auto training.vllm_mode=server", "a100x4", "rollout.automatic_server", ERROR, "does not go with"),
    ("rollout=continuous_batching", "cpu", "rollout.slow_on_cpu", WARNING, "several times slower"),
    (f"rollout=continuous_batching {OPTIONS}.page_sise=8", "a100", "rollout.option", ERROR, "did you mean 'page_size'"),
    (f"rollout=continuous_batching {OPTIONS}.num_blocks=few", "a100", "rollout.option", ERROR, "a whole number"),
    (f"{OPTIONS}.num_blocks=64", "a100", "rollout.unused_options", WARNING, "does not use"),
    ("rollout=vllm_colocate peft=qlora peft.bits=8", "a100", "rollout.eight_bits", ERROR, "does not go with vLLM"),
    ("peft=dora peft.merge=false", "cpu", "peft.kept_dora", WARNING, "loses the magnitudes"),
    ("peft=qlora", "cpu", "hardware.needs_gpu", ERROR, "peft=qlora needs an NVIDIA GPU"),
]


@pytest.mark.parametrize(
    ("overrides", "on", "code", "severity", "words"), CASES, ids=[c[0] + " " + c[1] for c in CASES]
)
def test_it_is_found_and_the_fix_passes(
    findings: Callable[..., list[Finding]],
    pasted: Callable[[list[str], str], list[str]],
    overrides: str,
    on: str,
    code: str,
    severity: str,
    words: str,
) -> None:
    given = overrides.split()
    found = [finding for finding in findings(*given, on=on, **ALL) if finding.code == code]
    assert [finding.severity for finding in found] == [severity], found
    assert words in found[0].sentence
    assert found[0].fixes, "every one of these has a way out"
    for fix in found[0].fixes:
        if "<" in fix:
            continue
        again = [f.code for f in findings(*pasted(given, fix), on=on, **ALL) if f.severity == ERROR]
        assert not again, (fix, again)


def test_a_missing_bitsandbytes_comes_with_its_command(findings: Callable[..., list[Finding]]) -> None:
    found = findings("peft=qlora", on="a100", installed=lambda package: package != "bitsandbytes")
    assert [(f.code, f.install) for f in found] == [("packages.missing", "pip install bitsandbytes")]


def test_a_vllm_of_the_wrong_version_is_named(
    findings: Callable[..., list[Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = supported_versions() or ("", "")
    monkeypatch.setattr(rollout, "vllm_version", lambda: "0.11.0")
    found = [f for f in findings("rollout=vllm_colocate", on="a100", **ALL) if f.code == "rollout.vllm_version"]
    assert found and f"vllm 0.11.0 is installed and TRL takes {first} to {last}" in found[0].what
    assert found[0].install == f'pip install "vllm>={first},<={last}"'


def test_the_versions_are_those_that_trl_takes() -> None:
    """TRL warns of a version exactly where we do."""
    import warnings

    from trl import import_utils

    first, last = supported_versions() or ("", "")
    for version in ("0.1.0", first, f"{first}+cu129", last, f"{last}+cu130", "99.0.0"):
        with warnings.catch_warnings(record=True) as caught, pytest.MonkeyPatch.context() as patch:
            warnings.simplefilter("always")
            patch.setattr(import_utils, "_is_package_available", lambda *_, v=version, **__: (True, v))
            import_utils.is_vllm_available()
        assert bool(caught) == bool(version_problem(version)), version


@pytest.mark.parametrize(
    ("on_cpu", "installed", "version", "vllm", "batching"),
    [
        (True, True, "0.25.0", False, False),
        (False, False, None, False, True),
        (False, True, "0.25.0", True, False),
        (False, True, "0.11.0", False, True),  # installed, but not in a version TRL takes
        (False, True, None, True, False),
    ],
)
def test_auto_takes_vllm_then_continuous_batching_then_transformers(
    on_cpu: bool, installed: bool, version: str | None, vllm: bool, batching: bool
) -> None:
    first = auto_vllm(on_cpu=on_cpu, installed=installed, version=version)
    second = auto_continuous_batching(use_vllm=first.value, cuda=not on_cpu)
    assert (first.value, second.value) == (vllm, batching)
    assert first.why and second.why


def test_sharded_weights_keep_auto_from_continuous_batching() -> None:
    choice = auto_continuous_batching(use_vllm=False, cuda=True, sharding="fsdp2")
    assert not choice.value and "fsdp2" in choice.why


def test_the_rule_stands_in_the_config() -> None:
    text = (conf_dir() / "rollout" / "auto.yaml").read_text()
    assert text.index("vLLM") < text.index("continuous batching") < text.index("model.generate")


def test_the_server_gets_the_last_gpus_and_the_trainer_the_others(situate: Callable[..., Any], machines: Any) -> None:
    situation = situate(SERVER, "rollout.server.gpus=2", on="a100x4", **ALL)
    assert [gpu.token for gpu in situation.gpus] == ["0", "1"] and situation.world_size == 2
    _, servers = share_gpus(situation.config, machines["a100x4"])
    assert [gpu.token for gpu in servers] == ["2", "3"]


def test_without_a_server_every_gpu_is_the_trainers(situate: Callable[..., Any], machines: Any) -> None:
    for words in (["rollout=vllm_colocate"], [SERVER, "rollout.url=http://node7:8000"]):
        config = situate(*words, on="a100x4", **ALL).config
        assert share_gpus(config, machines["a100x4"]) == (machines["a100x4"], ())


def test_a_torch_without_cuda_has_no_gpu_to_share(situate: Callable[..., Any], machines: Any) -> None:
    machine = replace(machines["a100x4"], torch_cuda=None)
    assert share_gpus(situate(SERVER, on="a100x4", **ALL).config, machine) == (machine, ())


def test_a_server_beside_several_nodes_is_refused(situate: Callable[..., Any], machines: Any) -> None:
    config = situate(SERVER, on="a100x4", **ALL).config
    config["launch"]["nodes"] = {"count": 2}
    with pytest.raises(ConfigError, match="start the server yourself"):
        share_gpus(config, machines["a100x4"])
