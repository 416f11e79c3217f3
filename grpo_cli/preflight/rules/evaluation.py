"""The objective, the metric of the best model, evaluation settings: names that will not exist, sets that are empty."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.config.evaluation import as_entry, no_tag_column
from grpo_cli.config.suggest import nearest
from grpo_cli.data.check import columns_here
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.metrics import metric_names
from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding
from grpo_cli.preflight.objective import list_problems, settle_metric, settle_selection, train_metrics
from grpo_cli.preflight.situation import Situation
from grpo_cli.runs.objectives import as_list

# Of a Trainer's own, beside what TRL logs.
_OF_THE_TRAINER = ("eval_loss", "eval_runtime", "eval_samples_per_second", "eval_steps_per_second")


def objective(situation: Situation) -> Iterator[Finding]:
    """A metric that this run will not have; a list that does not hold together."""
    config = situation.config
    why = "A sweep compares its jobs by it, and would compare nothing."
    wanted = as_list(config["objective"])
    taken = {metric_names(config)[0] if name == "auto" and metric_names(config) else name for name in wanted}
    for name in wanted:
        try:
            settle_metric(config, name)
        except ConfigError as error:
            names = metric_names(config)
            meant = nearest(name, [*names, *train_metrics(config["reward"])])
            others = [other for other in dict.fromkeys((meant, *names[:1])) if other and other not in taken]
            lists = [[other if each == name else each for each in wanted] for other in others]
            fixes = tuple(f"objective={each[0] if len(each) == 1 else '[' + ','.join(each) + ']'}" for each in lists)
            for sentence in error.problems:
                shown = sentence.rstrip(".?")
                yield Finding("evaluation.objective", ERROR, "objective", shown, why, fixes, said=sentence)
    for key, sentence, instead in list_problems(config):
        why = "Jobs are compared by each objective in its own direction."
        shown = sentence.rstrip(".")
        yield Finding("evaluation.objectives", ERROR, key, shown, why, (instead,), said=sentence)


def selection(situation: Situation) -> Iterator[Finding]:
    """What early stopping and the best model go by, and whether it is ever measured."""
    settings = situation.config["evaluation"]
    for part, does in (("early_stopping", "stops training"), ("best", "chooses a checkpoint")):
        key = f"evaluation.{part}.metric"
        try:
            metric = settle_selection(situation.config, part)
        except ConfigError as error:
            names = metric_names(situation.config)
            for sentence in error.problems:
                yield Finding(
                    f"evaluation.{part}",
                    ERROR,
                    key,
                    sentence.rstrip(".?"),
                    "It would be looked for after the first evaluation, and not be there.",
                    tuple(f"{key}={name}" for name in names[:1]),
                    said=sentence,
                )
            continue
        if metric and not settings["every"]:
            yield Finding(
                f"evaluation.{part}_never",
                ERROR,
                "evaluation.every",
                f"{key}={metric} {does} by evaluations while training, and evaluation.every=null makes none",
                "Only the models before and after training would be measured.",
                ("evaluation.every=0.1", f"{key}=null"),
            )


def best_model(situation: Situation) -> Iterator[Finding]:
    """`metric_for_best_model`, which transformers looks for only after the first evaluation."""
    value = situation.value
    metric, strategy = value("metric_for_best_model"), value("eval_strategy")
    wanted = metric or value("load_best_model_at_end") or value("save_strategy") == "best"
    if not wanted:
        return
    if strategy == "no":
        key = "load_best_model_at_end" if value("load_best_model_at_end") else "metric_for_best_model"
        key = "save_strategy" if value("save_strategy") == "best" else key
        off = {"load_best_model_at_end": "false", "save_strategy": "steps", "metric_for_best_model": "null"}
        severity = WARNING if key == "metric_for_best_model" else ERROR
        yield Finding(
            "evaluation.best_without_evaluation",
            severity,
            f"training.{key}",
            f"training.{key}={value(key)} compares evaluations, and training.eval_strategy=no makes none",
            "The best of nothing is never chosen. (This program's own evaluation chooses among checkpoints by "
            "evaluation.best.metric.)",
            (
                f"training.{key}={off[key]}",
                f"training.eval_strategy=steps training.eval_steps={int(value('save_steps')) or 50}"
                + ("" if metric else " training.metric_for_best_model=reward"),
            ),
        )
        return
    if value("load_best_model_at_end") and value("save_strategy") not in ("best", strategy):
        yield Finding(
            "evaluation.best_strategies",
            ERROR,
            "training.save_strategy",
            f"training.load_best_model_at_end=true needs training.save_strategy={value('save_strategy')} to be "
            f"training.eval_strategy={strategy}",
            "A model can only be loaded if it was saved when it was measured; transformers refuses it.",
            (f"training.save_strategy={strategy}", "training.load_best_model_at_end=false"),
        )
    elif value("load_best_model_at_end") and strategy == "steps" and value("save_strategy") == "steps":
        every, save = value("eval_steps") or value("logging_steps"), value("save_steps")
        if every and save and save % every:
            yield Finding(
                "evaluation.best_steps",
                ERROR,
                "training.save_steps",
                f"training.save_steps={save} is not a multiple of training.eval_steps={every}",
                "With load_best_model_at_end every saved model must have been measured; transformers refuses it.",
                (f"training.save_steps={max(every, round(save / every) * every)}", f"training.eval_steps={save}"),
            )
    yield from _metric_name(situation, str(metric or ("reward" if value("save_strategy") == "best" else "loss")))


def _metric_name(situation: Situation, metric: str) -> Iterator[Finding]:
    name = metric if metric.startswith("eval_") else f"eval_{metric}"
    known = [f"eval_{one}" for one in train_metrics(situation.config["reward"])] + list(_OF_THE_TRAINER)
    if name == "eval_loss" and not situation.value("metric_for_best_model"):
        yield Finding(
            "evaluation.best_by_loss",
            WARNING,
            "training.metric_for_best_model",
            "the best model is chosen by its loss, the default of training.metric_for_best_model",
            "GRPO's loss is about 0 whatever the policy is worth; the reward is what should be high.",
            ("training.metric_for_best_model=reward", "training.load_best_model_at_end=false"),
        )
    elif name not in known:
        # A reward may log metrics of its own, so a name like none of these passes.
        meant = nearest(name, known, cutoff=0.75)
        if meant or "/" in metric:
            other = meant.removeprefix("eval_") if meant else "reward"
            yield Finding(
                "evaluation.metric_for_best_model",
                ERROR,
                "training.metric_for_best_model",
                f"training.metric_for_best_model={metric}: this run will not measure {name}",
                "transformers raises a KeyError after the first evaluation.",
                (f"training.metric_for_best_model={other}",),
            )


def needs_held_out(situation: Situation) -> Iterator[Finding]:
    """Evaluation without held-out rows."""
    rows = situation.rows
    if rows is None or rows.test > 0:
        return
    if situation.value("eval_strategy") != "no":
        yield Finding(
            "evaluation.no_rows",
            ERROR,
            "training.eval_strategy",
            f"training.eval_strategy={situation.value('eval_strategy')} needs held-out rows, and there are none",
            "TRL refuses to evaluate without an evaluation set.",
            ("dataset.test_size=auto", "training.eval_strategy=no"),
        )
    # Where auto finds nothing to hold out the worker says so; there is nothing to write instead.
    chosen = situation.config["dataset"].get("test_size") == 0
    names = as_list(situation.config["objective"])
    held_out = [name for name in names if name.startswith(("eval/held_out/", "auto"))]
    if chosen and held_out and not situation.config["evaluation"]["datasets"]:
        yield Finding(
            "evaluation.not_measured",
            WARNING,
            "dataset.test_size",
            f"objective={held_out[0]} is measured on held-out rows, and there are none",
            "The run would end without its objective, and nothing would tell learning from memorizing.",
            ("dataset.test_size=auto", "objective=reward"),
        )


def strategies(situation: Situation) -> Iterator[Finding]:
    """A schedule of the learning rate that follows an evaluation which is never made."""
    kind = situation.value("lr_scheduler_type")
    if kind in ("reduce_lr_on_plateau", "greedy") and situation.value("eval_strategy") == "no":
        yield Finding(
            "evaluation.scheduler",
            ERROR,
            "training.lr_scheduler_type",
            f"training.lr_scheduler_type={kind} follows TRL's evaluation, and training.eval_strategy=no makes none",
            "transformers refuses it in the worker.",
            ("training.lr_scheduler_type=linear", "training.eval_strategy=steps training.eval_steps=50"),
        )


def interval(situation: Situation) -> Iterator[Finding]:
    """An evaluation that comes after the end."""
    every, steps = situation.config["evaluation"].get("every"), situation.value("max_steps")
    if every and steps > 0 and every > steps:
        yield Finding(
            "evaluation.interval",
            NOTE,
            "evaluation.every",
            f"evaluation.every={every} is more than training.max_steps={steps}",
            "The model is then measured before and after training only.",
            (f"evaluation.every={max(1, steps // 5)}",),
        )


def tags(situation: Situation) -> Iterator[Finding]:
    """Columns that split the metrics and that no data set has, where all of them can be looked into."""
    config = situation.config
    wanted = list(config["evaluation"]["tags"] or [])
    entries = config["evaluation"]["datasets"] or {}
    nodes = {f"evaluation.datasets.{name}": as_entry(entry) for name, entry in entries.items()}
    if config["evaluation"]["held_out"] and not (situation.rows and situation.rows.test == 0):
        nodes["dataset"] = config["dataset"]
    if not wanted or not nodes:
        return
    known: list[str] = []
    for key, node in nodes.items():
        columns = columns_here(node, wanted, key)
        if columns is None:
            return  # the worker sees, once it has loaded them
        known += [column for column in columns if column != "prompt"]
    if missing := [tag for tag in wanted if tag not in known]:
        meant = {tag: nearest(tag, known) for tag in missing}
        instead = dict.fromkeys(meant.get(tag, tag) for tag in wanted)
        yield Finding(
            "evaluation.tags",
            ERROR,
            "evaluation.tags",
            f"evaluation.tags: no data set has a column '{missing[0]}'",
            "The worker would find it out after its imports.",
            (f"evaluation.tags=[{','.join(tag for tag in instead if tag)}]",),
            said=" ".join(no_tag_column(tag, known) for tag in missing),
        )


RULES = (objective, selection, best_model, needs_held_out, strategies, interval, tags)
