"""Jobs for the slots, from a list and from a sampler."""

from grpo_cli.runs.sweep import INVALID, Job
from grpo_cli.sweep.source import JobList, Sampled


class Sampler:
    def __init__(self, count):
        self.left = list(range(count))
        self.told = []

    def ask(self):
        return (number := self.left.pop(0), [f"seed={number}"]) if self.left else None

    def tell(self, job):
        self.told.append((job.number, job.status))

    def prune(self, job):
        return "worse than the median" if job.number == 3 else None


def test_a_list_gives_each_job_once():
    jobs = JobList([Job(0, []), Job(2, [])])
    assert [job and job.number for job in (jobs.take(), jobs.take(), jobs.take())] == [0, 2, None]


def test_a_sampler_hears_at_once_of_what_is_not_run():
    def check(number, overrides):
        job = Job(number, list(overrides))
        job.status = INVALID if number == 0 else "completed" if number == 1 else "not started"
        job.earlier = number == 1
        return job

    sampler = Sampler(4)
    source = Sampled(sampler, check)
    job = source.take()
    assert (job.number, job.overrides) == (2, ["seed=2"])
    assert sampler.told == [(0, "invalid"), (1, "completed")]
    job.status = "failed"
    source.ended(job)
    assert sampler.told[-1] == (2, "failed")
    assert source.prune(source.take()) == "worse than the median" and source.take() is None
