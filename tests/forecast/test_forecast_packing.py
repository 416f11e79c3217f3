"""How many jobs the machine's memory carries at once."""

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.forecast.packing import GIB, most_at_once, pack, together


def test_the_largest_jobs_are_taken_to_meet():
    assert together([1, 8, 2, 9], 2) == 17
    assert together([1, 8], 4) == 9  # fewer jobs than slots
    assert most_at_once([1, 8, 2, 9], 19, 4) == 3
    assert most_at_once([1, 8, 2, 9], 20, 4) == 4


def test_a_job_alone_and_a_job_without_a_forecast_are_never_refused():
    assert pack({}, 0, 8, asked=True) == (8, None)
    assert most_at_once([50.0], 1, 1) == 1
    assert pack({0: 50 * GIB}, GIB, 1, asked=True) == (1, None)


def test_auto_takes_what_fits_and_says_so():
    count, said = pack({0: 2 * GIB, 1: 6 * GIB, 2: 2 * GIB}, 9 * GIB, 4, asked=False)
    assert count == 2
    assert said == (
        "launch.slots=auto: 2 slots instead of 4: 3 jobs at once are forecast to take 10.0 GiB (job 1 6.0 GiB), and "
        "9.0 GiB of this machine's memory are available."
    )


def test_a_number_that_does_not_fit_is_refused_with_the_one_that_does():
    with pytest.raises(ConfigError, match=r"launch\.slots=4: 4 jobs .* 8\.0 GiB .* write launch\.slots=3 or"):
        pack(dict.fromkeys(range(5), 2.0 * GIB), 7 * GIB, 4, asked=True)
    with pytest.raises(ConfigError, match=r"write launch\.slots=1 or"):
        pack({0: 9.0 * GIB, 1: 9.0 * GIB}, GIB, 2, asked=True)
