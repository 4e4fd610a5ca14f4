"""Published pooled rates: what each implies, and how new studies change it.

Here: reading a published estimate with its interval, the between-study variance that it implies, the update with new
counts, and the rules by which an update changes the conclusions. The review's method is that of
`pooling.pool_proportions` at its defaults: raw proportions, inverse variance, DerSimonian-Laird. The arithmetic of the
update is in `updating`, the sizes of the studies in `participants`, imputed counts in `imputation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import stats

from lib.caching.shared_results import of_one_regimen, shared
from lib.evidence import GROUPS, Evidence, Outcome
from lib.published.participants import Members, known_counts, members
from lib.stats import ENOUGH_TO_PREDICT, Pooled, pool_proportions, refuse_impossible_counts, updating

Z95 = float(stats.norm.ppf(0.975))
"""Quantile of the review's 95% intervals, which are normal."""


# --- A printed interval -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """What a printed estimate with its interval says.

    Attributes
    ----------
    kind : {"centred", "cut", "off centre", "no interval"}
        Whether the estimate is the middle of the interval within rounding; ``cut``: an end at 0% or 100% was
        cut there and says nothing of the middle.
    se, se_low, se_high : float
        Standard error of the estimate, and its range under the rounding of what is printed; NaN without
        interval. Off centre: by the numbers as reconciled.
    wrong : {"", "estimate", "ci_low", "ci_high"}
        Off centre: the printed number whose change reconciles the three.
    reconciled : float
        The value that reconciles them, as a proportion; NaN where nothing has to be.
    """

    kind: str
    se: float = np.nan
    se_low: float = np.nan
    se_high: float = np.nan
    wrong: str = ""
    reconciled: float = np.nan


def read_interval(numbers, decimals, level: float = 0.95) -> Reading:
    """Read a printed estimate with the interval of a pooling on the raw scale.

    Parameters
    ----------
    numbers : sequence of float
        Estimate and both ends of the interval, as proportions; NaN where none is printed.
    decimals : sequence of int
        Number of decimals of each, as printed in percent.
    level : float
        Confidence level.

    Returns
    -------
    Reading
        Off centre, the number is taken to be wrong whose change alters the fewest printed digits; of equals,
        an end before the estimate, then the smaller change.
    """
    printed, half = np.array(numbers, dtype=float), half_units(decimals)
    if np.isnan(printed).any():
        return Reading("no interval")
    estimate, low, high = printed
    z = stats.norm.ppf((1 + level) / 2)
    # An end printed as 0% or 100% bounds the interval on one side only.
    open_low, open_high = low - half[1] <= 0, high + half[2] >= 1
    kind = "cut" if open_low or open_high else "centred"
    bounds = _se_bounds(printed, half, z, open_low, open_high)
    if bounds[0] <= bounds[1] + 1e-12:
        middle = (high - low) / (2 * z) if kind == "centred" else (high - estimate if open_low else estimate - low) / z
        return Reading(kind, float(np.clip(middle, *bounds)), *map(float, bounds))
    return _reconcile(printed, half, decimals, z)


def half_units(decimals) -> np.ndarray:
    """Return half a unit of the last digit of numbers printed in percent, as proportions."""
    return 0.5 * 10.0 ** -(np.array(decimals) + 2.0)


def digits_changed(old: str, new: str) -> int:
    """Count the digits in which two printed numbers with as many decimals differ."""
    width = max(len(old), len(new))
    return sum(a != b for a, b in zip(old.rjust(width), new.rjust(width), strict=True))


def _se_bounds(printed, half, z: float, open_low: bool, open_high: bool) -> tuple[float, float]:
    """Least and largest standard error for which the rounded numbers agree; least > largest: for none."""
    (estimate, low, high), (d, d_low, d_high) = printed, half
    least, largest = [0.0], [np.inf]
    if not open_high:
        least.append((high - d_high - estimate - d) / z)
        largest.append((high + d_high - estimate + d) / z)
    if not open_low:
        least.append((estimate - d - low - d_low) / z)
        largest.append((estimate + d - low + d_low) / z)
    if not (open_low or open_high):
        least.append((high - low - d_low - d_high) / (2 * z))
        largest.append((high - low + d_low + d_high) / (2 * z))
    elif open_low:
        least.append((estimate - d - low - d_low) / z)
    else:
        least.append((high - d_high - estimate - d) / z)
    return max(least), min(largest)


def _reconcile(printed, half, decimals, z: float) -> Reading:
    """Find the number whose change brings an estimate to the middle of its interval."""
    estimate, low, high = printed
    middles = {"ci_low": 2 * estimate - high, "ci_high": 2 * estimate - low, "estimate": (low + high) / 2}
    best = None
    for order, (name, middle) in enumerate(middles.items()):
        at = ("estimate", "ci_low", "ci_high").index(name)
        unit = 2 * half[at]
        for steps in range(-3, 4):
            value = round(middle / unit + steps) * unit
            tried = printed.copy()
            tried[at] = value
            bounds = _se_bounds(tried, half, z, False, False)
            if not 0 < value < 1 or bounds[0] > bounds[1] + 1e-12:
                continue
            changed = digits_changed(*(f"{100 * v:.{decimals[at]}f}" for v in (printed[at], value)))
            key = (changed, order == 2, abs(value - middle), order)
            if best is None or key < best[0]:
                best = (key, name, value, tried, bounds)
    if best is None:
        return Reading("off centre")
    _, name, value, tried, bounds = best
    middle = (tried[2] - tried[1]) / (2 * z)
    return Reading("off centre", float(np.clip(middle, *bounds)), *map(float, bounds), name, float(value))


# --- What a published rate implies ------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """What a published pooled rate implies, by the method of the review.

    Attributes
    ----------
    estimate : float
        The published rate, as a proportion.
    reading : Reading
        What its interval says.
    studies : DataFrame
        A row a study: study, arms, label, n, rate (its available rate; NaN: not available) and pooled, whether the
        review's method gives it a weight: a study whose available count is 0% or 100% has none. n is the number of
        participants that the published totals imply, be the available count one of patches.
    tau2, tau2_low, tau2_high : float
        Between-study variance that the standard error implies (`updating.implied_tau2`), and its range under the
        rounding. NaN: none; sampling error alone exceeds the published standard error.
    rest : float
        Mean rate that the published rate and the available counts leave for the studies without an available count;
        NaN without such studies. Outside of 0 to 1 the published rate and the counts contradict each other.
    """

    estimate: float
    reading: Reading
    studies: pd.DataFrame = field(repr=False)
    tau2: float
    tau2_low: float
    tau2_high: float
    rest: float = np.nan

    @property
    def sizes(self) -> np.ndarray:
        """Participants of the studies that the review's method gives a weight."""
        return self.studies.n[self.studies.pooled].to_numpy(float)

    @property
    def pi_low(self) -> float:
        """Lower end of the 95% prediction interval for another study's true rate; NaN where there is none."""
        return self.estimate - self._reach

    @property
    def pi_high(self) -> float:
        """Upper end of the 95% prediction interval for another study's true rate; NaN where there is none."""
        return self.estimate + self._reach

    @property
    def _reach(self) -> float:
        return prediction_reach(self.reading.se, self.tau2, len(self.sizes))


