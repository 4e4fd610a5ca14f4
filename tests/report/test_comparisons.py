"""Comparisons within trials: which arms are compared, what is pooled, and how findings and certainty are stated."""

import dataclasses
import html
import re

import numpy as np
import pandas as pd
import pytest
from IPython.display import Markdown
from scipy import special

from conftest import ROOT
from lib.evidence import THRESHOLDS, comparisons, load
from lib.published import rates
from lib.report import absolute_effects
from lib.report.chapters import (
    certainty,
    comparison_effects,
    comparison_findings,
    comparison_tables,
    risk_of_bias,
    summary_of_findings,
)
from lib.report.chapters.comparison_effects import own_ratios
from lib.report.figures import comparison_plot
from lib.stats import difference_interval, pool_ratios


@pytest.fixture(scope="module")
def questions(ev):
    return {key: comparisons.question(ev, key) for key in ev.questions.question}


@pytest.fixture(scope="module")
def rated(ev):
    return summary_of_findings.rated(ev, rates.results(ev))


@pytest.fixture(scope="module")
def added(questions):
    return questions["added_to_phototherapy"]


def test_both_arms_of_a_pair_are_of_one_trial_and_differ_in_the_drug_alone(ev, questions):
    arms = ev.arms.set_index(["study", "arm"])
    kinds = ev.drugs.set_index("drug").kind
    seen = 0
    for question in questions.values():
        for row in question.trials.itertuples():
            treated, control = arms.loc[(row.study, row.treated)], arms.loc[(row.study, row.control)]
            assert treated.phototherapy == control.phototherapy
            assert control.given_with == ""
            assert kinds[treated.drug] == "tci"
            assert treated.drug != control.drug
            seen += 1
    assert seen > 30


def test_the_counts_of_a_pair_are_those_of_the_table(ev, questions):
    counts = ev.responses[ev.responses.subtype == ""]
    for question in questions.values():
        for row in question.pairs.itertuples():
            for arm, events, n in ((row.treated, row.events, row.n), (row.control, row.control_events, row.control_n)):
                same = counts[(counts.study == row.study) & (counts.arm == arm) & (counts.threshold == row.threshold)]
                same = same[(same.site == row.site) & (same.months.eq(row.months) | same.months.isna())]
                assert (events, n) in set(zip(same.events, same.n, strict=True))


def test_a_trial_counts_once_at_each_degree_and_is_listed_if_it_cannot_be_counted(questions):
    for question in questions.values():
        for threshold in THRESHOLDS:
            assert not question.at(threshold).study.duplicated().any()
            hidden = set(question.without(threshold).study)
            assert hidden == set(question.trials.study) - set(question.at(threshold).study)
        assert set(question.without().study) == set(question.trials.study) - set(question.pairs.study)


def test_no_question_holds_an_excluded_record(ev, questions):
    out = set(ev.screening.study[ev.screening.decision != "included"])
    assert out
    for question in questions.values():
        assert not out & {*question.pairs.study, *question.trials.study}


def more_counts(ev, rows):
    """Return evidence with further rows of responses, given as changes of an existing one."""
    base = ev.responses[(ev.responses.study == "bilal2014") & (ev.responses.threshold == "ge75")].iloc[0]
    return ev.with_tables(responses=pd.concat([ev.responses, pd.DataFrame([{**base, **row} for row in rows])]))


def test_parallel_arms_of_one_trial_are_added_up_against_their_control(ev):
    counts = {"tacrolimus+NBUVB": (30, 20), "pimecrolimus+NBUVB": (40, 25), "NBUVB": (50, 10)}
    rows = [{"study": "lotti2008", "arm": arm, "n": n, "events": events} for arm, (n, events) in counts.items()]
    question = comparisons.question(more_counts(ev, rows), "added_to_phototherapy")
    (row,) = question.at("ge75").query("study == 'lotti2008'").itertuples()
    assert (row.events, row.n, row.control_events, row.control_n) == (45, 70, 10, 50)
    assert row.treated == "tacrolimus+NBUVB and pimecrolimus+NBUVB"
    assert "lotti2008" not in set(question.without("ge75").study)
    assert comparisons.compare(question.at("ge75")).risk_ratio.k == 4


