"""The guard under which every reward runs: it cannot hang a run, nor end it without a word.

- `placement`: where a reward runs: in worker processes, or here.
- `pool`: the worker processes: deadlines, kills, replacement. `template` forks them, `worker` is what they do.
- `here`: rewards that need the training process: a thread with deadlines, and an event loop for async ones.
- `guarded`: one reward under guard: cache, failures, what becomes of them. `guard`: all of a run's rewards.
- `failures`: the window that ends a run, and `reward_failures.jsonl`. `replay`: one line of it, done again.
"""
