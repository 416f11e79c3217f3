"""The report at its largest: `python -m pytest -m "" -s tests/benchmarks/bench_report.py`.

Writes a run with 100,000 completions, its report, and opens that in Chromium: time to first paint, to the browser of
completions being ready, to a search through all of them. Reported, not asserted: they say as much about the machine.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "report"))
from devtools import CHROMIUM, browser
from recorded import record_run

from grpo_cli.report.write import write_report

pytestmark = pytest.mark.slow
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")
def test_first_paint_with_100_000_completions(tmp_path):
    root = record_run(tmp_path / "run", steps=1560, prompts=8, samples=8, held_out=16, every=100, words=100)
    recorded = sum(p.stat().st_size for p in (root / "completions").iterdir())
    clock, processor = time.perf_counter(), time.process_time()
    path = write_report([root], max_mb=None)
    print(
        f"\n{recorded / 1e6:.0f} MB of completions in a page of {path.stat().st_size / 1e6:.1f} MB, written in "
        f"{time.perf_counter() - clock:.1f} s ({time.process_time() - processor:.1f} s of processor time)"
    )
    with browser(tmp_path / "profile") as tab:
        tab.size(1280, 900)
        paints = []
        for _ in range(3):
            tab.open(path.as_uri())
            paints.append(tab.until(PAINT) / 1e3)
        whole = tab.run("performance.timing.loadEventEnd - performance.timing.navigationStart") / 1e3
        started = time.perf_counter()
        tab.run("document.querySelector('#browser').scrollIntoView()")
        tab.until("document.querySelector('#browser').dataset.ready === 'yes'")
        ready = time.perf_counter() - started
        started = time.perf_counter()
        status = "document.querySelector('#browser [role=status]').textContent"
        tab.run("void report.browse({ step: null, search: 'no such words' })")
        tab.until(f"{status} === '0 groups, 0 completions'")
        searched = time.perf_counter() - started
        memory = tab.run("performance.memory.usedJSHeapSize") / 1e6
        assert tab.run("document.querySelector('#completions > p').textContent").startswith("100,")
        assert tab.problems == []
    print(
        f"first paint after {min(paints):.2f} s (of {', '.join(f'{p:.2f}' for p in paints)}), whole page after "
        f"{whole:.2f} s; completions ready {ready:.2f} s after they came into view; all searched in {searched:.1f} s; "
        f"{memory:.0f} MB of script memory"
    )
