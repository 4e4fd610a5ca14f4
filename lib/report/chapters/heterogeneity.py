"""Tables, plots and sentences on heterogeneity, influence of single studies, and small-study effects.

Belongs here: what the available counts of one rate show about the differences between studies. Does not belong here:
the comparison of pooling methods (`methods_compared`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from IPython.display import Markdown

from lib import stats
from lib.evidence import RESPONSES, Outcome
from lib.published import by_study
from lib.report import figures, rate_details
from lib.report.counted import at_edge, counts_of, log_odds
from lib.report.entries import Entry, rate_key
from lib.report.marked_text import Phrase, Stated, in_sentence
from lib.report.rate_entries import choices
from lib.report.tables import Table, grouped, linked
from lib.report.wording import count, in_cell, outcome_name, p_value, percent, predicted, span, with_minus
from lib.stats import (
    ENOUGH_TO_TEST,
    FEWEST_TO_FILL,
    Influence,
    begg,
    between_groups,
    by_group,
    egger,
    peters,
    pool,
    pool_proportions,
    subgroups_with_common_tau2,
)


def headline(outcome: Outcome, logit: Entry | None) -> str:
    """State how much the available counts of an outcome differ, for the beginning of a chapter."""
    counts = counts_of(outcome)
    studies = f"{count(len(counts), 'study', 'studies')} with available responder counts ({outcome_name(outcome)})"
    if logit is None:
        return f"**Heterogeneity cannot be estimated from {studies}.**"
    assert logit.pooled is not None
    prediction = (
        f"The true rate of another study may lie anywhere from {predicted(logit)} (95% prediction interval)"
        if logit.pi_low == logit.pi_low
        else "So few studies cannot show where the true rate of another study may lie"
    )
    i2 = in_sentence(percent(logit.pooled.i2), rate_key(outcome, "logit.i2"))
    return (
        f"**In the {studies}, {i2} of the variation between studies is not explained by chance"
        f" ([I²](glossary.md#heterogeneity)). {prediction}.**"
    )


def between_study_variance(outcomes: Sequence[Outcome]) -> Table:
    """Show the between-study variance of each outcome's available counts by every estimator, with its interval."""
    rows = []
    for outcome in outcomes:
        counts = counts_of(outcome)
        if len(counts) < 2:
            continue
        entries = rate_details.between_study_variance(outcome, counts)
        interval, i2 = entries.pop("tau2"), entries.pop("i2")
        ends = f"{interval.ci_low:.2f}–{interval.ci_high:.{2 if interval.ci_high < 100 else 0}f}"
        rows.append(
            {
                "Rate": outcome_name(outcome),
                **{name: Stated(f"{entry.estimate:.2f}", entry.key) for name, entry in entries.items()},
                "95% CI": Stated(ends, interval.key, "interval"),
                "I² (95% CI)": Stated(span(i2.estimate, i2.ci_low, i2.ci_high, 0), i2.key),
            }
        )
    note = (
        "On the logit scale. DL DerSimonian-Laird, PM Paule-Mandel, REML and ML restricted and full maximum likelihood,"
        " EB empirical Bayes, SJ Sidik-Jonkman, HE Hedges. The confidence intervals are those of the Q-profile method,"
        " which does not depend on any of these estimators."
    )
    frame = pd.DataFrame(rows, dtype=object)
    return Table(frame, "Between-study variance by every estimator", note, numeric=frame.columns[1:])


def without_each(outcome: Outcome) -> figures.Picture | figures.Listing | Markdown:
    """Plot the pooled rate of an outcome's available counts with each study left out in turn."""
    counts = rate_details.by_year(counts_of(outcome))
    if len(counts) < 2:
        return Markdown(f"With {count(len(counts), 'study', 'studies')}, none can be left out.")
    whole = pool_proportions(counts.events, counts.n, transform="logit")
    rows = [figures.result_row("All", whole, f"{whole.k}", key=rate_key(outcome, "logit"))]
    rows += [
        figures.entry_row(f"without {label}", entry)
        for label, entry in zip(counts.label, rate_details.without_each_study(outcome, counts), strict=True)
    ]
    caption = f"{outcome_name(outcome)}: the pooled rate with each study left out in turn."
    name = _file_name(outcome, "without-each-study")
    return figures.show(figures.interval_plot, rows, counts="Studies", caption=caption, name=name)


def _file_name(outcome: Outcome, plot: str) -> str:
    return f"{outcome.regimen}-{outcome.threshold}-{plot}"


_EDITIONS = {"original": "Original review", "update": "Update"}
_STUDIES = {"original": "original", "update": "new"}

# With fewer studies, each has about a third of the weight or more, and influences the result whatever its rate is.
_ENOUGH_TO_PLOT = 4