def prediction_reach(se: float, tau2: float, k: int) -> float:
    """Return half the width of the 95% prediction interval for another study's true rate.

    Parameters
    ----------
    se, tau2 : float
        Standard error of the pooled rate, and the between-study variance.
    k : int
        Number of studies.

    Returns
    -------
    float
        t sqrt(se² + tau²), t the quantile of Student's t with k - 2 degrees of freedom (Higgins, Thompson &
        Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x); NaN with fewer than 3 studies, and where tau² is 0
        with fewer than `pooling.ENOUGH_TO_PREDICT`, which cannot show how far the rates of studies lie apart.
    """
    predicts = k > 2 and (tau2 > 0 or k >= ENOUGH_TO_PREDICT)
    return float(stats.t.ppf(0.975, k - 2) * np.sqrt(se**2 + tau2)) if predicts else np.nan


def summarise(evidence: Evidence, outcome: Outcome, row: Members) -> Summary:
    """Work out what a published rate implies.

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
    counted = known_counts(evidence, outcome.regimen, outcome.group)
    counted = counted[counted.threshold == outcome.threshold]
    whole = GROUPS[outcome.group][1] == "all"
    rows_by_study = dict(iter(counted.groupby("study")))
    known = [_known(rows_by_study.get(study.study), study.arms, whole) for study in studies.itertuples()]
    rate = np.array([np.nan if one is None else one[0] / one[1] for one in known], dtype=float)
    studies = studies.assign(rate=rate, pooled=~((rate == 0) | (rate == 1)))
    reading = read_interval((outcome.estimate, outcome.ci_low, outcome.ci_high), outcome.decimals)
    return summary_of(outcome.estimate, reading, studies)


def summary_of(estimate: float, reading: Reading, studies: pd.DataFrame) -> Summary:
    """Return the summary of a published rate with its studies, columns as in `Summary.studies`."""
    n = studies.n[studies.pooled].to_numpy(float)
    tau2 = (updating.implied_tau2(estimate, se, n) for se in (reading.se, reading.se_low, reading.se_high))
    summary = Summary(estimate, reading, studies, *tau2)
    return replace(summary, rest=_rest(summary))


def _rest(summary: Summary) -> float:
    """Mean rate of the pooled studies without an available count; raw-scale weights as in the review's method."""
    studies = summary.studies[summary.studies.pooled]
    known = studies.rate.notna()
    if known.all() or not summary.reading.se > 0:
        return np.nan
    rate = studies.rate.fillna(summary.estimate)
    weight = 1 / (rate * (1 - rate) / studies.n + np.nan_to_num(summary.tau2))
    left = summary.estimate * weight.sum() - (weight * rate)[known].sum()
    return float(left / weight[~known].sum())


