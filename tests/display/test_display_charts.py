from __future__ import annotations

from grpo_cli.display.charts import buckets, chart
from grpo_cli.display.console import UNICODE


def test_a_chart_keeps_every_bar_visible() -> None:
    assert chart([0.0, 0.5, 1.0], 1, 0.0, 1.0, UNICODE.levels) == ["▁▄█"]
    assert chart([0.0, 1.0], 2, 0.0, 1.0, UNICODE.levels) == [" █", "▁█"]


def test_a_long_series_is_averaged_to_the_columns_there_are() -> None:
    assert buckets([1, 2, 3, 4], 2) == [1.5, 3.5]
    assert buckets([1, 2], 5) == [1, 2]
    assert len(buckets(range(1000), 37)) == 37
