"""How results are shown: the numbers of the data frame, rounded in the table of text and in the table of a notebook."""

import re

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from lib.stats import (
    LeftOutWarning,
    begg,
    by_group,
    combine,
    cumulative,
    egger,
    heterogeneity_interval,
    influence,
    leave_one_out,
    permutation_test,
    peters,
    pool,
    pool_proportions,
    random_intercept_logistic,
    regress,
    subgroups_with_common_tau2,
    trim_and_fill,
)

NAMES = ["Synthetic A", "Synthetic <b> & B", "Synthetic C", "Synthetic D", "Synthetic E"]
STUDIES = pd.DataFrame(
    {
        "events": [3, 8, 12, 5, 9],
        "n": [20, 18, 30, 25, 14],
        "y": [-1.2345678, 0.2, 0.5, 0.1, 1.3],
        "v": [0.02, 0.03, 0.05, 0.04, 0.06],
        "months": [3.0, 3, 6, 6, 12],
        "children": [0.0, 1, 1, 0, 1],
    },
    index=NAMES,
)
Y, V = STUDIES.y, STUDIES.v
MANY = leave_one_out(Y, V)
RESULTS = {
    "pool": pool(Y, V),
    "pool_proportions": pool_proportions(STUDIES.events, STUDIES.n, transform="logit"),
    "glmm": pool_proportions(STUDIES.events, STUDIES.n, transform="glmm"),
    "leave_one_out": pool(*MANY),
    "cumulative": pool_proportions(*cumulative(STUDIES.events, STUDIES.n)),
    "by_group": pool(*by_group(STUDIES.children, Y, V)[1:]),
    "subgroups": subgroups_with_common_tau2(STUDIES.children, Y, V)[1],
    "regress": regress(Y, V, STUDIES[["months", "children"]]),
    "regress hksj": regress(Y, V, STUDIES.months, ci="hksj"),
    "regress many": regress(*MANY, STUDIES.months),
    "permutation": permutation_test(Y, V, STUDIES.months),
    "permutation many": permutation_test(*MANY, STUDIES.months, at_most=20),
    "influence": influence(Y, V),
    "influence many": influence(*MANY),
    "egger": egger(Y, V),
    "egger many": egger(*MANY),
    "begg": begg(Y, V),
    "peters": peters(Y, STUDIES.events, STUDIES.n),
    "trim_and_fill": trim_and_fill(Y, V),
    "trim_and_fill many": trim_and_fill(*MANY),
    "heterogeneity": heterogeneity_interval(Y, V),
    "heterogeneity many": heterogeneity_interval(*MANY),
    "logistic": random_intercept_logistic(np.array([[3.0], [8], [0]]), np.array([[20.0], [18], [14]])),
    "combine": combine(0.161, 0.0301, [50, 50, 60], [40], [60]),
}


def lines(result):
    return [re.split("  +", line.strip()) for line in result.summary().splitlines()]


def number(value):
    return f"{value:.4g}".replace("-", "−")


@pytest.mark.parametrize("name", RESULTS)
def test_no_result_shows_16_digits_and_all_forms_show_the_same(name):
    result = RESULTS[name]
    assert not re.search(r"\d{6}|\.\d{5}(?!\d*e)", re.sub(r"0\.0+", "0.", result.summary())), result.summary()
    assert repr(result) == result.summary()
    table = BeautifulSoup(result._repr_html_(), "html.parser").table
    shown = [table.caption.get_text()]
    for row in table.find_all("tr"):
        shown.append("  ".join(cell.get_text() for cell in row.find_all(["th", "td"])))
    assert [re.split("  +", line) for line in shown] == lines(result)


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_a_data_frame_that_can_be_written(name):
    frame = RESULTS[name].to_frame()
    assert len(frame) and all(frame.index.names)
    read = pd.read_csv(pd.io.common.StringIO(frame.to_csv()), index_col=frame.index.names)
    np.testing.assert_allclose(read.astype(float), frame.astype(float))


