"""A pooled rate known only as printed: what it implies, and how new studies change it.

Knows what a printed estimate with its interval says of the standard error and the between-study variance, how to
update a printed rate with new counts, and when an update is news. The review's method is taken to be that of
`pooling.pool_proportions`: raw proportions, inverse variance, DerSimonian-Laird. Which studies of which size are
behind it, `participants` says. Draws no counts (see `imputation`) and reads no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import optimize, stats

from lib.effects import proportions
from lib.evidence import STRATA, Cell, Evidence
from lib.participants import Members, known_counts, members
from lib.pooling import Pooled, pool
from lib.shared import of_one_regimen, shared

ENOUGH_NEW = 2
"""New studies from which on they have a say in the between-study variance: one alone has no spread."""


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


# --- What a printed cell implies --------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """What a printed pooled rate implies, with the method of the review.

    Attributes
    ----------
    estimate : float
        The printed rate, as a proportion.
    reading : Reading
        What its interval says.
    studies : DataFrame
        A row a study: study, arms, label, n, events (NaN: not public), y and v, its rate and sampling variance. A
        study without a public count of all its arms has y NaN, and v as at the printed rate.
    tau2, tau2_low, tau2_high : float
        Between-study variance that the standard error implies, and its range under the rounding. NaN: none;
        sampling error alone exceeds the printed standard error.
    pi_low, pi_high : float
        95% prediction interval; NaN where there is no interval or print implies no between-study variance.
    """

    estimate: float
    reading: Reading
    studies: pd.DataFrame = field(repr=False)
    tau2: float
    tau2_low: float
    tau2_high: float
    pi_low: float
    pi_high: float


def summarise(evidence: Evidence, cell: Cell, row: Members) -> Summary:
    """Work out what a printed cell implies.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    cell : Cell
        The cell.
    row : Members
        The studies of its row with their numbers of participants.

    Returns
    -------
    Summary

    Notes
    -----
    The between-study variance is the tau² at which 1 / sqrt(sum(1 / (v + tau²))), the standard error of a
    random-effects mean (DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2), equals the printed one. v is
    p (1 - p) / n, of the study's own count where it is public and at the printed rate elsewhere. A study with a
    public count at 0% or 100% has no weight, as in `pooling.pool_proportions`.
    """
    studies = row.frame[row.frame.review_ref.isin(cell.refs)].drop(columns="review_ref")
    counted = known_counts(evidence, cell.regimen, cell.stratum)
    counted = counted[counted.threshold == cell.threshold]
    whole = STRATA[cell.stratum][1] == "all"
    of = {study: rows for study, rows in counted.groupby("study")}
    known = [_known(of.get(study.study), study.arms, whole) for study in studies.itertuples()]
    studies = studies.assign(
        events=[np.nan if one is None else one[0] for one in known],
        n=[study.n if one is None else one[1] for study, one in zip(studies.itertuples(), known, strict=True)],
    )
    y = studies.events / studies.n
    rate = y.fillna(cell.estimate)
    studies = studies.assign(y=y, v=rate * (1 - rate) / studies.n)
    reading = read_interval((cell.estimate, cell.ci_low, cell.ci_high), cell.decimals)
    v = studies.v[studies.v > 0].to_numpy(float)
    tau2, low, high = (implied_tau2(v, se) for se in (reading.se, reading.se_low, reading.se_high))
    # Print that is surer than sampling allows says nothing of how studies differ.
    reach = stats.norm.ppf(0.975) * np.sqrt(reading.se**2 + tau2)
    return Summary(cell.estimate, reading, studies, tau2, low, high, cell.estimate - reach, cell.estimate + reach)


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


def implied_tau2(v: np.ndarray, se: float) -> float:
    """Return the tau² at which studies with sampling variances v pool to a standard error; NaN: there is none."""
    if not se > 0 or not len(v) or 1 / np.sqrt((1 / v).sum()) > se:
        return np.nan

    def excess(tau2: float) -> float:
        return (1 / (v + tau2)).sum() - 1 / se**2

    return float(optimize.brentq(excess, 0.0, len(v) * se**2, xtol=1e-14))


# --- The update -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Updated:
    """A printed rate brought up to date.

    Attributes
    ----------
    estimate, se, ci_low, ci_high, pi_low, pi_high : float
        Updated rate as a proportion, its standard error, 95% confidence and prediction interval.
    tau2 : float
        Between-study variance behind it.
    tau2_from : {"print", "both"}
        Whether the printed summary alone decided it, or the new studies as well.
    k_old, k_new : int
        Studies in the printed summary and new studies with a weight.
    new : Pooled or None
        The new studies alone; None: no new study.
    difference, z, p : float
        New less old rate, both weighed with the between-study variance within them, as a proportion; its test
        statistic and p-value; NaN without new studies.
    rest : float
        Mean rate that print and public counts leave for the old studies without a public count; NaN without such. Out
        of 0 to 1 print and public counts contradict each other.
    """

    estimate: float
    se: float
    ci_low: float
    ci_high: float
    pi_low: float
    pi_high: float
    tau2: float
    tau2_from: str
    k_old: int
    k_new: int
    new: Pooled | None
    difference: float = np.nan
    z: float = np.nan
    p: float = np.nan
    rest: float = np.nan


def update(summary: Summary, events, n) -> Updated | None:
    """Bring a printed rate up to date with new studies, in closed form.

    Parameters
    ----------
    summary : Summary
        What the printed cell implies.
    events, n : array_like, shape (k,)
        Responders and participants of the new studies; at 0% or 100% a study has no weight, as in the review's
        method.

    Returns
    -------
    Updated or None
        Equal to pooling all studies where the counts behind the summary are public. None where the cell is
        printed without an interval and fewer than `ENOUGH_NEW` new studies have a weight.

    Notes
    -----
    The studies behind the print that have no public count enter as one block: its mean is what the printed rate
    leaves for it when the public counts have had their weight, and its Cochran's Q is that which DerSimonian and
    Laird's equation (1986, doi:10.1016/0197-2456(86)90046-2) turns into the implied tau², less the part of the
    public counts. From `ENOUGH_NEW` new studies on tau² is that equation's for all studies together, else the
    summary's. The block's mean is that of random-effects weights; DerSimonian and Laird's Q wants that of
    fixed-effect weights, which is not printed: with unknown counts the update is that near, no nearer. Where the
    print implies no tau², the variances of the block are scaled to the printed standard error.

    The test of new against old takes one within-group tau² (Borenstein et al. 2009,
    doi:10.1002/9780470743386, chapter 19).
    """
    y_new, v_new = proportions(events, n)
    y_new, v_new = y_new[v_new > 0], v_new[v_new > 0]
    k_new = len(y_new)
    old = summary.studies[summary.studies.v > 0]
    z95 = stats.norm.ppf(0.975)
    if summary.reading.kind == "no interval":
        if k_new < ENOUGH_NEW:
            return None
        new = pool(y_new, v_new)
        ends = (new.estimate, new.se, new.ci_low, new.ci_high, new.pi_low, new.pi_high, new.tau2)
        return Updated(*ends, "both", 0, k_new, new)

    known = old.y.notna().to_numpy()
    v, tau2 = old.v.to_numpy(float), np.nan_to_num(summary.tau2)
    if np.isnan(summary.tau2):
        v = v * np.where(known, 1.0, _scale(v, known, summary.reading.se))
    y_known, v_known, v_block = old.y[known].to_numpy(float), v[known], v[~known]
    k_old, rest = len(v), np.nan

    def weights(variance: np.ndarray, t2: float) -> np.ndarray:
        return 1 / (variance + t2)

    # The block's mean, from the printed one.
    if len(v_block):
        total, block = weights(v, tau2).sum(), weights(v_block, tau2).sum()
        rest = float((total * summary.estimate - (weights(v_known, tau2) * y_known).sum()) / block)
        y_old = np.concatenate([y_known, [rest]])
        q_old = tau2 * _scatter(v) + k_old - 1
    else:
        y_old, q_old = y_known, _q(y_known, weights(v_known, 0.0))

    def group(t2: float) -> np.ndarray:
        block = [weights(v_block, t2).sum()] if len(v_block) else []
        return np.concatenate([weights(v_known, t2), block])

    q_block = max(q_old - _q(y_old, group(0.0)), 0.0)
    everything = np.concatenate([y_old, y_new])
    both = k_new >= ENOUGH_NEW or not len(v_block)
    if both and k_new:
        q = q_block + _q(everything, np.concatenate([group(0.0), weights(v_new, 0.0)]))
        used = max((q - (k_old + k_new - 1)) / _scatter(np.concatenate([v, v_new])), 0.0)
    else:
        used = tau2
    w = np.concatenate([group(used), weights(v_new, used)])
    estimate, se = float((w * everything).sum() / w.sum()), float(1 / np.sqrt(w.sum()))
    reach = z95 * np.sqrt(se**2 + used)
    ends = (estimate, se, estimate - z95 * se, estimate + z95 * se, estimate - reach, estimate + reach, float(used))
    source = "both" if both else "print"
    if not k_new:
        return Updated(*ends, source, k_old, 0, None, rest=rest)

    q_new = _q(y_new, weights(v_new, 0.0))
    scatter = _scatter(v) + _scatter(v_new)
    within = max((q_old + q_new - (k_old - 1) - (k_new - 1)) / scatter, 0.0)
    old_w, new_w = group(within), weights(v_new, within)
    difference = float((new_w * y_new).sum() / new_w.sum() - (old_w * y_old).sum() / old_w.sum())
    statistic = difference / np.sqrt(1 / new_w.sum() + 1 / old_w.sum())
    new = pool(y_new, v_new)
    p = float(2 * stats.norm.sf(abs(statistic)))
    return Updated(*ends, source, k_old, k_new, new, difference, float(statistic), p, rest)


def _q(y: np.ndarray, weight: np.ndarray) -> float:
    return float((weight * (y - (weight * y).sum() / weight.sum()) ** 2).sum()) if len(y) else 0.0


def _scatter(v: np.ndarray) -> float:
    """Denominator of DerSimonian and Laird's equation; 0 for one study."""
    return float((1 / v).sum() - (1 / v**2).sum() / (1 / v).sum()) if len(v) > 1 else 0.0