def test_the_whole_body_goes_before_a_site(ev):
    rows = [
        {"study": "bilal2014", "arm": arm, "site": "face_neck", "n": 9, "events": 3}
        for arm in ("tacrolimus+NBUVB", "placebo+NBUVB")
    ]
    question = comparisons.question(more_counts(ev, rows), "added_to_phototherapy")
    (row,) = question.at("ge75").query("study == 'bilal2014'").itertuples()
    assert row.site == "all"


def test_a_control_that_must_not_be_pooled_is_not(ev):
    responses = ev.responses
    responses.loc[(responses.study == "bilal2014") & (responses.arm == "placebo+NBUVB"), "poolable"] = "no"
    question = comparisons.question(ev.with_tables(responses=responses), "added_to_phototherapy")
    assert "bilal2014" not in set(question.at("ge75").study)


@pytest.mark.parametrize("trials", [0, 1, 2, 3])
def test_the_sentences_are_of_as_many_trials_as_there_are(ev, added, trials):
    kept = added.at("ge75").study[:trials]
    question = dataclasses.replace(added, pairs=added.pairs[added.pairs.study.isin(kept)])
    stated = comparison_findings.finding(ev, question, "ge75")
    numbers = comparison_findings.estimates(question, "ge75")
    more = comparison_findings.limitations(ev, question, "ge75")
    shown = comparison_findings.forest(question, "ge75"), comparison_tables.sensitivity(question, "ge75")
    assert stated.startswith("No trial") == (trials == 0)
    assert ("of them randomised" in numbers) == (trials > 1)
    assert ("in 1 trial, randomised" in numbers) == (trials == 1)
    assert [isinstance(one, Markdown) for one in shown] == [trials == 0, trials < 2]
    made = added.trials.study.nunique()
    assert f"from {made - trials} of {made} trials" in more


def test_an_edition_knows_no_later_trial():
    early = load(ROOT / "data", "2018-08-06")
    question = comparisons.question(early, "added_to_phototherapy")
    assert len(question.pairs)
    assert (question.pairs.edition == "original").all()


def test_a_question_that_is_not_asked_is_refused(ev):
    with pytest.raises(ValueError, match="question must be one of .*added_to_phototherapy.*, not 'surgery'"):
        comparisons.question(ev, "surgery")


def test_a_comparison_is_pooled_as_ratios_of_its_trials(added):
    rows = added.at("ge75")
    compared = comparisons.compare(rows)
    given = [rows[name].to_numpy(float) for name in ("events", "n", "control_events", "control_n")]
    assert compared.risk_ratio.estimate == pool_ratios(*given, measure="RR", tau2="REML").estimate
    assert compared.odds_ratio.estimate == pool_ratios(*given, measure="OR", tau2="REML").estimate
    assert compared.risk_difference.estimate == pool_ratios(*given, measure="RD", tau2="REML").estimate
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
            assert getattr(after.risk_ratio, name) == getattr(before.risk_ratio, name)
            assert getattr(after.odds_ratio, name) == getattr(before.odds_ratio, name)
        assert after.risk_ratio.dropped.tolist() == after.odds_ratio.dropped.tolist() == [False, False, False, True]
        assert after.risk_difference.k == 4 and 0 < after.risk_difference.weights[3] < 1


def test_a_trial_without_information_is_named_under_the_plot_and_no_plot_fails_of_it(added):
    rows = more_trials(added.at("ge75"), (0, 60, 0, 20))
    question = dataclasses.replace(added, pairs=rows)
    assert (
        "Left out, because nobody or everybody responded in both arms: Trial 0"
        in comparison_findings.forest_caption(question, "ge75")
    )
    assert "in 3 trials, all of them randomised" in comparison_findings.estimates(question, "ge75")
    assert "Pooled: 1" in comparison_plot(rows, own_ratios(rows), comparisons.compare(rows).risk_ratio, wide=True).alt
    assert comparison_tables.pairs(question).frame["RR (95% CI)"].iloc[-1] == "–"


