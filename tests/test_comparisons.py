"""Comparisons within trials: which arms are held against each other, what is pooled, and what is said of it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from IPython.display import Markdown
from scipy import special

from conftest import ROOT
from lib import comparison_tables, comparisons
from lib.evidence import THRESHOLDS, load
from lib.figures import comparison
from lib.pooling import difference_interval, pool_ratios


@pytest.fixture(scope="module")
def ev():
    return load(ROOT / "data")


@pytest.fixture(scope="module")
def questions(ev):
    return {key: comparisons.question(ev, key) for key in ev.questions.question}


@pytest.fixture(scope="module")
def added(questions):
    return questions["added_to_phototherapy"]


def test_both_arms_of_a_pair_are_of_one_trial_and_differ_in_the_drug_alone(ev, questions):
    arms = ev.arms.set_index(["study", "arm"])
    kinds = ev.drugs.set_index("drug").kind
    seen = 0
    for found in questions.values():
        for row in found.made.itertuples():
            treated, control = arms.loc[(row.study, row.treated)], arms.loc[(row.study, row.control)]
            assert treated.phototherapy == control.phototherapy
            assert control.given_with == ""
            assert kinds[treated.drug] == "tci"
            assert treated.drug != control.drug
            seen += 1
    assert seen > 30


def test_the_counts_of_a_pair_are_those_of_the_table(ev, questions):
    counts = ev.responses[ev.responses.subtype == ""]
    for found in questions.values():
        for row in found.pairs.itertuples():
            for arm, events, n in ((row.treated, row.events, row.n), (row.control, row.control_events, row.control_n)):
                same = counts[(counts.study == row.study) & (counts.arm == arm) & (counts.threshold == row.threshold)]
                same = same[(same.site == row.site) & (same.months.eq(row.months) | same.months.isna())]
                assert (events, n) in set(zip(same.events, same.n, strict=True))


def test_a_trial_counts_once_at_each_degree_and_is_listed_if_it_cannot_be_counted(questions):
    for found in questions.values():
        for threshold in THRESHOLDS:
            assert not found.at(threshold).study.duplicated().any()
            hidden = set(found.without(threshold).study)
            assert hidden == set(found.made.study) - set(found.at(threshold).study)
        assert set(found.without().study) == set(found.made.study) - set(found.pairs.study)


def test_no_question_holds_an_excluded_record(ev, questions):
    out = set(ev.screening.study[ev.screening.decision != "included"])
    assert out
    for found in questions.values():
        assert not out & {*found.pairs.study, *found.made.study}


def more_counts(ev, rows):
    """Return evidence with further rows of responses, given as changes of an existing one."""
    base = ev.responses[(ev.responses.study == "bilal2014") & (ev.responses.threshold == "ge75")].iloc[0]
    return ev.with_tables(responses=pd.concat([ev.responses, pd.DataFrame([{**base, **row} for row in rows])]))


def test_parallel_arms_of_one_trial_are_added_up_against_their_control(ev):
    counts = {"tacrolimus+NBUVB": (30, 20), "pimecrolimus+NBUVB": (40, 25), "NBUVB": (50, 10)}
    rows = [{"study": "lotti2008", "arm": arm, "n": n, "events": events} for arm, (n, events) in counts.items()]
    found = comparisons.question(more_counts(ev, rows), "added_to_phototherapy")
    (row,) = found.at("ge75").query("study == 'lotti2008'").itertuples()
    assert (row.events, row.n, row.control_events, row.control_n) == (45, 70, 10, 50)
    assert row.treated == "tacrolimus+NBUVB and pimecrolimus+NBUVB"
    assert "lotti2008" not in set(found.without("ge75").study)
    assert comparisons.compare(found.at("ge75")).ratio.k == 4


def test_the_whole_body_goes_before_a_site(ev):
    rows = [
        {"study": "bilal2014", "arm": arm, "site": "face_neck", "n": 9, "events": 3}
        for arm in ("tacrolimus+NBUVB", "placebo+NBUVB")
    ]
    found = comparisons.question(more_counts(ev, rows), "added_to_phototherapy")
    (row,) = found.at("ge75").query("study == 'bilal2014'").itertuples()
    assert row.site == "all"


def test_a_control_that_must_not_be_pooled_is_not(ev):
    responses = ev.responses
    responses.loc[(responses.study == "bilal2014") & (responses.arm == "placebo+NBUVB"), "poolable"] = "no"
    found = comparisons.question(ev.with_tables(responses=responses), "added_to_phototherapy")
    assert "bilal2014" not in set(found.at("ge75").study)


@pytest.mark.parametrize("trials", [0, 1, 2, 3])
def test_the_sentences_are_of_as_many_trials_as_there_are(ev, added, trials):
    kept = added.at("ge75").study[:trials]
    found = dataclasses.replace(added, pairs=added.pairs[added.pairs.study.isin(kept)])
    said = comparison_tables.headline(found, "ge75")
    more = comparison_tables.reservations(ev, found, "ge75")
    shown = comparison_tables.forest(found, "ge75"), comparison_tables.sensitivity(found, "ge75")
    assert said.startswith("no trial has") == (trials == 0)
    assert ("of them randomised" in said) == ("how few the trials are" in more) == (trials > 1)
    assert ("in 1 trial, randomised" in said) == (trials == 1)
    assert [isinstance(one, Markdown) for one in shown] == [trials == 0, trials < 2]
    assert f"{added.made.study.nunique() - trials} " in more


def test_a_difference_is_of_no_more_than_all_patients(added):
    two = comparisons.compare(added.at("ge75").iloc[:2], ci="hksj").difference
    assert two.ci_high > 1
    assert comparison_tables.per_100(two).endswith("(100 fewer to 100 more)")


def test_an_edition_knows_no_later_trial():
    early = load(ROOT / "data", "2018-08-06")
    found = comparisons.question(early, "added_to_phototherapy")
    assert len(found.pairs)
    assert (found.pairs.edition == "original").all()


def test_a_question_that_is_not_asked_is_refused(ev):
    with pytest.raises(KeyError):
        comparisons.question(ev, "surgery")


def test_a_comparison_is_pooled_as_ratios_of_its_trials(added):
    rows = added.at("ge75")
    compared = comparisons.compare(rows)
    given = [rows[name].to_numpy(float) for name in ("events", "n", "control_events", "control_n")]
    assert compared.ratio.estimate == pool_ratios(*given, measure="RR", tau2="REML").estimate
    assert compared.odds.estimate == pool_ratios(*given, measure="OR", tau2="REML").estimate
    assert compared.difference.estimate == pool_ratios(*given, measure="RD", tau2="REML").estimate
    assert comparisons.compare(rows[:0]) is None


def test_a_trial_that_would_count_twice_is_refused(added):
    rows = added.at("ge75")
    with pytest.raises(ValueError, match="count twice"):
        comparisons.compare(pd.concat([rows, rows[:1]]))


def more_trials(rows, *counts):
    """Return rows with further trials, given as events and n of the treated arm and of the control."""
    base = rows.iloc[0]
    names = ("events", "n", "control_events", "control_n")
    trials = [
        {**base, "study": f"more{i}", "label": f"Trial {i}", **dict(zip(names, map(float, numbers), strict=True))}
        for i, numbers in enumerate(counts)
    ]
    return pd.concat([rows, pd.DataFrame(trials)], ignore_index=True)


def test_a_trial_without_a_response_in_either_arm_changes_no_ratio(added):
    rows = added.at("ge75")
    assert len(rows) == 3
    before = comparisons.compare(rows)
    for counts in ((0, 60, 0, 20), (60, 60, 20, 20)):
        after = comparisons.compare(more_trials(rows, counts))
        for name in ("k", "estimate", "se", "ci_low", "ci_high", "tau2", "i2"):
            assert getattr(after.ratio, name) == getattr(before.ratio, name)
            assert getattr(after.odds, name) == getattr(before.odds, name)
        assert after.ratio.dropped.tolist() == after.odds.dropped.tolist() == [False, False, False, True]
        assert after.difference.k == 4 and 0 < after.difference.weights[3] < 1


def test_a_trial_without_information_is_named_under_the_plot_and_no_plot_fails_of_it(added):
    rows = more_trials(added.at("ge75"), (0, 60, 0, 20))
    found = dataclasses.replace(added, pairs=rows)
    assert "Without information on the ratio, and not in it: Trial 0" in comparison_tables.forest_caption(found, "ge75")
    assert "in 3 trials, all of them randomised" in comparison_tables.headline(found, "ge75")
    assert "Pooled: 1" in comparison(rows, comparisons.compare(rows).ratio, wide=True).get_label()
    assert comparison_tables.pairs(found).frame["RR (95% CI)"].iloc[-1] == "–"


@pytest.mark.filterwarnings("error")
def test_trials_that_all_lack_information_have_a_difference_and_no_ratio(questions):
    rows = questions["drugs"].at("any")
    assert ((rows.events == rows.n) & (rows.control_events == rows.control_n)).all()
    compared = comparisons.compare(rows)
    assert (compared.ratio.k, compared.odds.k, compared.difference.k) == (0, 0, 1)
    assert compared.difference.estimate == 0
    assert "information on the ratio" in comparison_tables.headline(questions["drugs"], "any")
    assert "nan" not in comparison_tables.pairs(questions["drugs"]).frame.to_string()


@pytest.mark.parametrize(("counts", "per_100"), [((3, 31, 0, 32), 9.7), ((8, 31, 0, 32), 25.8)])
def test_the_difference_of_one_trial_is_its_own_with_newcombes_interval(added, counts, per_100):
    rows = more_trials(added.at("ge75")[:0].reindex([0]), counts)[1:]
    difference = comparisons.compare(rows).difference
    assert round(100 * difference.estimate, 1) == per_100
    ends = difference_interval(*counts)
    assert (difference.ci_low, difference.ci_high) == (ends[0].item(), ends[1].item())


def test_one_rule_gives_the_interval_whatever_the_number_of_trials_and_whichever_is_left_out(added):
    rows = more_trials(added.at("ge75"), (9, 20, 4, 20), (12, 40, 15, 40))
    for size in (2, 3, 4, 5):
        for left_out in range(size):
            part = rows[:size].drop(index=left_out)
            result, normal = (comparisons.compare(part, **options) for options in ({}, {"ci": "normal"}))
            for measure in ("ratio", "odds"):
                ours, theirs = (getattr(one, measure) for one in (result, normal))
                half = np.log(ours.ci_high / ours.estimate)
                if len(part) == 1:
                    assert (ours.ci_low, ours.ci_high) == (theirs.ci_low, theirs.ci_high)
                else:
                    assert half == pytest.approx(special.stdtrit(max(len(part) - 1, 2), 0.975) * ours.se)
                    # No agreement of the trials makes the standard error smaller.
                    assert ours.se >= theirs.se


def test_two_trials_do_not_have_a_shorter_interval_than_three_of_the_same_kind(added):
    """Leaving out one of three trials that agree does not narrow the interval."""
    rows = more_trials(added.at("ge75")[:0].reindex([0]), *[(20, 40, 10, 40)] * 3)[1:].reset_index(drop=True)
    three, two = (comparisons.compare(part).ratio for part in (rows, rows[:2]))
    assert np.log(two.ci_high / two.ci_low) / np.log(three.ci_high / three.ci_low) == pytest.approx(1.5**0.5)


def test_few_trials_are_not_said_to_predict(added, questions):
    caption = comparison_tables.forest_caption(added, "ge75")
    assert comparisons.compare(added.at("ge75")).ratio.tau2 == 0
    assert "3 trials cannot show how far the true ratio of another trial may lie" in caption
    vehicle = comparison_tables.forest_caption(questions["vehicle"], "any")
    assert "2 trials cannot show" in vehicle and "nan" not in vehicle
    apart = more_trials(added.at("ge75"), (2, 40, 20, 40))
    said = comparison_tables.forest_caption(dataclasses.replace(added, pairs=apart), "ge75")
    assert "95% prediction interval of another trial's true ratio" in said


def test_no_correlation_is_the_main_analysis_and_one_moves_paired_trials_alone(added):
    rows = added.at("ge75")
    assert rows.paired.any()
    main = comparisons.compare(rows).ratio
    assert comparisons.assume_correlation(rows, 0.0).estimate == pytest.approx(main.estimate)
    assert comparisons.assume_correlation(rows, 0.0).ci_low == pytest.approx(main.ci_low)
    correlated = comparisons.assume_correlation(rows, 0.5)
    paired = rows.paired.to_numpy()
    assert correlated.weights[paired].sum() > main.weights[paired].sum()
    alone = rows[~rows.paired].reset_index(drop=True)
    assert comparisons.assume_correlation(alone, 0.5).estimate == pytest.approx(
        comparisons.compare(alone).ratio.estimate
    )


# --- What is said -----------------------------------------------------------------------------------------


def compared_with(added, ratio=(2.0, 1.5, 2.5), difference=(0.25, 0.125, 0.5), **changes):
    """Return a comparison with these results."""
    names = ("estimate", "ci_low", "ci_high")
    base = comparisons.compare(added.at("ge75"))
    ratio = dataclasses.replace(base.ratio, **dict(zip(names, ratio, strict=True)), **changes)
    difference = dataclasses.replace(base.difference, **dict(zip(names, difference, strict=True)))
    return dataclasses.replace(base, ratio=ratio, difference=difference)


@pytest.mark.parametrize(
    ("ratio", "values", "expected", "needed"),
    [
        ((2, 1.5, 2.5), (0.25, 0.125, 0.5), "25 more (12 to 50 more)", "4.0 (2.0 to 8.0)"),
        ((2, 0.9, 2.5), (0.25, 0.125, 0.5), "25 more (12 to 50 more)", "–"),
        ((0.5, 0.2, 0.9), (-0.25, -0.5, -0.1), "25 fewer (10 to 50 fewer)", "–"),
        ((1.2, 0.8, 1.9), (0.1, -0.05, 0.25), "10 more (5 fewer to 25 more)", "–"),
        ((1, 0.9, 1.1), (0.0, -0.001, 0.001), "0 (0 to 0)", "–"),
    ],
)
def test_a_difference_is_said_as_patients(added, ratio, values, expected, needed):
    compared = compared_with(added, ratio, values)
    assert comparison_tables.per_100(compared.difference) == expected
    assert comparison_tables.number_needed(compared) == needed


def test_a_single_trial_is_not_called_pooled(questions):
    for found in questions.values():
        for threshold in found.pairs.threshold.unique():
            caption = comparison_tables.forest_caption(found, threshold)
            assert ("I²" in caption) == (len(found.at(threshold)) > 1)
        assert "nothing pooled" in comparison_tables.shown_trial_by_trial(found).caption


def test_every_question_that_has_trials_is_judged_in_every_domain_with_a_reason(ev, questions):
    domains = set(ev.meaning("certainty_domain"))
    for key, found in questions.items():
        rows = ev.certainty[ev.certainty.question == key]
        assert set(rows.domain) == domains
        assert rows.levels.isin([0, 1, 2]).all()
        assert len(found.at(rows.threshold.iloc[0]))


def test_certainty_falls_by_the_levels_entered_and_never_below_the_last(ev, added):
    levels = {}
    for lowered in (0, 1, 2):
        rows = ev.certainty.assign(levels=0)
        rows.loc[(rows.question == added.key) & (rows.domain == "imprecision"), "levels"] = lowered
        levels[lowered] = comparison_tables.certainty(ev.with_tables(certainty=rows), added, "ge75")
    assert levels == {0: "High", 1: "Moderate", 2: "Low"}
    assert (
        comparison_tables.certainty(ev.with_tables(certainty=ev.certainty.assign(levels=2)), added, "ge75")
        == "Very low"
    )


def test_trials_without_randomisation_begin_low(ev, added):
    rows = ev.certainty.assign(levels=0)
    loose = dataclasses.replace(added, pairs=added.pairs.assign(randomised="no"))
    assert comparison_tables.certainty(ev.with_tables(certainty=rows), loose, "ge75") == "Low"


def test_an_answer_with_a_judgement_missing_is_not_judged(ev, added):
    rows = ev.certainty[~((ev.certainty.question == added.key) & (ev.certainty.domain == "imprecision"))]
    assert comparison_tables.certainty(ev.with_tables(certainty=rows), added, "ge75") == "Not judged"
    assert comparison_tables.certainty(ev, added, "ge50") == "Not judged"


@pytest.mark.parametrize(
    ("domain", "changes", "levels"),
    [
        ("inconsistency", {"i2": 0.0, "pi_low": 1.2, "pi_high": 3.0}, 0),
        ("inconsistency", {"i2": 0.9, "pi_low": 1.2, "pi_high": 3.0}, 1),
        ("inconsistency", {"i2": 0.0, "pi_low": 0.8, "pi_high": 3.0, "tau2": 0.1}, 1),
        ("inconsistency", {"i2": 0.0, "pi_low": 0.8, "pi_high": 3.0, "tau2": 0.0}, 0),
        ("inconsistency", {"k": 1}, None),
        ("imprecision", {}, 1),
        ("imprecision", {"ratio": (2.0, 0.9, 3.0)}, 2),
        ("risk_of_bias", {}, None),
        ("publication_bias", {}, None),
    ],
)
def test_the_numbers_tell_by_how_much_they_would_lower(added, domain, changes, levels):
    said = comparison_tables.computed(added, compared_with(added, **changes))
    assert said[domain][1] == levels


def test_many_responders_are_precise(added):
    compared = compared_with(added)
    many = dataclasses.replace(compared, rows=compared.rows.assign(events=200.0, n=400.0))
    assert comparison_tables.computed(added, many)["imprecision"][1] == 0


def test_a_judgement_that_departs_from_the_numbers_is_marked(ev, questions):
    shown = comparison_tables.judgements(ev, list(questions.values())).frame
    assert shown["From the numbers"].str.contains("lower by").sum() >= len(questions)
    marked = shown["From the numbers"].str.contains("departs").sum()
    other = ev.with_tables(certainty=ev.certainty.assign(levels=2 - ev.certainty.levels))
    assert (
        comparison_tables.judgements(other, list(questions.values()))
        .frame["From the numbers"]
        .str.contains("departs")
        .sum()
        > marked
    )


def test_a_forest_plot_of_ratios_tells_every_trial(added):
    rows = added.at("ge75")
    compared = comparisons.compare(rows)
    figure = comparison(rows, compared.ratio, wide=True)
    told = figure.get_label()
    assert all(label in told for label in rows.label)
    assert "Pooled: 1" in told
    assert "Pooled" not in comparison(rows[:1], comparisons.compare(rows[:1]).ratio, wide=False).get_label()
    low, high = figure.axes[0].get_xlim()
    assert low < 1 < high
    assert figure.axes[0].get_xscale() == "log"
    assert np.isfinite([low, high]).all()
