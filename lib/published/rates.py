"""Bring published pooled rates up to date with new studies.

Belongs here: what a published rate implies together with its studies, its update with new counts, and the rules by
which an update changes the conclusions. The review's method is that of `lib.stats.pool_proportions` at its defaults:
raw proportions, inverse variance, DerSimonian-Laird.
Does not belong here: the arithmetic of the combination (`lib.stats.updating`), of a published interval
(`published_interval`), the sizes of the studies (`participants`) and imputed counts (`imputation`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import stats

from lib.caching.progress import progress
from lib.caching.shared_results import of_one_regimen, shared
from lib.evidence import GROUPS, Evidence, Outcome, by_study
from lib.published.count_model import Z95
from lib.published.participants import Members, known_counts, members
from lib.published.published_interval import Reading, read_interval
from lib.stats import (
    ENOUGH_TO_PREDICT,
    LeftOutWarning,
    Pooled,
    pool_proportions,
    prediction_interval,
    refuse_impossible_counts,
    updating,
)

# --- Published rates --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """A published pooled rate, and its implications under the method of the review.

    Attributes
    ----------
    estimate : float
        The published rate, as a proportion.
    reading : Reading
        What its interval implies.
    studies : DataFrame
        One row per study: study, arms, label, n, rate (its available rate; NaN if not available) and pooled (whether
        the review's method gives it a weight; a study whose available count is 0% or 100% has none). n is the number of
        participants that the published totals imply, even if the available count is a count of patches.
    tau2, tau2_low, tau2_high : float
        Between-study variance that the standard error implies (`updating.implied_tau2`), and its range given the
        rounding; NaN if sampling error alone exceeds the published standard error.
    implied_rate : float
        Mean rate that the published rate and the available counts imply for the studies without an available count; NaN
        without such studies. A value outside 0 to 1 shows that the published rate and the counts contradict each other.
    """

    estimate: float
    reading: Reading
    studies: pd.DataFrame = field(repr=False)
    tau2: float
    tau2_low: float
    tau2_high: float
    implied_rate: float = np.nan

    @property
    def sizes(self) -> np.ndarray:
        """Participants of the studies that the review's method gives a weight."""
        return self.studies.n[self.studies.pooled].to_numpy(float)

    @property
    def pi_low(self) -> float:
        """Lower end of the 95% prediction interval for another study's true rate; NaN if there is none."""
        return self._prediction[0]

    @property
    def pi_high(self) -> float:
        """Upper end of the 95% prediction interval for another study's true rate; NaN if there is none."""
        return self._prediction[1]

    @property
    def _prediction(self) -> tuple[float, float]:
        return _prediction(self.estimate, self.reading.se, self.tau2, len(self.sizes))


def _prediction(estimate: float, se: float, tau2: float, k: int) -> tuple[float, float]:
    """Return the 95% prediction interval for another study's true rate; NaN if `Pooled.predicts` would be false."""
    if k <= 2 or not (tau2 > 0 or k >= ENOUGH_TO_PREDICT):
        return np.nan, np.nan
    low, high = prediction_interval(estimate, se, tau2, k)
    return float(low), float(high)


def summarise(evidence: Evidence, outcome: Outcome, row: Members) -> Summary:
    """Derive what a published rate implies.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    outcome : Outcome
        The published rate with its studies.
    row : Members
        The studies of its row of Table 3 with their numbers of participants.

    Returns
    -------
    Summary
    """
    studies = row.frame[row.frame.review_ref.isin(outcome.refs)].drop(columns="review_ref")
    counts = known_counts(evidence, outcome.regimen, outcome.group)
    counts = counts[counts.threshold == outcome.threshold]
    whole = GROUPS[outcome.group][1] == "all"
    rows_by_study = dict(iter(counts.groupby("study")))
    rates = [_available_rate(rows_by_study.get(study.study), study.arms, whole) for study in studies.itertuples()]
    rate = np.array(rates, dtype=float)
    studies = studies.assign(rate=rate, pooled=~((rate == 0) | (rate == 1)))
    reading = read_interval((outcome.estimate, outcome.ci_low, outcome.ci_high), outcome.decimals)
    return summary_of(outcome.estimate, reading, studies)


def summary_of(estimate: float, reading: Reading, studies: pd.DataFrame) -> Summary:
    """Return the summary of a published rate with its studies, columns as in `Summary.studies`."""
    n = studies.n[studies.pooled].to_numpy(float)
    tau2 = (updating.implied_tau2(estimate, se, n) for se in (reading.se, reading.se_low, reading.se_high))
    summary = Summary(estimate, reading, studies, *tau2)
    return replace(summary, implied_rate=_implied_rate(summary))


def _implied_rate(summary: Summary) -> float:
    """Return the mean rate of the pooled studies without an available count, weighted as in the review."""
    studies = summary.studies[summary.studies.pooled]
    available = studies.rate.notna()
    if available.all() or not summary.reading.se > 0:
        return np.nan
    rate = studies.rate.fillna(summary.estimate)
    weight = 1 / (rate * (1 - rate) / studies.n + np.nan_to_num(summary.tau2))
    left = summary.estimate * weight.sum() - (weight * rate)[available].sum()
    return float(left / weight[~available].sum())


def _available_rate(counts: pd.DataFrame | None, arms: tuple[str, ...], whole: bool) -> float:
    """Return the available rate of a study; NaN if there is none.

    For the whole body, every arm must have a count. For a site, the arms with a count suffice.
    """
    if counts is None:
        return np.nan
    rows = counts[counts.arm.isin(arms)]
    enough = set(rows.arm) == set(arms) if whole else len(rows) > 0
    return float(rows.events.sum()) / float(rows.n.sum()) if enough else np.nan


# --- The update -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Updated:
    """A published rate brought up to date.

    Attributes
    ----------
    estimate, se, ci_low, ci_high, pi_low, pi_high : float
        Updated rate as a proportion, its standard error, 95% confidence interval, and 95% prediction interval for
        another study's true rate (NaN with fewer than 3 studies). If no patient of any study responded, the interval is
        NaN.
    tau2 : float
        Between-study variance from which the standard error is computed.
    k_old, k_new : int
        Numbers of studies with a weight in the published rate, and of new studies. Every new study has a weight.
    new : Pooled or None
        The new studies alone by the review's method, which leaves out those at 0% or 100% (``new.dropped``); None if
        fewer than two remain.
    weights : ndarray, shape (k_new,)
        Share of each new study in the estimate.
    """

    estimate: float
    se: float
    ci_low: float
    ci_high: float
    pi_low: float
    pi_high: float
    tau2: float
    k_old: int
    k_new: int
    new: Pooled | None
    weights: np.ndarray = field(repr=False, compare=False)


def update(summary: Summary, events, n) -> Updated | None:
    """Bring a published rate up to date with new studies.

    Parameters
    ----------
    summary : Summary
        What the published rate implies.
    events, n : array_like, shape (k,)
        Responders and participants of the new studies. Every study is used, including those at 0% or 100%.

    Returns
    -------
    Updated or None
        Without new studies, the published rate unchanged. A rate that was published without an interval gives None,
        with one exception: if it is 0% and there are new studies, the published studies enter as studies without a
        responder.

    Notes
    -----
    The combination is that of `updating.combine`; the interval is normal, like the review's. It differs from pooling
    all counts by the review's method in three ways: weights use the variance at the combined rate, so that no study is
    left out; the weights' between-study variance is that of the published rate, so that the estimate never rises when a
    count falls; and the published studies enter with what their rate and its interval imply.

    Examples
    --------
    >>> reading = read_interval((0.3, 0.2, 0.4), (1, 1, 1))
    >>> studies = pd.DataFrame({"n": [30.0, 40, 50], "rate": np.nan, "pooled": True})
    >>> updated = update(summary_of(0.3, reading, studies), [0], [40])
    >>> round(updated.estimate, 3), updated.k_old, updated.k_new
    (0.225, 3, 1)
    """
    events, n = np.asarray(events, dtype=float), np.asarray(n, dtype=float)
    refuse_impossible_counts(events, n)
    estimate, se, sizes = summary.estimate, summary.reading.se, summary.sizes
    if summary.reading.kind == "no interval":
        if estimate != 0 or not len(n):
            return None
        sizes = summary.studies.n.to_numpy(float)
    combined = updating.Combined(estimate, se, float(np.nan_to_num(summary.tau2)), n)
    if len(n):
        combined = updating.combine(estimate, se, sizes, events, n)
    with_weight = ((events > 0) & (events < n)).sum()
    # No warning is needed: the combined rate includes all new studies, those at 0% or 100%, too.
    with warnings.catch_warnings(action="ignore", category=LeftOutWarning):
        new = pool_proportions(events, n) if with_weight > 1 else None
    estimate, se, tau2 = combined.estimate, combined.se, combined.tau2
    reach = Z95 * se if se > 0 else np.nan
    pi_low, pi_high = _prediction(estimate, se, tau2, len(sizes) + len(n)) if se > 0 else (np.nan, np.nan)
    return Updated(
        estimate,
        se,
        estimate - reach,
        estimate + reach,
        pi_low,
        pi_high,
        tau2,
        k_old=len(sizes),
        k_new=len(n),
        new=new,
        weights=combined.weights,
    )


def sensitivity(summary: Summary, events, n) -> dict[str, tuple[float, float, float]]:
    """Update a published rate as if the review had used another method than the one it describes.

    Parameters
    ----------
    summary, events, n
        As in `update`; the rate was published with an interval.

    Returns
    -------
    dict of str to (float, float, float)
        Updated rate and the limits of its interval, by method. "Paule-Mandel": tau² of all studies is estimated by
        iterated weights; the tau² implied by the published standard error does not depend on the review's estimator.
        "Hartung-Knapp": both intervals use Student's t, so that the published one implies a smaller standard error.
    """
    sizes, k_old, k = summary.sizes, len(summary.sizes), len(summary.sizes) + len(n)
    t_old, t = (stats.t.ppf(0.975, max(df, 1)) for df in (k_old - 1, k - 1))
    choices = {}
    for name, se, quantile, iterate in (
        ("Paule-Mandel", summary.reading.se, Z95, True),
        ("Hartung-Knapp", summary.reading.se * Z95 / t_old, t, False),
    ):
        combined = updating.combine(summary.estimate, se, sizes, events, n, iterate=iterate)
        reach = quantile * combined.se
        choices[name] = (combined.estimate, combined.estimate - reach, combined.estimate + reach)
    return choices


# --- Changes of the conclusions ---------------------------------------------------------------------------


def rules_met(outcome: Outcome, updated: Updated, margins: dict[str, float]) -> list[str]:
    """Return the rules of ``data/change_criteria.csv`` by which an updated rate changes the conclusions.

    Parameters
    ----------
    outcome : Outcome
        The published rate.
    updated : Updated
        The rate brought up to date.
    margins : dict of str to float
        Margin in percent, by rule: ``moved``, the change of the estimate in percentage points that must be exceeded;
        ``narrower``, the smallest share by which the interval narrows. The rules ``outside`` (the updated interval
        excludes the published estimate) and ``first`` (the review could not give the rate an interval) have no margin.

    Returns
    -------
    list of str
        The rules that apply, in the order of ``margins``; none without new studies.
    """
    if not updated.k_new:
        return []
    if not outcome.ci_high > outcome.ci_low:
        return [rule for rule in margins if rule == "first" and np.isfinite(updated.ci_low)]
    change = abs(updated.estimate - outcome.estimate)
    narrowed = 1 - (updated.ci_high - updated.ci_low) / (outcome.ci_high - outcome.ci_low)
    applies = {
        "moved": 100 * change > margins.get("moved", np.inf),
        "outside": not updated.ci_low <= outcome.estimate <= updated.ci_high,
        "narrower": 100 * narrowed >= margins.get("narrower", np.inf),
        "first": False,
    }
    return [rule for rule in margins if applies[rule]]


@dataclass(frozen=True)
class Result:
    """One rate of the review, as published and brought up to date.

    Attributes
    ----------
    outcome : Outcome
        As published, with the available and the new counts.
    summary : Summary
        What the published rate implies.
    updated : Updated or None
        None for a rate published without an interval that cannot be updated (see `update`).
    criteria_met : list of str
        The rules of ``data/change_criteria.csv`` by which the update changes the conclusions.
    """

    outcome: Outcome
    summary: Summary
    updated: Updated | None
    criteria_met: list[str]

    @property
    def current(self) -> Outcome | Updated:
        """The current rate: updated if there are new counts, otherwise as published."""
        return self.updated if self.updated is not None and self.updated.k_new else self.outcome


def results(evidence: Evidence) -> dict[tuple[str, str, str], Result]:
    """Bring every rate of the review up to date.

    Parameters
    ----------
    evidence : Evidence
        One edition, or its view of one regimen, which gives only the rates of that regimen.

    Returns
    -------
    dict of (regimen, threshold, group) to Result
        In the order of the review's Table 3.
    """
    outcomes = evidence.all_outcomes()
    regimens = dict.fromkeys(outcome.regimen for outcome in outcomes)
    by_regimen = {regimen: _results(evidence, regimen) for regimen in regimens}
    keys = [(outcome.regimen, outcome.threshold, outcome.group) for outcome in outcomes]
    return {key: by_regimen[key[0]][key] for key in keys}


@of_one_regimen
@shared
def _results(evidence: Evidence, regimen: str) -> dict[tuple[str, str, str], Result]:
    margins = dict(zip(evidence.change_criteria.rule, evidence.change_criteria.margin, strict=True))
    results_by_key = {}
    for outcome in progress(evidence.all_outcomes(), f"Updated rates, {regimen}"):
        if outcome.regimen == regimen:
            summary = summarise(evidence, outcome, members(evidence, regimen, outcome.group))
            new = by_study(outcome.new)
            updated = update(summary, new.events, new.n)
            reasons = rules_met(outcome, updated, margins) if updated is not None else []
            key = regimen, outcome.threshold, outcome.group
            results_by_key[key] = Result(outcome, summary, updated, reasons)
    return results_by_key