@pytest.mark.filterwarnings("error")
def test_trials_that_all_lack_information_have_a_difference_and_no_ratio(questions):
    rows = questions["drugs"].at("any")
    assert ((rows.events == rows.n) & (rows.control_events == rows.control_n)).all()
    compared = comparisons.compare(rows)
    assert (compared.risk_ratio.k, compared.odds_ratio.k, compared.risk_difference.k) == (0, 0, 1)
    assert compared.risk_difference.estimate == 0
    assert "A risk ratio cannot be calculated" in comparison_findings.estimates(questions["drugs"], "any")
    assert "nan" not in comparison_tables.pairs(questions["drugs"]).frame.to_string()


@pytest.mark.parametrize(("counts", "per_100"), [((3, 31, 0, 32), 9.7), ((8, 31, 0, 32), 25.8)])
def test_the_difference_of_one_trial_is_its_own_with_newcombes_interval(added, counts, per_100):
    rows = more_trials(added.at("ge75")[:0].reindex([0]), counts)[1:]
    difference = comparisons.compare(rows).risk_difference
    assert round(100 * difference.estimate, 1) == per_100
    ends = difference_interval(*counts)
    assert (difference.ci_low, difference.ci_high) == (ends[0].item(), ends[1].item())


def test_one_rule_gives_the_interval_whatever_the_number_of_trials_and_whichever_is_left_out(added):
    rows = more_trials(added.at("ge75"), (9, 20, 4, 20), (12, 40, 15, 40))
    for size in (2, 3, 4, 5):
        for left_out in range(size):
            part = rows[:size].drop(index=left_out)
            result, normal = (comparisons.compare(part, **options) for options in ({}, {"ci": "normal"}))
            for measure in ("risk_ratio", "odds_ratio"):
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
    three, two = (comparisons.compare(part).risk_ratio for part in (rows, rows[:2]))
    assert np.log(two.ci_high / two.ci_low) / np.log(three.ci_high / three.ci_low) == pytest.approx(1.5**0.5)


def test_few_trials_are_not_said_to_predict(added, questions):
    caption = comparison_findings.forest_caption(added, "ge75")
    assert comparisons.compare(added.at("ge75")).risk_ratio.tau2 == 0
    assert "3 trials are too few for a prediction interval" in caption
    vehicle = comparison_findings.forest_caption(questions["vehicle"], "any")
    assert "2 trials are too few" in vehicle and "nan" not in vehicle
    apart = more_trials(added.at("ge75"), (2, 40, 20, 40))
    statement = comparison_findings.forest_caption(dataclasses.replace(added, pairs=apart), "ge75")
    assert "the true ratio in another trial may lie from" in statement


def test_no_correlation_is_the_main_analysis_and_one_moves_paired_trials_alone(added):
    rows = added.at("ge75")
    assert rows.paired.any()
    main = comparisons.compare(rows).risk_ratio
    assert comparisons.assume_correlation(rows, 0.0).estimate == pytest.approx(main.estimate)
    assert comparisons.assume_correlation(rows, 0.0).ci_low == pytest.approx(main.ci_low)
    correlated = comparisons.assume_correlation(rows, 0.5)
    paired = rows.paired.to_numpy()
    assert correlated.weights[paired].sum() > main.weights[paired].sum()
    alone = rows[~rows.paired].reset_index(drop=True)
    assert comparisons.assume_correlation(alone, 0.5).estimate == pytest.approx(
        comparisons.compare(alone).risk_ratio.estimate
    )


# --- What is said -----------------------------------------------------------------------------------------


def compared_with(added, ratio=(2.0, 1.5, 2.5), difference=(0.25, 0.125, 0.5), **changes):
    """Return a comparison with these results."""
    names = ("estimate", "ci_low", "ci_high")
    base = comparisons.compare(added.at("ge75"))
    ratio = dataclasses.replace(base.risk_ratio, **dict(zip(names, ratio, strict=True)), **changes)
    difference = dataclasses.replace(base.risk_difference, **dict(zip(names, difference, strict=True)))
    return dataclasses.replace(base, risk_ratio=ratio, risk_difference=difference)


