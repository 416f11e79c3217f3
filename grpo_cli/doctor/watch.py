"""The doctor at work in a run: on rank 0 it follows what is recorded, and writes down what it finds.

It reads the records as the recorder writes them, so it needs no part in training.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grpo_cli.doctor.doctor import Doctor
from grpo_cli.doctor.finding import Finding
from grpo_cli.runs.jsonl import append, read
from grpo_cli.runs.recorder import Recorder
from grpo_cli.runs.result import update_result


class Watching:
    """Listens to a recorder and records the doctor's findings.

    Args:
        doctor: the rules.
        recorder: of rank 0; findings go to its event stream.
        stop: called with a sentence when the run is to end (`doctor.stop_on`).
    """

    def __init__(self, doctor: Doctor, recorder: Recorder, stop: Callable[[str], None]) -> None:
        self.doctor = doctor
        self.recorder = recorder
        self.stop = stop
        self.findings: list[dict[str, Any]] = []
        self.broken = False

    def begin(self) -> None:
        """Take up where an earlier session of this run ended: what it recorded is known, what it found is told."""
        folder = self.recorder.folder
        self.findings = list(read(folder.doctor))
        self.doctor.remember(read(folder.metrics))
        update_result(folder, doctor=self.findings)

    def on_metrics(self, record: Mapping[str, Any]) -> None:
        """A record of metrics.jsonl was written."""
        self._safely(lambda: self._tell(self.doctor.metrics(record)))

    def on_completions(self, split: str, records: Sequence[Mapping[str, Any]]) -> None:
        """A batch of completions was written."""
        if split == "train":
            self._safely(lambda: self.doctor.completions(records))

    def _safely(self, work: Callable[[], object]) -> None:
        """A mistake in a rule must not end a run that trains well: it is told, and the doctor rests."""
        if self.broken:
            return
        try:
            work()
        except OSError:
            raise  # a full disk is the run's own problem, and is told as such
        except Exception as error:
            self.broken = True
            traceback.print_exc()
            self.recorder.warning(f"The doctor failed and watches no more: {type(error).__name__}: {error}")

    def _tell(self, findings: Sequence[Finding]) -> None:
        """Write findings everywhere they belong."""
        folder = self.recorder.folder
        for finding in findings:
            plain = finding.as_dict()
            append(folder.doctor, plain)
            self.findings.append(plain)
            update_result(folder, doctor=self.findings)
            self.recorder.event("doctor", **plain)
            tries = f" Try: {', or '.join(finding.try_)}." if finding.try_ else ""
            print(
                f"doctor: step {finding.step}: {finding.rule}: {finding.sentence}. {finding.cause}{tries}", flush=True
            )
            if self.doctor.stops(finding):
                self.stop(f"The doctor ended the run, as doctor.stop_on={finding.rule} says: {finding.sentence}.")