def _known(counted: pd.DataFrame | None, arms: tuple[str, ...], whole: bool) -> tuple[float, float] | None:
    """Return events and n of a study from its counts: of all its arms, or by site of those that have a count."""
    if counted is None:
        return None
    rows = counted[counted.arm.isin(arms)]
    enough = set(rows.arm) == set(arms) if whole else len(rows) > 0
    return (float(rows.events.sum()), float(rows.n.sum())) if enough else None


def by_study(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per study: counts of its arms are added up, as the review does.

    Parameters
    ----------
    rows : DataFrame
        Counts, a row per arm, with ``study``, ``label``, ``events`` and ``n`` among the columns.

    Returns
    -------
    DataFrame
        The same columns, studies in the order of their first row. Numbers of participants are added up, different
        texts of the arms are joined by a semicolon, and of other columns the first arm's value stands.
    """
    first = rows.drop_duplicates("study").reset_index(drop=True)
    if len(first) == len(rows):
        return first
    several = rows[rows.study.duplicated(keep=False)].groupby("study", sort=False)
    at = first.index[first.study.isin(several.groups)]
    for name in rows.columns.drop("study"):
        if name in ("events", "n", "enrolled", "completed"):
            values = several[name].agg(lambda column: column.sum(skipna=False))
        elif rows[name].map(type).eq(str).all():
            values = several[name].agg(lambda column: "; ".join(dict.fromkeys(column)))
        else:
            continue
        first.loc[at, name] = first.study[at].map(values)
    return first


# --- The update -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Updated:
    """A published rate brought up to date.

    Attributes
    ----------
    estimate, se, ci_low, ci_high, pi_low, pi_high : float
        Updated rate as a proportion, its standard error, 95% confidence interval, and 95% prediction interval for
        another study's true rate (NaN with fewer than 3 studies). Where no patient of any study responded the
        interval is NaN.
    tau2 : float
        Between-study variance behind it.
    k_old, k_new : int
        Studies behind the published rate that have a weight in it, and new studies. Every new study has a weight.
    new : Pooled or None
        The new studies alone by the review's method, which leaves out those at 0% or 100% (``new.dropped``); None
        where fewer than two are left.
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
        Responders and participants of the new studies. Each counts, those at 0% or 100% among them.

    Returns
    -------
    Updated or None
        Without new studies the published rate as it is. None for a rate that was published without an interval, unless
        it is 0% and there are new studies: then the published studies enter as studies without a responder.

    Notes
    -----
    The combination is that of `updating.combine`; the interval is normal, as the review's. It differs from pooling all
    counts by the review's method in three ways: weights use the variance at the combined rate, so that no study is left
    out; the weights' between-study variance is that of the published rate, so that the estimate never rises when a
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
    weighed = ((events > 0) & (events < n)).sum()
    new = pool_proportions(events, n) if weighed > 1 else None
    estimate, se, tau2 = combined.estimate, combined.se, combined.tau2
    reach = Z95 * se if se > 0 else np.nan
    further = prediction_reach(se, tau2, len(sizes) + len(n)) if se > 0 else np.nan
    ends = (estimate - reach, estimate + reach, estimate - further, estimate + further)
    return Updated(estimate, se, *ends, tau2, len(sizes), len(n), new, combined.weights)


def sensitivity(summary: Summary, events, n) -> dict[str, tuple[float, float, float]]:
    """Update a published rate as if the review had pooled otherwise than it says.

    Parameters
    ----------
    summary, events, n
        As in `update`; the rate was published with an interval.

    Returns
    -------
    dict of str to (float, float, float)
        Choice -> updated rate and the ends of its interval. "Paule-Mandel": tau² of all studies by iterated weights.
        What the published standard error implies is the same for every estimator of tau². "Hartung-Knapp": the
        published and the updated interval have Student's t, so that the published one implies a smaller standard
        error.
    """
    sizes, k_old, k = summary.sizes, len(summary.sizes), len(summary.sizes) + len(n)
    t_old, t = (stats.t.ppf(0.975, max(df, 1)) for df in (k_old - 1, k - 1))
    found = {}
    for name, se, quantile, iterate in (
        ("Paule-Mandel", summary.reading.se, Z95, True),
        ("Hartung-Knapp", summary.reading.se * Z95 / t_old, t, False),
    ):
        combined = updating.combine(summary.estimate, se, sizes, events, n, iterate=iterate)
        reach = quantile * combined.se
        found[name] = (combined.estimate, combined.estimate - reach, combined.estimate + reach)
    return found


# --- When an update changes the conclusions ---------------------------------------------------------------


def news(outcome: Outcome, updated: Updated, margins: dict[str, float]) -> list[str]:
    """Return the rules of ``data/news_margins.csv`` by which an updated rate changes the conclusions.

    Parameters
    ----------
    outcome : Outcome
        The published rate.
    updated : Updated
        The rate brought up to date.
    margins : dict of str to float
        Rule -> margin, in percent: ``moved``, the least change of the estimate in percentage points;
        ``narrower``, the least share by which the interval narrows. ``outside`` (the updated interval excludes the
        published estimate) and ``first`` (a rate that the review could not give an interval) have none.

    Returns
    -------
    list of str
        The rules that are met, in the order of ``margins``; none without new studies.
    """
    if not updated.k_new:
        return []
    without = not outcome.ci_high - outcome.ci_low > 0
    change = abs(updated.estimate - outcome.estimate)
    narrowed = 1 - (updated.ci_high - updated.ci_low) / (outcome.ci_high - outcome.ci_low)
    met = {
        "moved": not without and 100 * change > margins.get("moved", np.inf),
        "outside": not without and not updated.ci_low <= outcome.estimate <= updated.ci_high,
        "narrower": not without and 100 * narrowed >= margins.get("narrower", np.inf),
        "first": without and updated.ci_low == updated.ci_low,
    }
    return [rule for rule in margins if met[rule]]


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
    news : list of str
        The rules of ``data/news_margins.csv`` by which the update changes the conclusions.
    """

    outcome: Outcome
    summary: Summary
    updated: Updated | None
    news: list[str]

    @property
    def answer(self) -> Outcome | Updated:
        """The current rate: updated where there are new counts, otherwise as published."""
        return self.updated if self.updated is not None and self.updated.k_new else self.outcome


def results(evidence: Evidence) -> dict[tuple[str, str, str], Result]:
    """Bring every rate of the review up to date.

    Returns
    -------
    dict of (regimen, threshold, group) to Result
        In the order of the review's Table 3.
    """
    outcomes = evidence.all_outcomes()
    of = {regimen: _results(evidence, regimen) for regimen in dict.fromkeys(outcome.regimen for outcome in outcomes)}
    keys = [(outcome.regimen, outcome.threshold, outcome.group) for outcome in outcomes]
    return {key: of[key[0]][key] for key in keys}


@of_one_regimen
@shared
def _results(evidence: Evidence, regimen: str) -> dict[tuple[str, str, str], Result]:
    margins = dict(zip(evidence.news_margins.rule, evidence.news_margins.margin, strict=True))
    found = {}
    for outcome in evidence.all_outcomes():
        if outcome.regimen == regimen:
            summary = summarise(evidence, outcome, members(evidence, regimen, outcome.group))
            new = by_study(outcome.new)
            updated = update(summary, new.events, new.n)
            reasons = news(outcome, updated, margins) if updated is not None else []
            found[regimen, outcome.threshold, outcome.group] = Result(outcome, summary, updated, reasons)
    return found