@pytest.mark.parametrize(
    ("ratio", "values", "expected", "needed"),
    [
        ((2, 1.5, 2.5), (0.25, 0.125, 0.5), "25 more (12 to 50 more)", "4 (2 to 8)"),
        ((2, 1.5, 2.5), (0.258, 0.096, 0.432), "26 more (10 to 43 more)", "4 (3 to 11)"),
        ((2, 1.5, 2.5), (0.1, 0.07, 0.2), "10 more (7 to 20 more)", "10 (5 to 15)"),
        ((2, 0.9, 2.5), (0.25, 0.125, 0.5), "25 more (12 to 50 more)", "–"),
        ((0.5, 0.2, 0.9), (-0.25, -0.5, -0.1), "25 fewer (10 to 50 fewer)", "–"),
        ((1.2, 0.8, 1.9), (0.1, -0.05, 0.25), "10 more (5 fewer to 25 more)", "–"),
        ((1, 0.9, 1.1), (0.0, -0.001, 0.001), "0 (0 to 0)", "–"),
    ],
)
def test_a_difference_is_said_as_patients(added, ratio, values, expected, needed):
    compared = compared_with(added, ratio, values)
    assert comparison_effects.per_100(*values) == expected
    assert comparison_effects.number_needed(compared) == needed


def of_counts(added, *counts):
    """Return a comparison of trials with these (events, n, control_events, control_n)."""
    rows = added.at("ge75").iloc[[1] * len(counts)].reset_index(drop=True)
    names = ["events", "n", "control_events", "control_n"]
    rows[names] = np.array(counts, float)
    rows["study"] = rows["label"] = [f"trial{i}" for i in range(len(counts))]
    return comparisons.compare(rows)


@pytest.mark.parametrize(
    "counts", [[(16, 30, 9, 30)], [(16, 23, 4, 20), (16, 30, 9, 30), (38, 70, 22, 70)], [(15, 30, 27, 30)]]
)
def test_the_absolute_effect_is_the_baseline_times_the_ratio_within_all_patients(added, counts):
    compared = of_counts(added, *counts)
    effect = absolute_effects.absolute(compared)
    baseline = sum(c for _, _, c, _ in counts) / sum(n for *_, n in counts)
    assert effect.from_ratio
    assert effect.without == pytest.approx(baseline)
    for shown, name in ((effect.estimate, "estimate"), (effect.ci_low, "ci_low"), (effect.ci_high, "ci_high")):
        assert shown == pytest.approx(min(baseline * getattr(compared.risk_ratio, name), 1))
    assert effect.difference == pytest.approx(
        (effect.estimate - baseline, effect.ci_low - baseline, effect.ci_high - baseline)
    )


@pytest.mark.parametrize("counts", [(2, 15, 0, 10), (3, 31, 0, 32), (8, 31, 0, 32)])
def test_of_nobody_who_responded_there_are_no_fewer(added, counts):
    compared = of_counts(added, counts)
    effect = absolute_effects.absolute(compared)
    assert not effect.from_ratio
    assert effect.estimate == compared.risk_difference.estimate
    assert effect.ci_low == max(compared.risk_difference.ci_low, 0)
    assert "fewer" not in comparison_effects.per_100(*effect.difference)
    assert "fewer" not in comparison_effects.risk_difference(compared)


def test_a_difference_is_of_no_more_than_all_patients(added):
    far = compared_with(added, difference=(0.5, -0.9, 1.4))
    without = far.rows.control_events.sum() / far.rows.control_n.sum()
    expected = f"50 more ({round(100 * without)} fewer to {round(100 * (1 - without))} more)"
    assert comparison_effects.risk_difference(far) == expected


def test_the_summary_of_findings_names_its_baseline_and_has_one_effect_a_row(ev, questions):
    shown = summary_of_findings.findings(ev, list(questions.values())).frame
    assert len(shown) >= len(questions)
    for row in shown.itertuples():
        assert "control arms of" in row.Basis
    added = questions["added_to_phototherapy"]
    row = shown.loc[added.label]
    effect = absolute_effects.absolute(comparisons.compare(added.at("ge75")))
    assert row["Difference, per 100"] == comparison_effects.per_100(*effect.difference)
    for name in added.at("ge75").label:
        assert name in row.Basis


