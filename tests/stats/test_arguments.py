"""Mistakes in a call: each gives an error that says what is wrong, where, and what is allowed; none a number."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from lib.stats import (
    LeftOutWarning,
    PoolingWarning,
    begg,
    between_groups,
    by_group,
    combine,
    cumulative,
    difference_interval,
    egger,
    heterogeneity_interval,
    implied_tau2,
    influence,
    leave_one_out,
    matched_pairs,
    permutation_test,
    peters,
    pool,
    pool_proportions,
    pool_ratios,
    prediction_interval,
    proportion_interval,
    proportions,
    random_intercept_logistic,
    regress,
    subgroups_with_common_tau2,
    to_proportion,
    trim_and_fill,
    two_groups,
)

NAMES = ["Synthetic A", "Synthetic B", "Synthetic C"]
EVENTS, N = [3, 8, 12], [20, 18, 30]
Y, V = [0.1, 0.5, 0.9], [0.02, 0.03, 0.05]
SERIES = pd.Series(EVENTS, index=NAMES)

BAD = {
    # Shapes
    "counts of other studies": (
        lambda: pool_proportions([3, 8, 12], [20, 18]),
        "events has 3 studies and n has 2: give a number for each study in both",
    ),
    "one n in a list": (lambda: pool_proportions([3, 8, 12], [20]), "events has 3 studies and n has 1"),
    "n without a dimension of analyses": (
        lambda: pool_proportions(np.ones((3, 3)), [20, 18, 30]),
        r"events has shape (3, 3) and n (3,): give n the shape (3, 3), or one column of shape (3, 1), as n[:, None]",
    ),
    "proportions too": (lambda: proportions(np.ones((3, 3)), [20, 18, 30]), "events has shape (3, 3) and n (3,)"),
    "other analyses": (
        lambda: pool_proportions(np.ones((3, 4)), np.full((3, 2), 20)),
        "events has shape (3, 4) and n (3, 2): give both the same number of analyses",
    ),
    "other groups": (lambda: pool_ratios([1, 2], [9, 9], [1, 2], [9, 9, 9]), "n2 has 3 studies and events1 has 2"),
    "other pairs": (lambda: matched_pairs([1, 2], 1, [1, 2, 3], 4), "second has 3 studies and both has 2"),
    "intervals": (lambda: proportion_interval([1, 2], [9, 9, 9]), "n has 3 studies and events has 2"),
    "differences": (lambda: difference_interval([1, 2], 9, [1, 2, 3], 9), "events2 has 3 studies and events1 has 2"),
    "effects": (lambda: pool(Y, [0.1]), "y and v must both have shape (k,) or (k, m), not (3,) and (1,)"),
    "peters": (lambda: peters(Y, EVENTS, [20, 18]), "y has 3 studies and n has 2"),
    "rearranged": (lambda: leave_one_out(EVENTS, [20, 18]), "column 1 has 3 studies and column 2 has 2"),
    "cumulative": (lambda: cumulative(EVENTS, [20, 18]), "column 1 has 3 studies and column 2 has 2"),
    "no column": (lambda: leave_one_out(), "give at least one column of numbers"),
    "groups": (lambda: by_group(["a", "b"], EVENTS), "groups must have an entry for each of 3 studies"),
    "a study without a group": (lambda: by_group(["a", None, "b"], EVENTS), "the study with index 1 has no group"),
    "common tau2": (lambda: subgroups_with_common_tau2([0, 1], Y, V), "groups must have an entry for each of 3"),
    "moderators": (lambda: regress(Y, V, [1, 2]), "moderators must have shape (k,), (k, c) or (k, c, m) with k = 3"),
    "tau2 of other analyses": (lambda: pool(Y, V, tau2=[1, 2]), "tau2 must be one number or one for each of 1 analys"),
    "ragged": (lambda: pool([[1, 2], [3]], V), "y must have as many numbers in each row as in the others"),
    "names": (lambda: pool(Y, V, names=NAMES[:2]), "names must have an entry for each of 3 studies, not 2"),
    "one name": (lambda: pool(Y, V, names="ABC"), "names must have an entry for each of 3 studies, not 'ABC'"),
    "names of moderators": (
        lambda: regress(Y, V, [1, 2, 4], moderator_names=["a", "b"]),
        "names must have an entry for each of 1 moderators, not 2",
    ),
    # Different studies in the same rows
    "sorted": (
        lambda: pool_proportions(SERIES, pd.Series(N, index=NAMES)[::-1]),
        "events and n have different indexes, so that their rows may be of different studies",
    ),
    "moderators of others": (
        lambda: regress(pd.Series(Y, index=NAMES), V, pd.Series([1, 2, 4], index=NAMES)[::-1]),
        "y and moderators have different indexes",
    ),
    "groups of others": (
        lambda: by_group(pd.Series(list("aab")), pd.Series(EVENTS, index=NAMES)),
        "column 1 and groups have different indexes",
    ),
    # Counts
    "fractions": (
        lambda: pool_proportions([0.3, 8, 12], N, names=NAMES),
        "study 'Synthetic A' has events = 0.3 and n = 20: counts must be whole numbers, not proportions or percentages",
    ),
    "fraction observed": (lambda: proportions(3, 20.5), "it has events = 3 and n = 20.5: counts must be whole numbers"),
    "infinite": (
        lambda: pool_proportions(EVENTS, [20, np.inf, 30]),
        "the study with index 1 has events = 8 and n = inf: counts must be finite",
    ),
    "infinite events": (lambda: proportions([np.inf], [np.nan]), "events = inf and n = nan: counts must be finite"),
    "too many": (
        lambda: pool_proportions(pd.Series([3, 19, 12], index=NAMES), pd.Series(N, index=NAMES)),
        "study 'Synthetic B' has events = 19 and n = 18: each study needs 0 <= events <= n and n > 0",
    ),
    "negative": (lambda: pool_proportions([3, -8, 12], N), "the study with index 1 has events = -8 and n = 18"),
    "none observed": (lambda: pool_proportions([0], [0], transform="glmm"), "has events = 0 and n = 0: each study"),
    "in one of many": (
        lambda: proportions([[1, 2], [3, 9]], [[5, 5], [5, 5]]),
        "the study with index 1 has events = 9",
    ),
    "index": (
        lambda: proportions(pd.Series([3, 21], index=[7, 9]), pd.Series([20, 20], index=[7, 9])),
        "the study with index 9 has events = 21",
    ),
    "second group": (
        lambda: pool_ratios([1, 2], [9, 9], [1, 10], [9, 9], names=NAMES[:2]),
        "study 'Synthetic B' has events2 = 10 and n2 = 9: each study needs 0 <= events2 <= n2 and n2 > 0",
    ),
    "fractions in groups": (lambda: two_groups(0.1, 9, 1, 9), "it has events1 = 0.1 and n1 = 9: counts must be whole"),
    "fractions in intervals": (lambda: proportion_interval(0.5, 9), "counts must be whole numbers"),
    "fractions in differences": (lambda: difference_interval(0.5, 9, 1, 9), "it has events1 = 0.5"),
    "fractions in peters": (lambda: peters([0.1], [0.5], [9]), "the study with index 0 has events = 0.5"),
    "fractions of pairs": (lambda: matched_pairs(0.5, 1, 2, 3), "it has counts 0.5, 1, 2, 3: each study needs whole"),
    "text": (lambda: pool_proportions([3, "eight", 12], N), "events must be numbers, not 'eight'"),
    "text as effects": (lambda: pool("text", V), "y must be numbers, not 'text'"),
    "logistic": (lambda: random_intercept_logistic(np.ones((2, 1)), np.ones(2)), "events and n must both have shape"),
    "logistic counts": (
        lambda: random_intercept_logistic(np.array([[1.0], [0.5]]), np.array([[0.0], [3.0]])),
        "the study with index 1 has events = 0.5 and n = 3",
    ),
    "new counts": (lambda: combine(0.2, 0.05, [50, 60], [3], [2]), "the study with index 0 has events = 3 and n = 2"),
    "new studies": (lambda: combine(0.2, 0.05, [50], [3, 4], [9]), "events has 2 studies and n has 1"),
    "a percentage": (
        lambda: combine(20, 0.05, [50], [3], [9]),
        "estimate must be a proportion between 0 and 1, not 20",
    ),
    "no participants": (
        lambda: implied_tau2(0.2, 0.05, [50, 0]),
        "the study with index 1 has n = 0: n must be above 0",
    ),
    # Effects
    "negative variance": (
        lambda: pool(Y, [0.02, -0.03, 0.05], names=NAMES),
        "study 'Synthetic B' has effect 0.5 and sampling variance -0.03: effects must be finite and sampling variances",
    ),
    "infinite effect": (lambda: egger([0.1, np.inf, 1], V), "the study with index 1 has effect inf"),
    "infinite variance": (lambda: begg(Y, [0.1, 0.1, np.inf], names=NAMES), "study 'Synthetic C' has effect 0.9"),
    "regression": (lambda: regress(Y, [-1, 1, 1], Y, names=NAMES), "study 'Synthetic A' has effect 0.1"),
    "permutation": (lambda: permutation_test(Y, [-1, 1, 1], Y, names=NAMES), "study 'Synthetic A' has effect 0.1"),
    "influence": (lambda: influence(Y, [-1, 1, 1], names=NAMES), "study 'Synthetic A' has effect 0.1"),
    "trim": (lambda: trim_and_fill(Y, [-1, 1, 1], names=NAMES), "study 'Synthetic A' has effect 0.1"),
    "heterogeneity": (lambda: heterogeneity_interval(Y, [-1, 1, 1], names=NAMES), "study 'Synthetic A' has effect"),
    "infinite moderator": (
        lambda: regress(Y, V, [1, 2, np.inf], names=NAMES),
        "study 'Synthetic C' has an infinite moderator: moderators must be finite",
    ),
    "text as moderator": (lambda: regress(Y, V, ["a", "b", "c"]), "moderators must be numbers, not 'a'"),
    # Options
    "tau2": (lambda: pool(Y, V, tau2="reml"), "FE, not 'reml': did you mean 'REML'?"),
    "tau2 of proportions": (lambda: pool_proportions(EVENTS, N, tau2="dl"), "not 'dl': did you mean 'DL'?"),
    "tau2 of glmm": (
        lambda: pool_proportions(EVENTS, N, transform="glmm", tau2="REML"),
        "tau2 of the logistic model must be one of ML, FE, not 'REML': did you mean 'ML'?",
    ),
    "tau2 far from all": (
        lambda: pool(Y, V, tau2="xyz"),
        "tau2 must be one of DL, PM, REML, ML, EB, SJ, HE, FE, not 'xyz'",
    ),
    "ci": (lambda: pool(Y, V, ci="HKSJ"), "ci must be one of normal, hksj, mkh, not 'HKSJ': did you mean 'hksj'?"),
    "ci of regression": (lambda: regress(Y, V, Y, ci="hsjk"), "did you mean 'hksj'?"),
    "no text": (lambda: pool(Y, V, ci=None), "ci must be one of normal, hksj, mkh, not None"),
    "transform": (lambda: pool_proportions(EVENTS, N, transform="Logit"), "not 'Logit': did you mean 'logit'?"),
    "transform of effects": (lambda: proportions(EVENTS, N, transform="arcsin"), "did you mean 'arcsine'?"),
    "measure": (lambda: pool_ratios([1], [9], [1], [9], measure="rr"), "not 'rr': did you mean 'RR'?"),
    "measure of pairs": (lambda: matched_pairs(1, 2, 3, 4, measure="or"), "did you mean 'OR'?"),
    "back without n": (
        lambda: to_proportion(0.5, transform="double-arcsine"),
        "n is needed to transform a double arcsine back",
    ),
    "unknown back": (lambda: to_proportion(0.5, transform="log"), "did you mean 'logit'?"),
    "no arrangements": (lambda: permutation_test(Y, V, Y, at_most=0), "at_most must be at least 1, not 0"),
    "negative tau2": (lambda: pool(Y, V, tau2=-1.0), "a tau2 that is given must be finite and not negative, not -1.0"),
}
LEVELS = {
    "pool": lambda level: pool(Y, V, level=level),
    "pool_proportions": lambda level: pool_proportions(EVENTS, N, level=level),
    "glmm": lambda level: pool_proportions(EVENTS, N, transform="glmm", level=level),
    "pool_ratios": lambda level: pool_ratios([1, 2], [9, 9], [3, 4], [9, 9], level=level),
    "regress": lambda level: regress(Y, V, [1, 2, 4], level=level),
    "heterogeneity": lambda level: heterogeneity_interval(Y, V, level=level),
    "prediction": lambda level: prediction_interval(0.5, 0.1, 0.01, 8, level=level),
    "proportion": lambda level: proportion_interval(3, 20, level=level),
    "difference": lambda level: difference_interval(3, 20, 4, 20, level=level),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_named_with_what_is_allowed(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


@pytest.mark.parametrize("name", LEVELS)
def test_a_level_is_no_percentage(name):
    with pytest.raises(ValueError, match=re.escape("level must lie between 0 and 1, not 95: did you mean 0.95?")):
        LEVELS[name](95)
    for wrong in (0, 1, 100, float("nan"), "0.95", None):
        with pytest.raises(ValueError, match="level must lie between 0 and 1, not") as error:
            LEVELS[name](wrong)
        assert "did you mean" not in str(error.value)


def test_one_number_serves_all_studies_and_one_column_all_analyses():
    assert pool_proportions(EVENTS, 30).estimate == pool_proportions(EVENTS, [30] * 3).estimate
    events = np.array([EVENTS, [4, 9, 13]]).T
    many = pool_proportions(events, np.array(N)[:, None])
    assert many.estimate.tolist() == [pool_proportions(events[:, j], N).estimate for j in range(2)]


def test_missing_values_of_pandas_are_absent():
    events = pd.Series([3, pd.NA, 12], dtype="Int64", index=NAMES)
    with pytest.warns(LeftOutWarning, match="'Synthetic B'"):
        assert pool_proportions(events, pd.Series(N, index=NAMES)).k == 2


LEFT_OUT = {
    "raw": (
        lambda: pool_proportions([0, 8, 12], N, names=NAMES),
        "study 'Synthetic A' (at 0% or 100% a raw proportion has no variance; another transform keeps it)",
    ),
    "several": (
        lambda: pool_proportions([0, 18, 12], pd.Series(N, index=NAMES)),
        "studies 'Synthetic A', 'Synthetic B' (at 0% or 100%",
    ),
    "missing": (
        lambda: pool_proportions([np.nan, 8, 12], N, transform="logit"),
        "the study with index 0 (a number is missing)",
    ),
    "glmm": (
        lambda: pool_proportions([np.nan, 8, 12], N, transform="glmm", names=NAMES),
        "study 'Synthetic A' (a number is missing)",
    ),
    "variance": (lambda: pool(Y, [0.1, 0, 0.1]), "the study with index 1 (its sampling variance is 0)"),
    "both": (
        lambda: pool([0.1, 0.2, np.nan, 0.3], [0.1, 0, 0.1, 0.2]),
        "the study with index 1 (its sampling variance is 0); the study with index 2 (a number is missing)",
    ),
    "ratio": (
        lambda: pool_ratios([0, 2], [9, 9], [0, 3], [9, 9], names=NAMES[:2]),
        "study 'Synthetic A' (no events in either group, or only events: it carries no information on a ratio)",
    ),
    "ratio missing": (lambda: pool_ratios([np.nan, 2], 9, [1, 3], 9), "the study with index 0 (a number is missing)"),
    "moderator": (
        lambda: regress([*Y, 1.3], [*V, 0.04], [1, 2, 3, np.nan], names=[*NAMES, "Synthetic D"]),
        "study 'Synthetic D' (a moderator is missing)",
    ),
    "permutation": (
        lambda: permutation_test([*Y, 1.3], [*V, 0.04], [1, 2, 3, np.nan], names=[*NAMES, "Synthetic D"]),
        "study 'Synthetic D' (a moderator is missing)",
    ),
    "influence": (lambda: influence(Y, [0.1, 0, 0.1], names=NAMES), "study 'Synthetic B' (its sampling variance is 0)"),
    "egger": (lambda: egger([*Y, 1], [*V, 0], names=[*NAMES, "D"]), "study 'D' (its sampling variance is 0)"),
    "begg": (lambda: begg([*Y, np.nan], [*V, 1], names=[*NAMES, "D"]), "study 'D' (a number is missing)"),
    "peters": (lambda: peters(Y, [0, 3, 4], N, names=NAMES), "study 'Synthetic A' (at 0% or 100% it has no weight)"),
    "trim": (lambda: trim_and_fill([*Y, 1], [*V, 0], names=[*NAMES, "D"]), "study 'D' (its sampling variance is 0)"),
    "heterogeneity": (lambda: heterogeneity_interval(Y, [0.1, 0, 0.1]), "the study with index 1 (its sampling"),
    "subgroups": (
        lambda: subgroups_with_common_tau2(list("aab"), Y, [0.1, 0, 0.1], names=NAMES),
        "study 'Synthetic B' (its sampling variance is 0)",
    ),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_study_that_is_left_out_is_named_once_at_the_line_of_the_call(name):
    call, message = LEFT_OUT[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert [warning.category for warning in caught] == [LeftOutWarning]
    assert str(caught[0].message).startswith(f"left out of the analysis: {message}")
    assert caught[0].filename == __file__


def test_one_warning_is_enough_if_no_study_is_left():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pool_proportions([0, 18], [20, 18], names=NAMES[:2])
    assert [warning.category for warning in caught] == [PoolingWarning]
    assert "no study to pool: the result is NaN; left out: studies 'Synthetic A', 'Synthetic B'" in str(
        caught[0].message
    )


def test_a_long_list_of_studies_is_cut():
    with pytest.warns(LeftOutWarning, match=r"index 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more \(at 0%"):
        pool_proportions([0] * 13 + [3, 4], [20] * 15)


def test_many_analyses_at_once_mark_studies_and_do_not_warn():
    result = pool_proportions(*leave_one_out([0, 8, 12], N))
    assert result.dropped.sum(axis=0).tolist() == [0, 1, 1]
    assert between_groups([0.2, 0.6, np.nan], [0.01, 0.03, np.nan])[1] == 1