@pytest.mark.parametrize("name", ["leave_one_out", "influence"])
def test_names_are_escaped(name):
    text = RESULTS[name]._repr_html_()
    assert "Synthetic &lt;b&gt; &amp; B" in text and "<b>" not in text


def test_pooled_numbers_are_those_of_the_attributes():
    result = RESULTS["pool_proportions"]
    frame = result.to_frame()
    assert frame.index.tolist() == [0] and frame.estimate[0] == result.estimate
    for name in ("k", "ci_low", "ci_high", "pi_low", "pi_high", "se", "tau2", "i2", "h2", "q", "q_df", "q_p"):
        assert frame[name][0] == getattr(result, name), name
    assert result.names == tuple(NAMES)


def test_many_results_have_the_names_of_their_analyses():
    without = RESULTS["leave_one_out"]
    assert without.to_frame().index.tolist() == [f"without {name}" for name in NAMES]
    assert lines(without)[1] == ["Analysis", "Studies", "Estimate", "95% CI", "95% PI", "tau²", "I²"]
    alone = pool(Y[1:], V[1:])
    assert lines(without)[2] == [
        "without Synthetic A",
        "4",
        number(alone.estimate),
        f"{number(alone.ci_low)} to {number(alone.ci_high)}",
        f"{number(alone.pi_low)} to {number(alone.pi_high)}",
        number(alone.tau2),
        f"{100 * alone.i2:.0f}%",
    ]
    assert RESULTS["cumulative"].to_frame().index.tolist() == [f"+ {name}" for name in NAMES]
    assert RESULTS["by_group"].to_frame().index.tolist() == RESULTS["subgroups"].to_frame().index.tolist() == [0, 1]
    assert RESULTS["by_group"].to_frame().k.tolist() == [2, 3]
    twice = leave_one_out(*MANY)
    assert pool(*twice).analyses[1] == "without Synthetic <b> & B, without Synthetic A"


def test_arrays_without_names_stay_arrays_and_names_may_be_given():
    y, v = Y.to_numpy(), V.to_numpy()
    assert all(isinstance(column, np.ndarray) for column in leave_one_out(y, v))
    assert pool(*leave_one_out(y, v)).to_frame().index.tolist() == [0, 1, 2, 3, 4]
    assert pool(*leave_one_out(y, v, names=NAMES)).analyses == RESULTS["leave_one_out"].analyses
    assert influence(y, v, names=NAMES).to_frame().equals(RESULTS["influence"].to_frame())


def test_studies_left_out_are_listed():
    with pytest.warns(LeftOutWarning):
        result = pool_proportions([0, 8, 12, np.nan], [20, 18, 30, 10], names=NAMES[:4])
    assert ["Left out", "Synthetic A"] in lines(result) and ["Missing", "Synthetic D"] in lines(result)
    many = pool_proportions(*leave_one_out([0, 8, 12], [20, 18, 30], names=NAMES[:3]))
    assert many.to_frame().left_out.tolist() == [0, 1, 1]
    assert [line[-1] for line in lines(many)[1:]] == ["Left out", "0", "1", "1"]


def test_more_analyses_than_a_table_holds_are_in_the_data_frame():
    rng = np.random.default_rng(1)
    result = pool(rng.normal(size=(3, 1234)), np.full((3, 1234), 0.1))
    assert len(lines(result)) == 43
    assert lines(result)[0] == ["Pooled results of 1,234 analyses of up to 3 studies"]
    assert lines(result)[-1] == ["and 1,194 more: to_frame() has all"]
    assert len(result.to_frame()) == 1234