def test_patients_who_had_both_treatments_count_once(ev, questions):
    shown = summary_of_findings.findings(ev, list(questions.values())).frame.Basis
    (dawid,) = (text for text in shown if "Dawid" in text)
    (row,) = questions["vehicle"].at_other_thresholds("ge75").itertuples()
    assert (row.paired, row.unit, row.n, row.control_n) == (True, "patients", 14, 14)
    assert "1 trial, 14 patients" in dawid
    rafiq = questions["steroid"].at_other_thresholds("ge75").iloc[0]
    (text,) = (text for text in shown if "Rafiq" in text)
    assert f"1 trial, {rafiq.n + rafiq.control_n:g} patients" in text


# --- Treatments are named as the trials had them ------------------------------------------------------------


def test_a_comparison_is_labelled_with_its_own_comparator(questions):
    steroid = questions["steroid"].at("ge75")
    assert comparison_effects.label(steroid) == "Tacrolimus 0.03% versus hydrocortisone acetate 1%"
    assert "hydrocortisone acetate 1%" in comparison_findings.forest_caption(questions["steroid"], "ge75")
    added = questions["added_to_phototherapy"].at("ge75")
    assert (
        comparison_effects.label(added) == "Tacrolimus 0.1% plus phototherapy versus phototherapy alone or with placebo"
    )
    assert comparison_effects.treatments(added[added.study == "passeron2004"]) == (
        "tacrolimus 0.1% plus excimer light or laser",
        "excimer light or laser alone",
    )
    assert comparison_effects.treatments(questions["vehicle"].at("ge75"))[1] == "no treatment"


def test_a_trial_known_at_another_threshold_alone_is_reported_beside_the_result(ev, questions):
    steroid = questions["steroid"]
    (row,) = steroid.at_other_thresholds("ge75").itertuples()
    assert (row.study, row.threshold) == ("rafiq2016", "any")
    assert (row.events, row.n, row.control_events, row.control_n) == (15, 30, 27, 30)
    for statement in (
        comparison_findings.summary_sentences(ev, steroid, "ge75"),
        comparison_findings.limitations(ev, steroid, "ge75"),
    ):
        statement = html.unescape(statement)
        assert "clobetasol 0.05%" in statement
        assert "0.56 (95% CI 0.38 to 0.81)" in statement
    everything = list(questions.values())
    for table in (summary_of_findings.findings(ev, everything), comparison_tables.summary(everything)):
        assert table.frame.to_string().count("Tacrolimus 0.03% versus clobetasol 0.05%") == 1
        assert "0.56 (0.38–0.81)" in table.frame.to_string()


def test_a_trial_with_counts_at_the_threshold_is_not_reported_beside_it(questions):
    for question in questions.values():
        for threshold in THRESHOLDS:
            others = question.at_other_thresholds(threshold)
            assert not set(others.study) & set(question.at(threshold).study)
            assert not others.study.duplicated().any()


# --- Findings and certainty -------------------------------------------------------------------------------


def judged(ev, question, threshold, lowered):
    """Return evidence in which one domain lowers the certainty of an outcome by so many levels."""
    rows = ev.certainty.assign(levels=0)
    key = certainty.outcome_key(ev, question, threshold)
    rows.loc[rows.outcome == key, "levels"] = lowered
    return ev.with_tables(certainty=rows)


