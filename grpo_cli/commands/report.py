"""`grpo-report`: look at a run, at several beside each other, or at a whole sweep; no torch is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from grpo_cli.commands._console import run_command
from grpo_cli.errors import EXIT_DONE, ConfigError

if TYPE_CHECKING:
    from grpo_cli.report.sweep.standings import Standings

HELP = """\
grpo-report: one HTML file about a run: did it learn, what happened on the way, every completion

Usage: grpo-report FOLDER … [OPTION …]
       grpo-report diff FOLDER FOLDER

  grpo-report outputs/grpo/<date and time>                 writes report.html into that folder
  grpo-report outputs/grpo/a outputs/grpo/b out=ab.html    two runs: what differs, curves over each other
  grpo-report outputs/grpo/<a sweep's date and time>       its leaderboard, here and as report.html in that folder
  grpo-report outputs/grpo/<date and time> --text          the same in the terminal
  grpo-report outputs/grpo/<date and time> --serve         follows a run that is still going, on this machine only
  grpo-report outputs/grpo/<date and time> plots=svg       every chart as a file, for a paper

Options:
  out=FILE            where to write the page (plots: the folder)
  plots=svg|png|pdf   charts as files instead of the page; png and pdf need pip install 'grpo-train[report]'
  max_mb=N|null       most MB of completions taken into the page (default 200); of more, every n-th step
  port=N              of --serve; without it any that is free
  --text, --serve, --quiet, --version, --help

Of a sweep (a folder with sweep.json):
  --baseline=N|NAME   the job, or the setting by its overrides, that the others are compared with
  --experiment=NAME   write the best setting to conf/experiment/NAME.yaml, for grpo-train experiment=NAME
  --job=N             that job's setting instead; --force: replace the file

diff: what differs between two runs: settings, versions, data, reward sources, results.

Exit codes: 0 done (diff: no difference), 1 the runs of diff differ, 2 wrong arguments, 130 interrupted, as --serve is.
"""
T = TypeVar("T")
KEYS = ("out", "plots", "max_mb", "port", "baseline", "experiment", "job")
FLAGS = ("--text", "--serve", "--quiet", "--force")
APART = ("--baseline", "--experiment", "--job")  # their value may be the next word


@dataclass
class Options:
    """A command line, taken apart."""

    folders: list[Path] = field(default_factory=list)
    out: Path | None = None
    plots: str | None = None
    max_mb: float | None = 200.0
    port: int = 0
    text: bool = False
    serve: bool = False
    quiet: bool = False
    force: bool = False
    baseline: str | None = None
    experiment: str | None = None
    job: int | None = None


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 0 done, 1 the two runs of `diff` differ, 2 wrong arguments, 130 interrupted.
    """
    return run_command("grpo-report", HELP, _run)


def _run(argv: list[str]) -> int:
    if argv[:1] == ["diff"]:
        return _diff(argv[1:])
    options = parse(argv)
    from grpo_cli.report.read import find_runs
    from grpo_cli.runs.sweep import RECORD

    if len(options.folders) == 1 and (options.folders[0] / RECORD).is_file():
        return _sweep(options.folders[0], options)
    if options.baseline is not None or options.experiment is not None or options.job is not None:
        raise ConfigError(f"--baseline, --experiment and --job are of one sweep (a folder with {RECORD}); name one")
    folders = find_runs(options.folders)
    if options.serve:
        return _serve(folders, options)
    if options.plots is not None:
        return _plots(folders, options)
    if options.text:
        return _text(folders)
    from grpo_cli.report.write import write_report

    path = _written(lambda: write_report(folders, options.out, options.max_mb))
    if not options.quiet:
        print(path)
    return EXIT_DONE


def parse(argv: Sequence[str]) -> Options:
    """Take a command line apart.

    Args:
        argv: the arguments.

    Raises:
        ConfigError: an option is unknown or has a wrong value, no folder is named, or options do not go together.
    """
    from grpo_cli.config.suggest import meant_or_known

    options = Options()
    words = iter(argv)
    for argument in words:
        if argument in APART:
            argument = f"{argument}={next(words, '')}"
        key, equals, value = argument.partition("=")
        name = key.removeprefix("--")
        if argument in FLAGS:
            setattr(options, name, True)
        elif equals and name in KEYS:
            _set(options, name, value)
        elif argument.startswith("-") or (equals and not Path(argument).exists()):
            hint = meant_or_known(argument if not equals else name, [*KEYS, *FLAGS])
            raise ConfigError(f"There is no option {key}{hint}")
        else:
            options.folders.append(Path(argument))
    if not options.folders:
        raise ConfigError(f"Which run? Write grpo-report {_newest() or 'outputs/<name>/<date and time>'}")
    if sum((options.text, options.serve, options.plots is not None)) > 1:
        raise ConfigError("--text, --serve and plots= are three ways to look at a run; write one of them")
    return options


