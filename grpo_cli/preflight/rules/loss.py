"""Loss variants, importance sampling, clipping, reference model: what contradicts what."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding
from grpo_cli.preflight.situation import Situation

_CLIPPED = ("grpo", "bnpo", "dr_grpo", "dapo", "luspo")


def importance_level(situation: Situation) -> Iterator[Finding]:
    """Loss variant against the level of importance sampling (TRL only logs it)."""
    loss, level = situation.value("loss_type"), situation.value("importance_sampling_level")
    if loss == "luspo" and level != "sequence":
        yield Finding(
            "loss.luspo_level",
            WARNING,
            "training.importance_sampling_level",
            f"training.loss_type=luspo with training.importance_sampling_level={level} is not LUSPO",
            "LUSPO is defined on sequence-level ratios (arXiv 2602.05261).",
            ("training.importance_sampling_level=sequence", "algorithm=luspo"),
        )
    if loss == "vespo" and level != "token":
        yield Finding(
            "loss.vespo_level",
            WARNING,
            "training.importance_sampling_level",
            f"training.loss_type=vespo with training.importance_sampling_level={level} weighs sequences twice",
            "VESPO forms the sequence weight itself out of token ratios.",
            ("training.importance_sampling_level=token",),
        )
    if level == "sequence" and loss in ("bnpo", "dr_grpo", "dapo", "cispo"):
        yield Finding(
            "loss.sequence_level",
            WARNING,
            "training.loss_type",
            f"training.importance_sampling_level=sequence with training.loss_type={loss} weighs each completion by its "
            "length",
            "These losses sum over tokens; GSPO (arXiv 2507.18071) takes one term a completion, which is "
            "loss_type=grpo.",
            ("training.loss_type=grpo", "training.importance_sampling_level=token", "algorithm=gspo"),
        )


def clipping(situation: Situation) -> Iterator[Finding]:
    """The bounds of the clip."""
    loss, low, high = (situation.value(key) for key in ("loss_type", "epsilon", "epsilon_high"))
    if high is not None and high <= 0:
        yield Finding(
            "loss.epsilon",
            ERROR,
            "training.epsilon_high",
            f"training.epsilon_high={high} must be above 0",
            "The ratio of a step's first pass is 1, so good completions would be clipped at once.",
            ("training.epsilon_high=null",),
        )
        return
    if low >= 1 and loss in _CLIPPED:
        yield Finding(
            "loss.epsilon_wide",
            WARNING,
            "training.epsilon",
            f"training.epsilon={low} clips no ratio from below",
            "A ratio is never under 0, so 1 - epsilon must be above it for the clip to do anything.",
            ("training.epsilon=0.2",),
        )
    if high is not None and high < low and loss in _CLIPPED:
        yield Finding(
            "loss.epsilon_order",
            WARNING,
            "training.epsilon_high",
            f"training.epsilon_high={high} is below training.epsilon={low}",
            "The upper bound is meant to be the wider one (clip-higher, arXiv 2503.14476): rare tokens can then rise.",
            (f"training.epsilon_high={low}", "training.epsilon_high=null"),
        )
    if loss == "cispo" and high is None:
        yield Finding(
            "loss.cispo_bound",
            WARNING,
            "training.epsilon_high",
            f"training.loss_type=cispo clips importance weights at training.epsilon_high, which is {low} by default",
            "CISPO's bound is on the weight itself, not on its distance from 1: at 0.2 every weight is cut to 0.2.",
            ("training.epsilon_high=5.0", "algorithm=cispo"),
        )
    delta = situation.value("delta")
    if delta is not None and loss in _CLIPPED and delta <= 1 + (high if high is not None else low):
        bound = high if high is not None else low
        yield Finding(
            "loss.delta",
            WARNING,
            "training.delta",
            f"training.delta={delta} must exceed 1 + epsilon = {1 + bound:g} to bound what the clip does not",
            "Below that it replaces the clip (two-sided clipping, arXiv 2505.07291).",
            ("training.delta=4.0", "training.delta=null"),
        )
    elif delta is not None and loss not in _CLIPPED:
        yield Finding(
            "loss.delta_ignored",
            WARNING,
            "training.delta",
            f"training.delta has no effect with training.loss_type={loss}",
            f"Only {', '.join(_CLIPPED)} use it.",
            ("training.delta=null", "training.loss_type=grpo"),
        )


def reference(situation: Situation) -> Iterator[Finding]:
    """Keys of the reference model without one."""
    beta, adapter = situation.value("beta"), situation.config["peft"]["method"] != "none"
    if not situation.value("sync_ref_model"):
        return
    if adapter:
        yield Finding(
            "loss.sync_with_adapter",
            ERROR,
            "training.sync_ref_model",
            "training.sync_ref_model=true does not work with an adapter",
            "The reference is then the model without its adapter; there is no copy to synchronize, and TRL refuses it.",
            ("training.sync_ref_model=false", "peft=none"),
        )
    elif beta == 0:
        yield Finding(
            "loss.sync_without_reference",
            ERROR,
            "training.sync_ref_model",
            "training.sync_ref_model=true needs a reference model, and training.beta=0 has none",
            "TRL refuses it after the model is loaded.",
            ("training.sync_ref_model=false", "training.beta=0.04"),
        )


def entropy(situation: Situation) -> Iterator[Finding]:
    """The share of tokens that is trained, by their entropy."""
    quantile = situation.value("top_entropy_quantile")
    if quantile == 0:
        yield Finding(
            "loss.top_entropy",
            ERROR,
            "training.top_entropy_quantile",
            "training.top_entropy_quantile=0 trains no token at all",
            "It is the share of tokens that is trained; 1 trains all, 0.2 the fifth with the highest entropy.",
            ("training.top_entropy_quantile=1.0", "training.top_entropy_quantile=0.2"),
        )


def weights(situation: Situation) -> Iterator[Finding]:
    """Ways of joining rewards that need several of them."""
    rewards = situation.config["reward"]
    if situation.value("multi_objective_aggregation") == "normalize_then_sum" and len(rewards) == 1:
        yield Finding(
            "loss.one_objective",
            NOTE,
            "training.multi_objective_aggregation",
            "training.multi_objective_aggregation=normalize_then_sum with one reward is the usual normalization",
            "GDPO (arXiv 2601.05242) keeps several rewards apart.",
        )
    trained = [name for name, entry in rewards.items() if entry.get("weight", 1.0) < 0]
    if trained and len(trained) == len(rewards):
        yield Finding(
            "loss.negative_weights",
            WARNING,
            f"reward.{trained[0]}.weight",
            "all reward weights are negative, so the policy learns to score low",
            "A penalty usually returns negative numbers and has a positive weight.",
            (" ".join(f"reward.{name}.weight={abs(rewards[name]['weight'])}" for name in trained),),
        )


def ratio_stays_one(situation: Situation) -> Iterator[Finding]:
    """A changed clip in a purely on-policy run, where no ratio leaves 1."""
    if not situation.sizes_valid or situation.value("use_vllm"):
        return
    plan = situation.batch
    on_policy = plan.num_iterations == 1 and plan.steps_per_generation <= plan.gradient_accumulation_steps
    if on_policy and any(situation.is_set(key) for key in ("epsilon", "delta")):
        yield Finding(
            "loss.on_policy",
            NOTE,
            "training.epsilon",
            "each generation is used for one optimizer step, so every ratio is 1 and the clip never acts",
            "training.num_iterations or training.steps_per_generation above training.gradient_accumulation_steps reuse "
            "completions.",
        )


RULES = (importance_level, clipping, reference, entropy, weights, ratio_stays_one)
