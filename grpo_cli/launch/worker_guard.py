"""Keeps a worker from outliving the grpo-train that started it. The first import of every worker.

Two nets. The kernel's: PR_SET_PDEATHSIG kills this process the moment its parent ends (the parent is the
warden, or torchrun's agent: each rank is in a session of its own, out of reach of a signal to the group).
And a thread that looks for the composer once a second, for platforms without the first and for a parent
that outlives the composer.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from grpo_cli.launch.identity import is_running
from grpo_cli.launch.prctl import die_with_parent

COMPOSER = "GRPO_TRAIN_COMPOSER"  # pid:mark of the grpo-train that started this worker
GONE = 128 + signal.SIGKILL


def arm(period: float = 1.0) -> None:
    """Tie this process's life to its composer's; does nothing in a worker started by hand.

    Args:
        period: seconds between two looks at the composer.
    """
    # Set for the ranks' own start only (see plan.py); programs that a reward starts get Python's default.
    os.environ.pop("PYTHONSAFEPATH", None)
    composer = os.environ.get(COMPOSER)
    if not composer:
        return
    die_with_parent()
    # Only now: a composer that ended before the call above sends no signal any more.
    if not is_running(composer):
        os._exit(GONE)
    threading.Thread(target=_watch, args=(composer, period), name="composer-watch", daemon=True).start()


def _watch(composer: str, period: float) -> None:
    while is_running(composer):
        time.sleep(period)
    os._exit(GONE)
