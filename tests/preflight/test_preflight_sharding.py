import pytest

from grpo_cli.preflight.finding import ERROR

FSDP2 = ["launch=fsdp2"]


@pytest.mark.parametrize(
    ("overrides", "code", "says"),
    [
        ([*FSDP2, "training.fsdp=full_shard"], "sharding.set_twice", "both say how the model is sharded"),
        (["launch=deepspeed_zero2", "training.deepspeed=ds.json"], "sharding.set_twice", "training.deepspeed and"),
        ([*FSDP2, "peft=qlora"], "sharding.qlora", "cannot be sharded"),
        (
            [*FSDP2, "launch.fsdp.cpu_ram_efficient_loading=true", "training.beta=0.04"],
            "sharding.reference",
            "reference model",
        ),
        (
            [*FSDP2, "launch.fsdp.activation_checkpointing=true", "training.gradient_checkpointing=true"],
            "sharding.checkpointing",
            "both true",
        ),
        ([*FSDP2, "rollout=continuous_batching"], "sharding.continuous_batching", "casts the weights in place"),
    ],
)
def test_what_does_not_go_with_sharding_is_found_and_the_fix_passes(findings, pasted, overrides, code, says):
    def found(lines):
        return [f for f in findings(*lines, on="a100x4", installed=lambda package: True) if f.code == code]

    (finding,) = found(overrides)
    assert finding.severity == ERROR
    assert says in finding.sentence
    assert finding.fixes
    for fix in finding.fixes:
        assert not found(pasted(overrides, fix)), fix


def test_deepspeed_needs_its_package(findings):
    (found,) = [f for f in findings("launch=deepspeed_zero3", on="a100x4") if f.severity == ERROR]
    assert found.sentence.startswith("launch.sharding=zero3 needs the package deepspeed")
    assert "pip install deepspeed" in found.sentence


@pytest.mark.parametrize("profile", ["fsdp2", "deepspeed_zero1", "deepspeed_zero2", "deepspeed_zero3"])
def test_the_profiles_pass(findings, profile):
    found = findings(f"launch={profile}", on="a100x4", installed=lambda package: True)
    assert not [f.sentence for f in found if f.severity == ERROR]
