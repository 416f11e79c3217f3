"""What generates: engines against each other, continuous batching's own keys, a server's address and its leftovers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

from grpo_cli.config.fields import Field
from grpo_cli.config.groups.rollout import RolloutServerConfig
from grpo_cli.config.schema import fields_of
from grpo_cli.config.suggest import meant_or_known
from grpo_cli.config.trl_fields import class_fields
from grpo_cli.config.values import problem
from grpo_cli.errors import ConfigError
from grpo_cli.preflight.finding import ERROR, WARNING, Finding, from_sentence
from grpo_cli.preflight.situation import Situation
from grpo_cli.rollout.address import URL
from grpo_cli.rollout.engine import USE_CONTINUOUS_BATCHING, USE_VLLM, server_url, uses_server
from grpo_cli.rollout.vllm import supported_versions, version_problem, vllm_version

OPTIONS = "transformers_continuous_batching_config"


def two_engines(situation: Situation) -> Iterator[Finding]:
    """Both engines asked for, of which TRL takes vLLM without a word."""
    if situation.value(USE_VLLM) and situation.training.get(USE_CONTINUOUS_BATCHING) is True:
        yield Finding(
            "rollout.two_engines",
            ERROR,
            f"training.{USE_CONTINUOUS_BATCHING}",
            f"training.{USE_CONTINUOUS_BATCHING}=true and training.{USE_VLLM}={situation.training[USE_VLLM]} ask for "
            "two engines",
            "TRL would take vLLM and ignore the other.",
            (f"training.{USE_CONTINUOUS_BATCHING}=false", f"training.{USE_VLLM}=false"),
        )


def automatic_server(situation: Situation) -> Iterator[Finding]:
    """`use_vllm=auto` decides in the worker, too late to start a server."""
    if situation.training.get(USE_VLLM) == "auto" and situation.training.get("vllm_mode") == "server":
        yield Finding(
            "rollout.automatic_server",
            ERROR,
            f"training.{USE_VLLM}",
            f"training.{USE_VLLM}=auto does not go with training.vllm_mode=server",
            "auto is a colocated engine: whether GPUs are set apart for a server is for you to say.",
            (f"training.{USE_VLLM}=true", "training.vllm_mode=colocate"),
        )


def vllm_version_taken(situation: Situation) -> Iterator[Finding]:
    """A vLLM outside the range that TRL states."""
    supported = supported_versions()
    if situation.training.get(USE_VLLM) is not True or not supported or not situation.installed("vllm"):
        return
    if clause := version_problem(vllm_version()):
        yield Finding(
            "rollout.vllm_version",
            WARNING,
            f"training.{USE_VLLM}",
            clause,
            "TRL calls parts of vLLM that change between releases.",
            ("rollout=transformers",),
            install=f'pip install "vllm>={supported[0]},<={supported[1]}"',
        )


def continuous_batching_on_cpu(situation: Situation) -> Iterator[Finding]:
    """Continuous batching without a GPU: it runs, ten times slower, in half of the memory."""
    if situation.on_cpu and situation.training.get(USE_CONTINUOUS_BATCHING) is True and not situation.value(USE_VLLM):
        bounded = (situation.training.get(OPTIONS) or {}).get("num_blocks")
        yield Finding(
            "rollout.slow_on_cpu",
            WARNING,
            f"training.{USE_CONTINUOUS_BATCHING}",
            "continuous batching on a CPU is several times slower than model.generate"
            + ("" if bounded else ", and takes half of the free memory for its cache"),
            f"The engine is made for GPUs; training.{OPTIONS}.num_blocks bounds its cache.",
            ("rollout=transformers", f"training.{USE_CONTINUOUS_BATCHING}=false"),
        )


@functools.lru_cache(maxsize=1)
def batching_options() -> dict[str, Field]:
    """The options of continuous batching, from the source of the installed transformers."""
    found = class_fields("transformers", "generation/configuration_utils.py", "ContinuousBatchingConfig")
    return {name: dataclasses.replace(field, section=f"training.{OPTIONS}") for name, field in found.items()}


def continuous_batching_options(situation: Situation) -> Iterator[Finding]:
    """Options of continuous batching that do not exist, have the wrong type, or serve nothing."""
    given = situation.training.get(OPTIONS)
    if not isinstance(given, dict) or not given:
        return
    if situation.value(USE_VLLM) or not situation.value(USE_CONTINUOUS_BATCHING):
        yield Finding(
            "rollout.unused_options",
            WARNING,
            f"training.{OPTIONS}",
            f"training.{OPTIONS} configures continuous batching, which this run does not use",
            "It has no effect.",
            (f"training.{OPTIONS}=null", "rollout=continuous_batching"),
        )
        return
    known = batching_options()
    for name, value in given.items():
        key = f"training.{OPTIONS}.{name}"
        if name not in known:
            hint = meant_or_known(name, known)
            yield Finding(
                "rollout.option",
                ERROR,
                key,
                f"{key}: no such option of continuous batching{hint}".rstrip("."),
                "transformers refuses it once the model is loaded.",
                (f"training.{OPTIONS}=null",),
            )
        elif sentence := problem(known[name], value):
            yield Finding(
                "rollout.option",
                ERROR,
                key,
                sentence.rstrip("."),
                "transformers would fail in the first generation.",
                (f"training.{OPTIONS}=null",),
            )


def server_address(situation: Situation) -> Iterator[Finding]:
    """An address that is none, that contradicts another, or that nothing uses."""
    url = situation.config["rollout"]["url"]
    if url and not URL.fullmatch(url):
        yield Finding(
            "rollout.url",
            ERROR,
            "rollout.url",
            f"rollout.url={url} is no address of a server",
            "It is http:// or https://, a host and a port.",
            (f"rollout.url=http://{url}",) if URL.fullmatch(f"http://{url}") else ("rollout.url=null",),
        )
        return
    try:
        server_url(situation.config)
    except ConfigError as error:
        yield from_sentence("rollout.two_urls", str(error), why="Weights go to one server, completions come from it.")
        return
    if url and not uses_server(situation.training):
        yield Finding(
            "rollout.unused_url",
            ERROR,
            "rollout.url",
            f"rollout.url={url} names a server and this run generates without one",
            "The completions would come from the training process.",
            ("training.use_vllm=true training.vllm_mode=server", "rollout.url=null"),
        )


def server_settings(situation: Situation) -> Iterator[Finding]:
    """Settings of a server that this run does not start."""
    server = situation.config["rollout"]["server"]
    defaults = {name: field.default for name, field in fields_of("rollout.server", RolloutServerConfig).items()}
    given = [name for name, default in defaults.items() if server[name] != default]
    if not given:
        return
    joined = uses_server(situation.training)
    if joined and server_url(situation.config) is None:
        return
    listed = ", ".join(f"rollout.server.{name}" for name in given)
    plain = {"gpus": "1", "port": "auto", "args": "{}", "env": "{}", "command": "null"}
    unset = " ".join(f"rollout.server.{name}={plain[name]}" for name in given)
    yield Finding(
        "rollout.unused_server",
        WARNING,
        f"rollout.server.{given[0]}",
        f"{listed} configures a server that this run does not start"
        + (", since it joins a running one" if joined else ""),
        "It has no effect.",
        (unset,),
    )


def eight_bits(situation: Situation) -> Iterator[Finding]:
    """A base model in 8 bits, which vLLM cannot take (`VLLMGeneration` raises)."""
    peft = situation.config["peft"]
    if situation.value(USE_VLLM) and peft["method"] == "qlora" and peft["bits"] == 8:
        yield Finding(
            "rollout.eight_bits",
            ERROR,
            "peft.bits",
            "peft.bits=8 does not go with vLLM, which cannot quantize to 8 bits while it loads",
            "TRL refuses it after loading the model.",
            ("peft.bits=4", "rollout=transformers"),
        )


RULES = (
    two_engines,
    automatic_server,
    vllm_version_taken,
    continuous_batching_on_cpu,
    continuous_batching_options,
    server_address,
    server_settings,
    eight_bits,
)
