import pytest

from grpo_cli.config.command_line import rewrite
from grpo_cli.errors import ConfigError


@pytest.mark.parametrize(
    "given, expected",
    [
        ("reward=mine.py:polite", ["reward=[]", "reward.polite.target=mine.py:polite"]),
        ("reward=[format,mine.py:polite]", ["reward=[format]", "reward.polite.target=mine.py:polite"]),
        (
            "reward=['my dir/mine.py:f', pkg.mod:g]",
            ["reward=[]", "reward.f.target='my dir/mine.py:f'", "reward.g.target=pkg.mod:g"],
        ),
        ("reward=[exact_match,format]", ["reward=[exact_match,format]"]),
        ("reward.polite.target=mine.py:polite", ["reward.polite.target=mine.py:polite"]),
    ],
)
def test_own_functions_are_named_where_rewards_are_chosen(given, expected):
    assert rewrite([given]) == expected


def test_two_functions_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two functions of one name"):
        rewrite(["reward=[a.py:score,b.py:score]"])


def test_a_sweep_over_sets_says_how_to_name_an_own_reward():
    with pytest.raises(ConfigError, match=r"conf/reward/<name>\.yaml"):
        rewrite(["reward=[format],[format,mine.py:polite]"])