@pytest.mark.parametrize(
    ("lowered", "ratio", "words"),
    [
        ([0] * 5, (2, 1.5, 2.5), "alone or with placebo$"),
        ([1, 0, 0, 0, 0], (2, 1.5, 2.5), "probably makes a marked response .* more likely than"),
        ([2, 0, 0, 0, 0], (2, 1.5, 2.5), "may make a marked response .* more likely than phototherapy[^,]*$"),
        ([2, 0, 0, 1, 0], (2, 1.5, 2.5), "may make .* more likely .*, but the evidence is very uncertain$"),
        ([2, 0, 0, 1, 0], (2, 0.9, 4), "pooled result does not show a clear difference and the evidence is very unc"),
        ([2, 0, 0, 0, 0], (0.5, 0.2, 0.9), "may make a marked response .* less likely than"),
        ([0] * 5, (1.1, 0.9, 1.2), "makes little or no difference to the chance of"),
        ([2, 0, 0, 0, 0], (1.1, 0.5, 2.2), "may make little or no .* does not exclude an important benefit or harm"),
    ],
)
def test_a_finding_is_about_the_treatments_and_worded_by_its_certainty(ev, added, monkeypatch, lowered, ratio, words):
    compared = compared_with(added, ratio)
    monkeypatch.setattr(comparison_findings, "compare", lambda rows: compared)
    statement = html.unescape(comparison_findings.finding(judged(ev, added, "ge75", lowered), added, "ge75"))
    assert statement.startswith("Tacrolimus 0.1% plus phototherapy ")
    assert re.search(words, statement), statement


def test_where_nobody_responded_no_direction_is_claimed(ev, added, monkeypatch):
    compared = compared_with(added, (np.nan, np.nan, np.nan), (0.0, -0.1, 0.1))
    monkeypatch.setattr(comparison_findings, "compare", lambda rows: compared)
    statement = comparison_findings.finding(ev, added, "ge75")
    assert "cannot be compared" in statement
    assert "cannot be calculated" in comparison_findings.estimates(added, "ge75")
    assert "likely" not in statement
    assert comparison_effects.number_needed(compared) == "–"


def test_a_trial_without_responders_is_named_and_not_counted_among_those_of_the_ratio(ev, added, monkeypatch):
    compared = of_counts(added, (16, 30, 9, 30), (0, 60, 0, 20))
    monkeypatch.setattr(comparison_findings, "compare", lambda rows: compared)
    statement = comparison_findings.estimates(added, "ge75")
    assert "in 1 trial, randomised." in statement
    assert "Left out, because nobody or everybody responded in both arms: trial1." in statement
    assert "the one trial" in comparison_findings.finding(ev, added, "ge75")


def test_every_reason_that_lowers_the_certainty_is_named_the_weightiest_first(ev, questions):
    names = ev.meaning("certainty_domain")
    seen = 0
    for question, statement in comparison_findings.rated_comparisons(ev, list(questions.values())):
        threshold = ev.outcomes.threshold[ev.outcomes.question == question.key].iloc[0]
        rows = ev.certainty[ev.certainty.outcome == certainty.outcome_key(ev, question, threshold)]
        reasons = statement[statement.index("lowered for") :]
        places = {}
        for row in rows.itertuples():
            assert (f"{names[row.domain]} by" in reasons) == (row.levels > 0)
            if row.levels:
                places.setdefault(row.levels, []).append(reasons.index(f"{names[row.domain]} by"))
        assert max(places[2]) < min(places[1])
        assert statement.index("likely" if "likely" in statement else "difference") < statement.index("lowered for")
        assert "do not clearly differ" not in statement
        seen += 1
    assert seen == len(questions)


def test_a_single_trial_is_not_called_pooled(questions):
    for question in questions.values():
        for threshold in question.pairs.threshold.unique():
            caption = comparison_findings.forest_caption(question, threshold)
            assert ("I²" in caption) == (len(question.at(threshold)) > 1)
        assert "no trials are pooled" in comparison_findings.shown_trial_by_trial(question).caption


def test_every_outcome_is_judged_in_every_domain_with_a_reason(ev, questions):
    domains = set(ev.meaning("certainty_domain"))
    assert set(ev.certainty.outcome) == set(ev.outcomes.outcome)
    for _, rows in ev.certainty.groupby("outcome"):
        assert set(rows.domain) == domains
    for row in ev.outcomes[ev.outcomes.kind == "comparison"].itertuples():
        assert len(questions[row.question].at(row.threshold))
    assert set(questions) == set(ev.outcomes.question) - {""}


def test_the_bias_of_trials_is_not_judged_from_what_we_could_read(ev):
    reasons = ev.certainty.set_index(["domain", "outcome"]).reason
    assert not reasons["risk_of_bias"].str.contains("abstract").any()
    assert not reasons["publication_bias"].str.contains("pair of counts|public|obtain").any()
    assert (ev.certainty.levels[ev.certainty.domain == "publication_bias"] == 0).all()