def test_a_regression_has_a_line_for_each_coefficient():
    result = RESULTS["regress"]
    frame = result.to_frame()
    assert frame.index.tolist() == ["intercept", "months", "children"]
    assert frame.loc["children", "ci_high"] == result.ci_high[2]
    rows = lines(result)
    assert rows[:2] == [
        ["Meta-regression of 5 studies"],
        ["Coefficient", "Estimate", "Standard error", "95% CI", "z", "p"],
    ]
    assert rows[3][:3] == ["months", number(result.coefficients[1]), number(result.se[1])]
    assert rows[6][0].endswith(f"on 2 df, p = {result.qe_p:.3f}")
    assert f"All moderators: chi² {number(result.qm)} on 2 df" in rows[7][0]
    hksj = RESULTS["regress hksj"]
    assert lines(hksj)[3][0] == "months" and f"All moderators: F {number(hksj.qm)} on 1 and 3 df" in hksj.summary()
    many = RESULTS["regress many"]
    assert many.to_frame().loc[("without Synthetic C", "months"), "coefficients"] == many.coefficients[1, 2]
    named = regress(Y, V, STUDIES.months.to_numpy(), moderator_names=["time"])
    assert named.names == ("intercept", "time")
    assert regress(Y, V, STUDIES.months.to_numpy()).names == ("intercept", "moderator 1")


def test_a_permutation_test_has_a_line_for_each_moderator():
    result = RESULTS["permutation"]
    assert lines(result) == [
        ["Permutation test, all 30 arrangements"],
        ["Moderator", "p"],
        ["months", f"{result.p[0]:.3f}"],
        ["all moderators", f"{result.qm_p:.3f}"],
    ]
    many = RESULTS["permutation many"]
    assert many.to_frame().loc[("without Synthetic D", "all moderators"), "p"] == many.qm_p[3]


def test_influence_has_a_line_for_each_study():
    result = RESULTS["influence"]
    assert lines(result)[2][:3] == ["Synthetic A", f"{100 * result.hat[0]:.0f}%", number(result.residual[0])]
    frame = result.to_frame()
    assert frame.index.tolist() == NAMES and frame.cook.tolist() == result.cook.tolist()
    many = RESULTS["influence many"]
    assert many.to_frame().loc[("without Synthetic C", "Synthetic A"), "cook"] == many.cook[0, 2]


def test_tests_of_asymmetry_say_whose_they_are_and_that_studies_are_too_few():
    for name, statistic in (("egger", "t"), ("peters", "t"), ("begg", "Kendall's tau")):
        result = RESULTS[name]
        assert lines(result) == [
            [f"{name.capitalize()}'s test of asymmetry".replace("s's", "s'")],
            ["Studies", "5"],
            [statistic, number(result.statistic)],
            ["p", f"{result.p:.3f}"],
            ["With 5 studies, fewer than 10, tests of asymmetry have too little power."],
        ]
    many = RESULTS["egger many"]
    assert many.to_frame().loc["without Synthetic E", "p"] == many.p[4]
    assert lines(many)[2] == ["without Synthetic A", "4", number(many.statistic[0]), f"{many.p[0]:.3f}"]


def test_trim_and_fill_says_how_many_studies_it_added_where():
    result = trim_and_fill([0.2, 0.3, 0.25, 0.9, 1.2, 1.5], [0.01, 0.02, 0.05, 0.2, 0.3, 0.3])
    assert lines(result)[:4] == [
        ["Trim-and-fill of 6 studies"],
        ["Studies added", "2"],
        ["Side of the funnel", "left"],
        ["Estimate with them", number(result.pooled.estimate)],
    ]
    assert result.to_frame()[["missing", "right", "k"]].iloc[0].tolist() == [2, False, 8]
    many = RESULTS["trim_and_fill many"]
    assert many.to_frame().loc[f"without {NAMES[1]}", "missing"] == many.missing[1]


def test_heterogeneity_has_its_limits():
    result = RESULTS["heterogeneity"]
    assert lines(result)[1:] == [
        ["tau²", f"{number(result.tau2_low)} to {number(result.tau2_high)}"],
        ["I²", f"{100 * result.i2_low:.0f}% to {100 * result.i2_high:.0f}%"],
    ]
    assert (
        RESULTS["heterogeneity many"].to_frame().tau2_high.tolist() == RESULTS["heterogeneity many"].tau2_high.tolist()
    )
