"""The pooled result: what it shows, as text and in a notebook."""

import re

import numpy as np
import pytest
from bs4 import BeautifulSoup

from lib.stats import LeftOutWarning, PoolingWarning, leave_one_out, pool, pool_proportions


@pytest.mark.parametrize(
    ("y", "predicts"),
    [([0.1, 0.9], False), ([0.5] * 3, False), ([0.5] * 9, False), ([0.5] * 10, True), ([-3, 0.5, 4], True)],
)
def test_few_studies_without_heterogeneity_have_no_informative_prediction(y, predicts):
    assert pool(y, np.full(len(y), 0.1)).predicts == predicts
    assert pool(*(np.array([values]).T for values in (y, np.full(len(y), 0.1)))).predicts.tolist() == [predicts]


def summary_lines(result):
    return [re.split("  +", line.strip()) for line in result.summary().splitlines()[1:]]


def test_the_summary_of_one_analysis_has_a_line_for_each_number():
    with pytest.warns(LeftOutWarning):
        result = pool_proportions([3, 8, 12, 0], [20, 18, 30, 15], level=0.9)
    lines = dict(summary_lines(result))
    assert result.summary().splitlines()[0] == "Pooled result of 3 studies"
    assert lines["Estimate"] == f"{result.estimate:.4g}"
    assert lines["90% confidence interval"] == f"{result.ci_low:.4g} to {result.ci_high:.4g}"
    assert lines["Q"].endswith(f"on 2 df, p = {result.q_p:.3f}")
    assert lines["Left out"] == "index 3"
    # A minus sign, and no interval where there is none.
    few = pool([-0.2, 0.1], [0.01, 0.02]).summary()
    assert "−0.06667" in few and "too few studies" in few and "Left out" not in few
    with pytest.warns(PoolingWarning, match="no study"):
        assert "not available" in pool([np.nan], [1.0]).summary()


def test_the_summary_of_many_analyses_has_a_line_for_each():
    result = pool(*leave_one_out([0.1, 0.7, 1.3], [0.1, 0.2, 0.1]))
    lines = result.summary().splitlines()
    assert lines[0] == "Pooled results of 3 analyses of up to 3 studies"
    assert len(lines) == 5
    assert re.split("  +", lines[3].strip())[:3] == ["1", "2", f"{result.estimate[1]:.4g}"]


def test_a_notebook_displays_the_lines_of_the_summary_as_a_table():
    result = pool([0.1, 0.7, 1.3], [0.1, 0.2, 0.1])
    table = BeautifulSoup(result._repr_html_(), "html.parser").table
    rows = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]
    assert rows == summary_lines(result)
    assert table.caption.get_text() == result.summary().splitlines()[0]
