"""The trials of a study as the jobs of a multirun: asked for, watched, told.

A trial that was not told when its process died, or was interrupted, is still running in the study; the next start hands
it out again, under its number and with its values, and its run folder goes on from its checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpo_cli.display.follow import JsonlTail
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.metrics import number as read_number
from grpo_cli.runs.objectives import objectives_in
from grpo_cli.runs.result import COMPLETED, FAILED, PRUNED, read_json
from grpo_cli.runs.sweep import INVALID, Job
from grpo_cli.sweep.optuna.pruners import Pruning
from grpo_cli.sweep.optuna.samplers import Sampling

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

# What the study notes of a trial beside Optuna's own.
OVERRIDES, ERROR, WHY_PRUNED, STATUS = "overrides", "error", "pruned", "status"


class OptunaTrials:
    """A study as the slots see it (`grpo_cli.sweep.trials.Trials`).

    Args:
        study: the study, perhaps with the trials of earlier starts.
        sampling: what suggests.
        total: how many trials there are to be, over all starts; those that fail, are refused or are pruned count, so
            that a sampler which proposes nothing valid comes to an end.
        pruning: what prunes; None: nothing does.
        folder: the sweep's folder.
    """

    def __init__(
        self, study: Study, sampling: Sampling, total: int, pruning: Pruning | None = None, folder: Path | None = None
    ) -> None:
        self.study = study
        self.sampling = sampling
        self.total = total
        self.pruning = pruning
        self.folder = folder
        self._storage = study._storage
        self._tails: dict[int, JsonlTail] = {}
        if pruning is not None:
            study.pruner = pruning.pruner()
            _start_pruner(study)
        self._left = [trial.number for trial in self._all() if not trial.state.is_finished()]
        for number in list(self._left):
            self._settle_pruned(number)

    @property
    def ended(self) -> int:
        """How many trials have ended."""
        return sum(trial.state.is_finished() for trial in self._all())

    def ask(self) -> tuple[int, list[str]] | None:
        """A trial that an earlier start left unfinished, else a new one; None when there are enough."""
        if self._left:
            return self._suggest(self._left.pop(0))
        number = len(self._all())
        if number >= self.total:
            return None
        self.study.sampler = self.sampling.sampler(number)
        return self._overrides(self.study.ask())

    def tell(self, job: Job) -> None:
        """Record how a trial ended: complete, pruned, or (failed, refused, without a number) failed."""
        from optuna.trial import TrialState

        trial = self._trial(job.number)
        if job.status not in (COMPLETED, PRUNED, FAILED, INVALID) or trial.state.is_finished():
            return  # it goes on with the next start
        self.study.sampler = self.sampling.sampler(job.number)
        self._tails.pop(job.number, None)
        self._note(trial, STATUS, job.status)
        if job.status == COMPLETED:
            job.error = self._why_not(job) or job.error
        if job.error:
            self._note(trial, ERROR, job.error)
        if job.status == PRUNED:
            self._report(trial.number, job.folder)
            self.study.tell(job.number, state=TrialState.PRUNED)
        elif job.status == COMPLETED and not self._why_not(job):
            self._report(trial.number, job.folder)
            self.study.tell(job.number, values=values_of(job))
        else:
            self.study.tell(job.number, state=TrialState.FAIL)

    def prune(self, job: Job) -> str | None:
        """Report a job's new evaluations, each once, and judge it by the last."""
        if self.pruning is None or job.folder is None:
            return None
        trial = self._trial(job.number)
        if trial.state.is_finished():
            return None
        if WHY_PRUNED in trial.user_attrs:
            return str(trial.user_attrs[WHY_PRUNED])
        return self._report(job.number, job.folder, judge=True)

    def _report(self, number: int, folder: str | None, judge: bool = False) -> str | None:
        """Take over the evaluations of a run that the study does not have; None, or why the trial is to be ended."""
        if self.pruning is None or folder is None:
            return None
        tail = self._tails.setdefault(number, JsonlTail(RunFolder(Path(folder)).metrics))
        trial = self._trial(number)
        known = trial.intermediate_values
        newest = max(known, default=0)  # judged again: the process may have died before it was
        for record in tail.poll()[0]:
            value = read_number(record, self.pruning.metric)
            # Step 0 is the model before training, which tells trials apart by chance at most.
            if record.get("kind") != "eval" or value is None or (step := int(record.get("step") or 0)) < 1:
                continue
            if step not in known:
                self._storage.set_trial_intermediate_value(trial._trial_id, step, value)
            elif step < newest:
                continue
            if judge and (why := self._judge(number, step, value)):
                return why
        return None

    def _judge(self, number: int, step: int, value: float) -> str | None:
        """Ask the pruner, as of the last report."""
        assert self.pruning is not None
        if self.pruning.last_step is not None and step >= self.pruning.last_step:
            return None  # it is all but done
        trial = self._trial(number)
        if trial.last_step != step or not self.study.pruner.prune(self.study, trial):
            return None
        why = f"{self.pruning.name} pruned it at step {step}: {self.pruning.metric} is {value:.4g}."
        self._note(trial, WHY_PRUNED, why)
        return why

    def _why_not(self, job: Job) -> str | None:
        """Why a completed job has no result to go by."""
        values = values_of(job)
        wanted = len(self.study.directions)
        if len(values) != wanted or not all(math.isfinite(value) for value in values):
            shown = ", ".join(str(value) for value in values) or "missing"
            return f"Its objective is {shown}, so it counts as a failed trial."
        name = _objective_name(job)
        first = self.study.user_attrs.get("objective")
        if name and first is None:
            self.study.set_user_attr("objective", name)
        elif name and name != first:
            return f"Its objective is {name}, that of the other trials {first}; write objective=<one metric for all>."
        return None

    def _settle_pruned(self, number: int) -> None:
        """A trial whose run had ended as pruned when the sweep was killed."""
        trial = self._trial(number)
        if self.folder is None or WHY_PRUNED not in trial.user_attrs:
            return
        folder = self.folder / str(number)
        if read_json(RunFolder(folder).result).get("status") == PRUNED:
            self._left.remove(number)
            self.tell(Job(number, list(trial.user_attrs.get(OVERRIDES, [])), PRUNED, folder=str(folder)))

    def _suggest(self, number: int) -> tuple[int, list[str]]:
        """Hand out a trial again; what it was not given before its process died is suggested now."""
        from optuna.trial import Trial

        self.study.sampler = self.sampling.sampler(number)
        return self._overrides(Trial(self.study, self._trial(number)._trial_id))

    def _overrides(self, trial: Trial) -> tuple[int, list[str]]:
        values = self.sampling.space.suggest(trial)
        overrides = self.sampling.space.overrides(values)
        if trial.user_attrs.get(OVERRIDES) != overrides:
            trial.set_user_attr(OVERRIDES, overrides)
        return trial.number, overrides

    def _all(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _trial(self, number: int) -> FrozenTrial:
        return self._all()[number]

    def _note(self, trial: FrozenTrial, key: str, value: Any) -> None:
        if trial.user_attrs.get(key) != value:
            self._storage.set_trial_user_attr(trial._trial_id, key, value)


def values_of(job: Job) -> list[float]:
    """The values a job is judged by, in order; empty where it has none."""
    values: Sequence[float | None] = job.objectives or [job.objective]
    return (
        [float("nan") if value is None else float(value) for value in values]
        if any(value is not None for value in values)
        else []
    )


def _objective_name(job: Job) -> str:
    """What the job's own result calls its objectives."""
    result = read_json(RunFolder(Path(job.folder)).result) if job.folder else {}
    return ", ".join(objective.name for objective in objectives_in(result))


def _start_pruner(study: Study) -> None:
    """Let Hyperband lay out its brackets now, so that a resumed sweep has them from the same trial on."""
    from optuna.trial import TrialState, create_trial

    study.pruner.prune(study, create_trial(state=TrialState.RUNNING))