def cumulative_plot(outcome: Outcome) -> figures.Picture | figures.Listing:
    """Plot the pooled rate of an outcome's available counts after each study, in order of publication."""
    counts = rate_details.by_year(counts_of(outcome))
    rows = [
        figures.entry_row(f"+ {label}", entry)
        for label, entry in zip(counts.label, rate_details.study_by_study(outcome, counts), strict=True)
    ]
    caption = f"{_short_name(outcome)}: the pooled rate after each study, in order of publication."
    name = _file_name(outcome, "cumulative")
    return figures.show(figures.interval_plot, rows, counts="Studies", caption=caption, name=name)


def funnel(outcome: Outcome, against: str) -> figures.Picture | figures.Listing:
    """Plot the log odds of each study with available counts against its size or its standard error.

    Parameters
    ----------
    outcome : Outcome
        The rate.
    against : {"size", "standard error"}
        "size": the plot of the 2019 review; "standard error": the usual funnel plot, with its centre and lines.
    """
    groups = {
        _EDITIONS["original"]: _with_log_odds(outcome.available),
        _EDITIONS["update"]: _with_log_odds(outcome.new),
    }
    if against == "size":
        caption = (
            f"{_short_name(outcome)}: number assessed against log odds of a response. Without bias, small studies"
            " scatter evenly around the large ones."
        )
        return figures.show(figures.funnel_plot, groups, caption=caption, name=_file_name(outcome, "log-odds-by-size"))
    counts = rate_details.by_year(counts_of(outcome))
    centre = float(pool(*log_odds(counts)).estimate)
    caption = (
        f"{_short_name(outcome)}: standard error against log odds of a response. If studies differed by chance alone,"
        " 95% of them would lie within the lines."
    )
    return figures.show(figures.funnel_plot, groups, centre, caption=caption, name=_file_name(outcome, "funnel"))


def comparison_of_editions(outcome: Outcome) -> str:
    """State in a sentence the test for a difference between the studies of the review and those of the update."""
    counts = rate_details.by_year(counts_of(outcome))
    y, v = log_odds(counts)
    groups, *split = by_group(counts.edition, y, v)
    pooled = pool(*split)
    q, df, p = between_groups(pooled.estimate, pooled.se**2)
    if not df:
        return "All studies with available responder counts are of the same edition, so there is nothing to compare."
    names = [_STUDIES[group] for group in groups]
    response, _, _ = RESPONSES[outcome.threshold].partition(" (")
    return (
        f"For {response} with {outcome.regimen}, the test for a difference between the {' and the '.join(names)}"
        f" studies gives Q = {q:.2f} on {count(df, 'degree')} of freedom, p = {p_value(p)}. With {len(counts)} studies,"
        " the test could find only a very large difference."
    )


def _with_log_odds(rows: pd.DataFrame) -> pd.DataFrame:
    """Return counts by study with two more columns: the log odds of a response and their standard error."""
    studies = by_study(rows)
    y, v = log_odds(studies)
    return studies.assign(log_odds=y, se=np.sqrt(v))


def _short_name(outcome: Outcome) -> str:
    return outcome_name(outcome).removeprefix("TCI ").capitalize()


def influence(outcome: Outcome) -> Table | Markdown:
    """Show the influence of each study with available counts on the pooled rate."""
    counts, measures = _influence(outcome)
    if len(counts) < 2:
        return Markdown("The influence of single studies cannot be measured.")
    columns = {
        "Studentised residual": measures.residual,
        "DFFITS": measures.dffits,
        "Cook's distance": measures.cook,
        "Contribution to heterogeneity": measures.baujat_x,
        "Influence on the result": measures.baujat_y,
    }
    frame = pd.DataFrame(
        {
            "Study": linked(counts),
            "Rate": [f"{row.events:g}/{row.n:g}" for row in counts.itertuples()],
            "Weight": [percent(value) for value in measures.hat],
            **{name: [with_minus(f"{value:.2f}") for value in values] for name, values in columns.items()},
        }
    )
    note = (
        "On the logit scale, by restricted maximum likelihood (REML). A residual beyond ±2 marks an outlier, a Cook's"
        " distance beyond 1 a study with a strong influence. DFFITS: change of the pooled log odds when the study is"
        " left out, in standard errors. The last two columns are the axes of Baujat's plot, which follows."
    )
    return Table(frame, f"{outcome_name(outcome)}: the influence of each study", note, numeric=frame.columns[1:])


def baujat(outcome: Outcome) -> figures.Picture | figures.Listing | Markdown:
    """Show Baujat's plot of an outcome's available counts, or state that there are too few studies for it."""
    counts, measures = _influence(outcome)
    if len(counts) < _ENOUGH_TO_PLOT:
        return Markdown(
            f"With {count(len(counts), 'study', 'studies')}, Baujat's plot would show no more than the table."
        )
    counts = counts.assign(heterogeneity=measures.baujat_x, pull=measures.baujat_y)
    groups = {name: counts[counts.edition == edition] for edition, name in _EDITIONS.items()}
    caption = (
        f"{outcome_name(outcome)}: Baujat's plot of the contribution of each study to heterogeneity against its"
        " influence on the result (the squared change of the pooled log odds without it, in standard errors). Studies"
        " with at least twice the mean of either are named."
    )
    return figures.show(figures.baujat_plot, groups, caption=caption, name=_file_name(outcome, "baujat"))


