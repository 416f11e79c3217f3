"""Write a run's files as a worker would: a simulated run, or one recorded earlier, at any pace.

python tests/display/display_replay.py --speed 5 --mode live          # watch a simulated run
python tests/display/display_replay.py --recorded outputs/x/stamp     # watch a recorded one again
python tests/display/display_replay.py --svg view.svg --until 60      # a picture of it, for documents

The picture in the README is of a run of the default: grpo-train name=addition, and in the same directory
PYTHONPATH=<checkout> python <this file> --recorded outputs/addition/<stamp> --svg docs/images/default-run.svg
"""

from __future__ import annotations

import argparse
import io
import math
import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from grpo_cli.display import make_display
from grpo_cli.display.console import make_console
from grpo_cli.display.follow import Follower
from grpo_cli.display.scene import Scene
from grpo_cli.display.view import draw
from grpo_cli.jobs.execute import header_of
from grpo_cli.runs import jsonl
from grpo_cli.runs.folder import RunFolder

START = 1_700_000_000.0
HEADER = {
    "name": "addition",
    "model": "embedded",
    "dataset": "addition",
    "rewards": ["exact_match", "format"],
    "folder": "outputs/addition/2026-01-31_12-00-00",
}


def simulate(steps: int = 100, eval_every: int = 25, kl: bool = False) -> Iterator[dict[str, Any]]:
    """The records of a run of 0.2 s a step that learns: accuracy 0.10 → 0.99, evaluations of 2 s."""
    rng = random.Random(0)
    now = START

    def event(kind: str, **fields: Any) -> dict[str, Any]:
        return {"event": kind, "time": now, **fields}

    def evaluation(step: int) -> dict[str, Any]:
        accuracy = 0.1 + 0.89 * (1 - math.exp(-6 * step / steps)) / (1 - math.exp(-6))
        return {
            "kind": "eval",
            "step": step,
            "time": now,
            "eval/held_out/accuracy": accuracy,
            "eval/held_out/samples": 256,
        }

    for wait, name in ((0.0, "starting"), (3.0, "loading model"), (0.5, "loading data")):
        now += wait
        yield event("phase", name=name)
    yield event("resolved", key="training.bf16", value=False, why="no GPU")
    yield event("resolved", key="model.attn_implementation", value="sdpa", why="PyTorch has it")
    yield event("resolved", key="launch", value="cpu", why="no GPU found")
    yield event(
        "plan",
        max_steps=steps,
        num_train_prompts=4000,
        num_eval_prompts=256,
        parameters=125_000,
        world_size=1,
        start_step=0,
    )
    yield event("phase", name="evaluating")
    now += 2
    yield evaluation(0)
    yield event("phase", name="training")
    tokens = 0
    for step in range(1, steps + 1):
        now += 0.2
        tokens += 2000
        share = 1 - math.exp(-5 * step / steps)
        yield event("step", step=step, max_steps=steps, tokens=tokens)
        if step == steps // 2:
            yield event("warning", message="12 % of the groups had one reward for all completions")
        if step % 2 == 0:
            reward = 0.25 + 0.7 * share + rng.uniform(-0.05, 0.05)
            record = {
                "kind": "train",
                "step": step,
                "time": now,
                "loss": 0.01 * rng.random(),
                "reward": reward,
                "rewards/exact_match/mean": reward,
                "rewards/format/mean": min(1.0, 0.5 + share / 2),
                "entropy": 0.9 - 0.6 * share,
                "completions/mean_length": 12 + 20 * share,
                "completions/clipped_ratio": 0.02,
                "frac_reward_zero_std": 0.3 * share,
                "learning_rate": 3e-4 * (1 - (step - 1) / steps),
                "grad_norm": 0.8,
                "step_time": 0.2,
            }
            yield {**record, "kl": 0.012 * share} if kl else record
        if step % 10 == 0:
            yield event(
                "sample",
                step=step,
                prompt=[{"role": "user", "content": "What is 487+358?"}],
                completion="<think>7+8+0=15 5+5+1=11 8+3+1=12</think>\n<answer>845</answer>",
                reward=1.0,
                rewards={"exact_match": 1.0, "format": 1.0},
                advantage=0.7,
            )
        if step % eval_every == 0:
            yield event("phase", name="evaluating")
            now += 2
            yield evaluation(step)
            yield event("checkpoint", step=step, path=f"checkpoints/checkpoint-{step}")
            yield event("phase", name="training")
    yield event("phase", name="saving")
    now += 0.5
    yield event("phase", name="done")