def _scale(v: np.ndarray, known: np.ndarray, se: float) -> float:
    """Factor by which the variances of the unknown studies shrink for all to pool to the printed error."""
    left = 1 / se**2 - (1 / v[known]).sum()
    return float((1 / v[~known]).sum() / left) if left > 0 else 1.0


# --- When it is news --------------------------------------------------------------------------------------


def news(cell: Cell, updated: Updated, margins: dict[str, float]) -> list[str]:
    """Return the rules by which an updated cell is news, of those in ``data/news_margins.csv``.

    Parameters
    ----------
    cell : Cell
        The cell as printed.
    updated : Updated
        The cell brought up to date.
    margins : dict of str to float
        Rule -> margin, in percent: ``moved``, the least change of the estimate in percentage points;
        ``narrower``, the least share by which the interval narrows. ``outside`` (the updated interval excludes the
        printed estimate) and ``first`` (a rate that the review could not give an interval) have none.

    Returns
    -------
    list of str
        The rules that are met, in the order of ``margins``; none without new studies.
    """
    if not updated.k_new:
        return []
    first = not cell.ci_high - cell.ci_low > 0
    change = abs(updated.estimate - cell.estimate)
    narrowed = 1 - (updated.ci_high - updated.ci_low) / (cell.ci_high - cell.ci_low)
    met = {
        "moved": not first and 100 * change > margins.get("moved", np.inf),
        "outside": not first and not updated.ci_low <= cell.estimate <= updated.ci_high,
        "narrower": not first and 100 * narrowed >= margins.get("narrower", np.inf),
        "first": first,
    }
    return [rule for rule in margins if met[rule]]


