"""What `grpo-eval` prints: a table of models, one of differences, curves of a run's checkpoints; or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from grpo_cli.display import formatting as fmt
from grpo_cli.display.charts import chart
from grpo_cli.display.console import ACCENT, BAD, BOLD, DIM, GOOD, RunConsole, make_console

if TYPE_CHECKING:
    from grpo_cli.evaluation.standalone import Evaluated

_HEIGHT = 6
_COUNTS = ("/samples", "/seconds")


def as_json(results: Sequence[Evaluated], place: str) -> dict[str, Any]:
    """Everything as plain containers."""
    return {
        "models": [
            {
                "label": one.subject.label,
                "model": one.subject.name,
                "step": one.subject.step,
                "metrics": one.metrics,
                "generated": one.generated,
                "cached": one.cached,
                "seconds": round(one.seconds, 3),
            }
            for one in results
        ],
        "compared_with": results[0].subject.label if len(results) > 1 else None,
        "folder": place,
    }


def print_results(results: Sequence[Evaluated], place: str, stream: IO[str] | None = None) -> None:
    """Print the results for a person.

    Args:
        results: of `standalone.evaluate`.
        place: the folder with the completions.
        stream: standard output by default.
    """
    console = make_console(stream)
    for prefix in sections(results[0].metrics):
        console.print()
        console.print(Text(prefix.removeprefix("eval/"), style=BOLD), Text("95 % intervals", style=DIM))
        console.print(_numbers(results, prefix))
        if len(results) > 1:
            console.print()
            console.print(Text(f"difference to {results[0].subject.label}, prompt by prompt", style=DIM))
            console.print(_differences(results, prefix))
    steps = [one.subject.step for one in results if one.subject.step is not None]
    if len(results) > 2 and len(steps) == len(results) and steps == sorted(set(steps)):  # of one run
        for prefix in datasets(results[0].metrics):
            _curve(console, results, prefix)
    made, known = sum(one.generated for one in results), sum(one.cached for one in results)
    console.print()
    console.print(
        f"{made:,} completions generated, {known:,} from the cache; all of them in {place}", soft_wrap=True, style=DIM
    )


def sections(metrics: Mapping[str, Any]) -> list[str]:
    """The data sets, and their tag values, in a set of metrics: what stands before the last slash."""
    return list(dict.fromkeys(name.rpartition("/")[0] for name in metrics if not name.endswith(_COUNTS)))


def datasets(metrics: Mapping[str, Any]) -> list[str]:
    """The data sets in a set of metrics, `eval/<name>`, without their tag values."""
    return list(dict.fromkeys("/".join(prefix.split("/")[:2]) for prefix in sections(metrics)))


def _names(results: Sequence[Evaluated], prefix: str) -> list[str]:
    """The metrics of a section: those with an interval. Where one reward is all the sum, it is said once."""
    metrics = results[0].metrics
    own = [n for n in metrics if n.rpartition("/")[0] == prefix and f"{n}_low" in metrics]
    names = [name.rpartition("/")[2] for name in own]
    same: list[str] = []
    for name in names:
        values = [one.metrics.get(f"{prefix}/{name}") for one in results]
        if any(values == [one.metrics.get(f"{prefix}/{other}") for one in results] for other in same):
            continue
        same.append(name)
    return same


def _numbers(results: Sequence[Evaluated], prefix: str) -> Table:
    names = _names(results, prefix)
    table = _table(names)
    for one in results:
        cells = [_with_interval(one.metrics, f"{prefix}/{name}") for name in names]
        table.add_row(one.subject.label, *cells)
    return table


def _differences(results: Sequence[Evaluated], prefix: str) -> Table:
    names = _names(results, prefix)
    table = _table(names)
    for one in results[1:]:
        cells = [_with_interval(one.metrics, f"{prefix}/{name}_gain", signed=True) for name in names]
        table.add_row(one.subject.label, *cells)
    return table


def _table(names: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("model", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _with_interval(metrics: Mapping[str, Any], name: str, signed: bool = False) -> Text:
    """`0.98 [0.96, 0.99]`; a difference is coloured where its interval leaves 0 out."""
    value, low, high = (metrics.get(f"{name}{ending}") for ending in ("", "_low", "_high"))
    if value is None or low is None or high is None:
        return Text("-", style=DIM)
    places = 3 if max(abs(low), abs(high)) < 10 else 1
    style = GOOD if signed and low > 0 else BAD if signed and high < 0 else ""
    shown = f"{value:+.{places}f}" if signed else f"{value:.{places}f}"
    return Text.assemble((shown, style or BOLD), (f" [{low:.{places}f}, {high:.{places}f}]", DIM))


def _curve(console: RunConsole, results: Sequence[Evaluated], prefix: str) -> None:
    """The first metric of a data set over the checkpoints."""
    name = _names(results, prefix)[0]
    points = [(one.subject.step or 0, one.metrics.get(f"{prefix}/{name}")) for one in results]
    known = [(step, float(value)) for step, value in points if value is not None]
    if not known:
        return
    values = [value for _, value in known]
    low, high = (0.0, 1.0) if min(values) >= 0 and max(values) <= 1 else (min(values), max(values))
    console.print()
    console.print(Text(f"{prefix}/{name}", style=BOLD))
    wide = max(1, min(5, (console.width - 10) // len(known) - 1))
    for i, row in enumerate(chart(values, _HEIGHT, low, high, console.glyphs.levels)):
        label = fmt.decimal(high) if i == 0 else fmt.decimal(low) if i == _HEIGHT - 1 else ""
        console.print(Text.assemble((f"{label:>6} ", DIM), (" ".join(char * wide for char in row), ACCENT)))
    first, last = str(known[0][0]), str(known[-1][0])
    span = (wide + 1) * len(known) - 1
    console.print(Text(f"{'':>7}{first}{last:>{max(1, span - len(first))}}  step", style=DIM))