def recorded(folder: RunFolder) -> list[dict[str, Any]]:
    """The records of a run that was made earlier, in the order of their times."""
    records = [*jsonl.read(folder.events), *jsonl.read(folder.metrics)]
    return sorted(records, key=lambda r: float(r.get("time", 0)))


def write(folder: RunFolder, record: dict[str, Any]) -> None:
    """Append one record to the file it belongs in."""
    jsonl.append(folder.events if "event" in record else folder.metrics, record)


def replay(
    folder: RunFolder,
    records: Iterable[dict[str, Any]],
    speed: float = 0.0,
    stop: threading.Event | None = None,
) -> None:
    """Write records in their own rhythm, `speed` times faster, stamped anew; all at once for 0."""
    first: float | None = None
    began = time.time()
    for record in records:
        if stop is not None and stop.is_set():
            return
        if speed:
            first = record["time"] if first is None else first
            due = began + (record["time"] - first) / speed
            time.sleep(max(0.0, due - time.time()))
            record = {**record, "time": time.time()}
        write(folder, record)


def header_of_recorded(run: RunFolder) -> dict[str, Any]:
    """What the run's own display was told."""
    config = OmegaConf.to_container(OmegaConf.load(run.config))
    assert isinstance(config, dict)
    return header_of({str(key): value for key, value in config.items()}, RunFolder(run.root.absolute()))


def export_svg(
    folder: RunFolder,
    path: Path,
    until: int | None = None,
    width: int = 96,
    height: int = 28,
    header: dict[str, Any] = HEADER,
) -> None:
    """Draw the live view of a run as an SVG file, as it stood after step `until` (at its end by default)."""
    follower = Follower(folder)
    for record in follower.stream():
        if until is not None and record.get("kind") == "train" and record.get("step", 0) >= until:
            break
    console = make_console(io.StringIO(), record=True, width=width, height=height, force_terminal=True)
    console.print(draw(Scene(follower.state, header, console, follower.state.last_time or 0.0)))
    # rich's file asks a font server for its font; a document must not, any monospaced font will do.
    svg = re.sub(r"@font-face\s*\{.*?\}", "", console.export_svg(title="grpo-train"), flags=re.DOTALL)
    path.write_text(svg, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=5.0)
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--recorded", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--fail-at", type=float, help="raise in the displaying process after so many seconds")
    parser.add_argument("--print-at", type=float, help="print a line in the displaying process after so many seconds")
    parser.add_argument("--svg", type=Path, help="write a picture instead of showing anything")
    parser.add_argument("--until", type=int, help="the step that the picture shows")
    args = parser.parse_args()
    folder = RunFolder(args.folder or Path(tempfile.mkdtemp()))
    records = recorded(RunFolder(args.recorded)) if args.recorded else simulate(args.steps)
    if args.svg:
        replay(folder, records)
        header = header_of_recorded(RunFolder(args.recorded)) if args.recorded else HEADER
        export_svg(folder, args.svg, args.until, header=header)
        return
    stop = threading.Event()
    began = time.time()
    result: dict[str, Any] = {"status": "completed", "step": args.steps, "max_steps": args.steps}
    display = make_display(args.mode, folder, HEADER)
    try:
        with display:
            worker = threading.Thread(target=replay, args=(folder, records, args.speed, stop), daemon=True)
            worker.start()
            printed = False
            while worker.is_alive():
                display.tick()
                time.sleep(0.1)
                age = time.time() - began
                if args.print_at and age > args.print_at and not printed:
                    printed = True
                    print("a line printed meanwhile", file=sys.stderr)
                if args.fail_at and age > args.fail_at:
                    raise RuntimeError("planted failure")
            folder.model.mkdir(exist_ok=True)
            display.finish({**result, "seconds": time.time() - began})
    except KeyboardInterrupt:
        stop.set()
        result = {"status": "interrupted", "step": display.follower.state.step, "max_steps": args.steps}
        display.finish({**result, "seconds": time.time() - began})
        sys.exit(130)


if __name__ == "__main__":
    main()