@dataclass(frozen=True)
class Result:
    """One cell of the review, as printed and brought up to date.

    Attributes
    ----------
    cell : Cell
        As printed, with its public and new counts.
    summary : Summary
        What the print implies.
    updated : Updated or None
        None where there is neither an interval in print nor enough new arms.
    news : list of str
        The rules of ``data/news_margins.csv`` by which the update is news.
    """

    cell: Cell
    summary: Summary
    updated: Updated | None
    news: list[str]

    @property
    def answer(self) -> Cell | Updated:
        """The rate to go by: updated where there are new arms with a weight, as printed elsewhere."""
        return self.updated if self.updated is not None and self.updated.k_new else self.cell


def results(evidence: Evidence) -> dict[tuple[str, str, str], Result]:
    """Bring every cell of the review up to date.

    Returns
    -------
    dict of (regimen, threshold, stratum) to Result
        In the order of the review's Table 3.
    """
    cells = evidence.cells()
    of = {regimen: _results(evidence, regimen) for regimen in dict.fromkeys(cell.regimen for cell in cells)}
    keys = [(cell.regimen, cell.threshold, cell.stratum) for cell in cells]
    return {key: of[key[0]][key] for key in keys}


@of_one_regimen
@shared
def _results(evidence: Evidence, regimen: str) -> dict[tuple[str, str, str], Result]:
    margins = dict(zip(evidence.news_margins.rule, evidence.news_margins.margin, strict=True))
    found = {}
    for cell in evidence.cells():
        if cell.regimen == regimen:
            summary = summarise(evidence, cell, members(evidence, regimen, cell.stratum))
            new = by_study(cell.new)
            updated = update(summary, new.events, new.n)
            reasons = news(cell, updated, margins) if updated is not None else []
            found[regimen, cell.threshold, cell.stratum] = Result(cell, summary, updated, reasons)
    return found