def test_evidence_that_was_not_retrieved_has_a_row_of_its_own_and_lowers_nothing(ev, questions):
    shown = summary_of_findings.judgements(ev, list(questions.values())).frame
    rows = shown[shown.Domain == "Evidence not available"]
    assert len(rows) == len(questions)
    assert set(rows.Levels) == {"–"}
    added = questions["added_to_phototherapy"]
    assert (
        f"from {added.without('ge75').study.nunique()} of {added.trials.study.nunique()} trials" in rows.Reason.iloc[0]
    )


def test_certainty_falls_by_the_levels_entered_and_never_below_the_last(ev, added):
    one = [0, 0, 0, 0, 0]
    levels = {
        n: certainty.certainty_of_comparison(judged(ev, added, "ge75", [n, *one[1:]]), added, "ge75") for n in (0, 1, 2)
    }
    assert levels == {0: "High", 1: "Moderate", 2: "Low"}
    assert certainty.certainty_of_comparison(judged(ev, added, "ge75", 2), added, "ge75") == "Very low"


def test_trials_without_randomisation_begin_low(ev, added):
    loose = dataclasses.replace(added, pairs=added.pairs.assign(randomised="no"))
    assert certainty.certainty_of_comparison(judged(ev, added, "ge75", 0), loose, "ge75") == "Low"


def test_an_answer_with_a_judgement_missing_is_not_judged(ev, added):
    key = certainty.outcome_key(ev, added, "ge75")
    rows = ev.certainty[~((ev.certainty.outcome == key) & (ev.certainty.domain == "imprecision"))]
    short = ev.with_tables(certainty=rows)
    assert certainty.certainty_of_comparison(short, added, "ge75") == "Not judged"
    assert certainty.certainty_of_comparison(ev, added, "ge50") == "Not judged"
    assert "has not been judged" in comparison_findings.summary_sentences(short, added, "ge75")


def test_rates_maintenance_and_safety_are_rated_beside_the_comparisons(ev, rated):
    assert [one.key for one in rated] == list(ev.outcomes.outcome[ev.outcomes.kind != "comparison"])
    assert len(summary_of_findings.rate_statements(ev, rated).splitlines()) == len(rated)
    for one in rated:
        assert one.certainty in certainty.LEVELS
        assert ("the evidence is very uncertain" in one.finding) == (one.certainty == "Very low")
        assert ("may " in one.finding) == (one.certainty in ("Low", "Very low"))
        lowered = ev.certainty[(ev.certainty.outcome == one.key) & (ev.certainty.levels > 0)]
        assert len(lowered)
        assert certainty.reasons(ev, one.key, {}).count("level") >= len(lowered)


def test_a_certain_rate_is_not_said_to_be_a_possibility(ev):
    sure = ev.with_tables(certainty=ev.certainty.assign(levels=0))
    probable = ev.certainty.assign(levels=(ev.certainty.domain == "imprecision").astype(int))
    keys = ev.outcomes.outcome[ev.outcomes.kind == "safety"]
    assert {certainty.certainty_of_rate(sure, key) for key in keys} == {"High"}
    assert {certainty.certainty_of_rate(ev.with_tables(certainty=probable), key) for key in keys} == {"Moderate"}


def test_participants_of_a_within_patient_study_count_once_among_those_who_completed(ev, rated):
    (one,) = (o for o in rated if o.key == "monotherapy_rate_ge75")
    completed, enrolled = map(int, re.search(r"(\d+) of (\d+) enrolled", one.numbers["risk_of_bias"][0]).groups())
    outcome = ev.outcome("monotherapy", "ge75")
    studies = ev.studies[ev.studies.review_ref.isin(outcome.refs) | ev.studies.study.isin(outcome.new.study)]
    arms = ev.arms[(ev.arms.role == "monotherapy") & ev.arms.study.isin(studies.study)]
    arms = arms.dropna(subset=["enrolled", "completed"])
    twice = arms.study.isin(studies.study[studies.design == "WP"]) & arms.duplicated("study")
    assert twice.any()
    assert completed == arms.completed[~twice].sum()
    assert enrolled == arms.enrolled[~twice].sum()


