from grpo_cli.evaluation.sets import chosen_rows


def test_all_rows_are_taken_in_order_where_they_fit():
    assert chosen_rows(5, None, seed=0) == chosen_rows(5, 5, seed=1) == chosen_rows(5, 9, seed=0) == [0, 1, 2, 3, 4]


def test_a_limit_takes_a_sample_that_depends_on_the_seed_alone():
    taken = chosen_rows(1000, 10, seed=0)
    assert taken == chosen_rows(1000, 10, seed=0) == sorted(set(taken))
    assert taken != chosen_rows(1000, 10, seed=1)
    assert taken[-1] > 10