def _influence(outcome: Outcome) -> tuple[pd.DataFrame, Influence]:
    counts = counts_of(outcome)
    return counts, stats.influence(*log_odds(counts), tau2="REML")


def subgroups(outcome: Outcome, entries: Mapping[str, Entry]) -> Table:
    """Show the rate in subgroups of the studies with available counts, by the recommended method."""
    counts = counts_of(outcome)
    rows = []
    for choice in choices(counts):
        p = _test_between(choice.names, counts)
        for name in sorted(choice.names.unique()):
            entry = entries.get(rate_key(outcome, choice.kind(name)))
            cells = {
                "Subgroup": name.capitalize(),
                "Studies": f"{(choice.names == name).sum()}",
                "Rate, % (95% CI)": in_cell(entry),
                "Test between": p,
            }
            rows.append((choice.heading, cells))
            p = ""
    note = (
        "A subgroup of one study shows its rate with a score interval. Test between: p-value for a difference between"
        " the subgroups, on the logit scale with the same between-study variance in all. With so few studies only very"
        " large differences could be found, and one of several p-values may be small by chance."
    )
    title = f"{outcome_name(outcome)}: the rate in subgroups of the studies with available counts"
    frame = grouped(rows, "Choice")
    return Table(frame, title, note, numeric=["Studies"])


def _test_between(names: pd.Series, counts: pd.DataFrame) -> str:
    """Return the p-value of a difference between groups with one tau² for all; empty if each has only one study."""
    if names.value_counts().max() < 2:
        return ""
    counts = counts.loc[names.index]
    y, v = log_odds(counts)
    _, pooled = subgroups_with_common_tau2(names.to_numpy(), y, v, tau2="REML")
    return p_value(between_groups(pooled.estimate, pooled.se**2)[2])


def moderators(outcome: Outcome) -> Table:
    """Show meta-regressions of the available counts on one moderator each, with permutation p-values."""
    rows = []
    for moderator in rate_details.moderators(outcome, counts_of(outcome)):
        cells = {"Moderator": moderator.name, "Studies": f"{moderator.k}"}
        if moderator.entry is None or moderator.fit is None:
            rows.append({**cells, "Odds ratio per unit (95% CI)": ""})
            continue
        permuted = moderator.permuted()
        rows.append(
            {
                **cells,
                "Odds ratio per unit (95% CI)": in_cell(moderator.entry),
                "p": p_value(moderator.fit.p[1]),
                "p by permutation": p_value(permuted.p[0]),
                "Arrangements": f"{permuted.number}{'' if permuted.exact else ', sampled'}",
            }
        )
    note = (
        "On the logit scale, by restricted maximum likelihood (REML), with Knapp-Hartung intervals. Moderator: the"
        " characteristic of the studies that is examined. By permutation: the share of all arrangements of its values"
        " among the studies that give an association at least as strong; it cannot be smaller than 1 divided by their"
        " number. A dash: the characteristic does not vary, or fewer than four studies report it."
    )
    frame = pd.DataFrame(rows, dtype=object)
    return Table(frame, f"{outcome_name(outcome)}: moderators", note, numeric=["Studies", "Arrangements"])


def small_studies(outcomes: Sequence[Outcome]) -> Table:
    """Show tests of small-study effects for each outcome with enough studies for trim-and-fill."""
    rows = []
    for outcome in outcomes:
        counts = counts_of(outcome)
        filled = rate_details.without_small_study_effects(outcome, counts)
        if filled is None:
            continue
        entry, added = filled
        rate = Stated(percent(entry.estimate, 1), entry.key)
        y, v = log_odds(counts)
        inside, numbers = ~at_edge(counts).to_numpy(), counts[["events", "n"]].to_numpy(float)
        peters_test = peters(y[inside], *numbers[inside].T)
        tests = {"Egger": egger(y, v), "Peters": peters_test, "Begg": begg(y, v)}
        rows.append(
            {
                "Rate": outcome_name(outcome),
                "Trim and fill": Phrase(rate, f" ({count(added, 'study', 'studies')} added)"),
                "Studies": f"{len(counts)}",
                **{f"{name}, p": p_value(test.p) if test.p == test.p else "" for name, test in tests.items()},
                "Interpretation": "too few studies" if tests["Egger"].too_few else "enough studies",
            }
        )
    note = (
        f"On the logit scale. With fewer than {ENOUGH_TO_TEST} studies, tests of asymmetry cannot be interpreted,"
        " whatever their p-value. Peters' test leaves out studies at 0% or 100%. Trim and fill estimates how many"
        " studies are missing and the pooled rate with them added; it needs at least"
        f" {FEWEST_TO_FILL} studies, and rates with fewer are not listed."
    )
    return Table(pd.DataFrame(rows, dtype=object), "Small-study effects", note, numeric=["Studies"])