def test_an_early_edition_has_its_findings(ev):
    early = load(ROOT / "data", "2018-08-06")
    question = [comparisons.question(early, key) for key in early.questions.question]
    rated = summary_of_findings.rated(early, rates.results(early))
    shown = summary_of_findings.findings(early, question).frame
    assert (
        0
        < len(shown)
        < len(summary_of_findings.findings(ev, [comparisons.question(ev, f.key) for f in question]).frame)
    )
    assert len(summary_of_findings.judgements(early, question, rated).frame)
    assert all(text for _, text in comparison_findings.rated_comparisons(early, question))


@pytest.mark.parametrize(
    ("domain", "changes", "levels"),
    [
        ("inconsistency", {"i2": 0.0, "pi_low": 1.2, "pi_high": 3.0}, 0),
        ("inconsistency", {"i2": 0.9, "pi_low": 1.2, "pi_high": 3.0}, 1),
        ("inconsistency", {"i2": 0.0, "tau2": 0.1, "pi_low": 0.8, "pi_high": 3.0}, 1),
        ("inconsistency", {"i2": 0.0, "tau2": 0.0, "pi_low": 0.8, "pi_high": 3.0}, 0),
        ("inconsistency", {"i2": 0.0, "pi_low": np.nan, "pi_high": np.nan}, 0),
        ("inconsistency", {"k": 1}, None),
        ("imprecision", {}, 1),
        ("imprecision", {"ratio": (2.0, 0.9, 3.0)}, 2),
        ("risk_of_bias", {}, None),
        ("publication_bias", {}, None),
    ],
)
def test_the_numbers_tell_by_how_much_they_would_lower(ev, added, domain, changes, levels):
    statement = certainty.numbers_by_domain(ev, compared_with(added, **changes), "key")
    assert statement[domain][1] == levels


def test_many_responders_are_precise(ev, added):
    compared = compared_with(added)
    many = dataclasses.replace(compared, rows=compared.rows.assign(events=200.0, n=400.0))
    assert certainty.numbers_by_domain(ev, many, "key")["imprecision"][1] == 0


def test_a_judgement_that_differs_from_the_numbers_is_marked(ev, questions):
    def marked(evidence):
        shown = summary_of_findings.judgements(evidence, list(questions.values())).frame
        assert shown.Numbers.str.contains("lower the certainty by").sum() >= len(questions)
        return shown.Numbers.str.contains("the judgement differs").sum()

    assert marked(ev.with_tables(certainty=ev.certainty.assign(levels=2 - ev.certainty.levels))) > marked(ev)


def test_the_first_domain_refers_to_the_table_of_risk_of_bias(ev, added):
    compared = comparisons.compare(added.at("ge75"))
    statement = certainty.numbers_by_domain(ev, compared, "key")["risk_of_bias"][0]
    assert statement == risk_of_bias.overall_in_words(ev, compared.rows.study)
    worse = ev.risk_of_bias.assign(judgement="high")
    assert (
        certainty.numbers_by_domain(ev.with_tables(risk_of_bias=worse), compared, "key")["risk_of_bias"][0] != statement
    )


def test_a_forest_plot_of_ratios_tells_every_trial(added):
    rows = added.at("ge75")
    compared = comparisons.compare(rows)
    figure = comparison_plot(rows, own_ratios(rows), compared.risk_ratio, wide=True)
    alt = figure.alt
    assert all(label in alt for label in rows.label)
    assert "Pooled: 1" in alt
    assert (
        "Pooled"
        not in comparison_plot(rows[:1], own_ratios(rows[:1]), comparisons.compare(rows[:1]).risk_ratio, wide=False).alt
    )
    # The axis is logarithmic: equal ratios take equal space.
    at = {text.text: text.x for text in figure.texts if text.anchor == "middle"}
    assert at["1"] - at["0.1"] == pytest.approx(at["10"] - at["1"], abs=1)