def _set(options: Options, name: str, value: str) -> None:
    try:
        if name == "port":
            options.port = int(value)
            if not 0 <= options.port <= 65535:
                raise ValueError
        elif name == "max_mb":
            options.max_mb = None if value == "null" else float(value)
            if options.max_mb is not None and not options.max_mb >= 0:
                raise ValueError
        elif name == "out":
            options.out = Path(value)
        elif name == "job":
            options.job = int(value)
        elif not value:
            raise ValueError
        else:
            setattr(options, name, value)
    except ValueError:
        wanted = {
            **{"port": "a number from 0 to 65535", "max_mb": "a number of MB, or null for no limit"},
            **{"job": "a job's number", "baseline": "a job's number, or a setting by its overrides"},
            **{"experiment": "a name", "plots": "svg, png or pdf"},
        }
        raise ConfigError(f"{name}={value}: write {wanted[name]}") from None


def _newest() -> str | None:
    """The newest run below ./outputs, for the sentence that asks which one."""
    from grpo_cli.report.read import is_run

    runs = [p for p in Path("outputs").glob("*/*") if p.is_dir() and is_run(p)]
    return str(max(runs, key=lambda p: p.stat().st_mtime)) if runs else None


def _sweep(folder: Path, options: Options) -> int:
    """The leaderboard of a sweep: in the terminal and as a page, or what else was asked for."""
    from grpo_cli.report.sweep.plots import plots
    from grpo_cli.report.sweep.read import read_sweep
    from grpo_cli.report.sweep.standings import standings
    from grpo_cli.report.sweep.terminal import print_board
    from grpo_cli.report.sweep.write import export_plots, write_page

    board = standings(read_sweep(folder), options.baseline)
    if options.serve:
        return _serve([folder], options)
    if options.experiment is not None:
        return _experiment(board, options)
    if options.job is not None:
        raise ConfigError("--job says whose settings --experiment=NAME takes; write that too")
    if options.plots is not None:
        drawn = plots(board)
        if not drawn:
            raise ConfigError(f"{folder} has nothing to draw: no job has recorded a value or a curve")
        files = _written(lambda: export_plots(drawn, str(options.plots), options.out or folder / "plots"))
        if not options.quiet:
            print(*files, sep="\n")
        return EXIT_DONE
    if not options.quiet:
        print_board(board)
    if not options.text:
        path = _written(lambda: write_page(board, options.out))
        if not options.quiet:
            print(f"\n{path}")
    return EXIT_DONE


def _experiment(board: Standings, options: Options) -> int:
    from grpo_cli.report.sweep.experiment import write_experiment

    name = str(options.experiment)
    path, differing = _written(lambda: write_experiment(board, name, options.job, options.force))
    for line in differing:
        print(f"grpo-report: experiment={name} is not quite that job: {line}", file=sys.stderr)
    if not options.quiet:
        print(f"{path}  (grpo-train experiment={name})")
    return EXIT_DONE


def _serve(folders: Sequence[Path], options: Options) -> int:
    from grpo_cli.report.serve import make_server

    if len(folders) != 1:
        raise ConfigError(f"--serve follows one run, and {len(folders)} were named; write one folder")
    with make_server(folders[0], options.port, options.baseline) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/  (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    return EXIT_DONE


def _plots(folders: Sequence[Path], options: Options) -> int:
    from grpo_cli.report.comparison import labels
    from grpo_cli.report.curves import compared, sections
    from grpo_cli.report.export import export
    from grpo_cli.report.read import read_run

    runs = [read_run(folder) for folder in folders]
    grouped = sections(runs[0]) if len(runs) == 1 else compared(list(zip(labels(folders), runs, strict=True)))
    directory = options.out or (folders[0] / "plots" if len(runs) == 1 else Path("plots"))
    charts = [chart for section in grouped for chart in section.charts]
    if not charts:
        raise ConfigError(f"{folders[0]} has no curve to draw: no training log and no evaluation was recorded")
    for path in _written(lambda: export(charts, str(options.plots), directory)):
        if not options.quiet:
            print(path)
    return EXIT_DONE


def _text(folders: Sequence[Path]) -> int:
    from grpo_cli.report.read import read_run
    from grpo_cli.report.terminal import print_comparison, print_run

    runs = [read_run(folder) for folder in folders]
    if len(runs) == 1:
        print_run(runs[0])
    else:
        print_comparison(runs)
    return EXIT_DONE


def _diff(folders: Sequence[str]) -> int:
    """What differs between two runs."""
    if len(folders) != 2 or any(f.startswith("-") for f in folders):
        raise ConfigError("diff compares two runs; write grpo-report diff FOLDER FOLDER")
    from grpo_cli.report.read import find_runs
    from grpo_cli.runs.compare import print_differences

    runs = find_runs([Path(f) for f in folders])
    if len(runs) != 2:
        raise ConfigError(f"diff compares two runs, and the folders named hold {len(runs)}; name two of them")
    return int(print_differences(runs[0], runs[1]))


def _written(make: Callable[[], T]) -> T:
    """Run what writes files, and turn a place that cannot be written to into one sentence."""
    try:
        return make()
    except OSError as error:
        raise ConfigError(
            f"{error.filename or 'The file'} cannot be written: {error.strerror}; write out=<a place you may write to>"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
