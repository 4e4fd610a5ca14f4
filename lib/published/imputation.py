"""Impute the counts that a review does not report, and use them.

Belongs here: sorting published rates, available counts and bounds from reports into independent blocks; pooling imputed
counts; and ranking the studies by how much their counts would narrow the results.
Does not belong here: how counts are imputed (`sampler`), and whether imputation recovers withheld counts
(`withholding`). Imputed counts are possible values, not reported ones: whatever shows or pools them must say so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.caching.shared_results import of_one_regimen, shared
from lib.evidence import THRESHOLDS, Evidence, Outcome, by_study, reference_numbers
from lib.published.count_model import WIDEST, Z95, Block, PublishedRate
from lib.published.participants import Members, known_counts, members
from lib.published.published_interval import half_units, read_interval
from lib.published.sampler import Draws, impute
from lib.stats import pool_proportions

_OF_WHOLE_BODY = ("total", "children")

# --- Blocks ------------------------------------------------------------------------------------


def blocks(evidence: Evidence) -> list[Block]:
    """Return the blocks of a review: published rates that share studies and counts are in the same block."""
    sorted_out: list[Block] = []
    for outcome in evidence.all_outcomes():
        if not any(outcome.regimen == block.regimen and outcome.group in block.groups for block in sorted_out):
            sorted_out.append(block_of(evidence, outcome.regimen, outcome.group))
    return sorted_out


@of_one_regimen
@shared
def block_of(evidence: Evidence, regimen: str, group: str) -> Block:
    """Return the block of one row of the review's Table 3.

    The whole body and the children are one block, because a study of children counts in both. Each body site is a block
    of its own, because a patient's sites need not respond similarly, or like the whole body.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    regimen : {"monotherapy", "phototherapy"}
        The regimen.
    group : str
        A key of `lib.evidence.GROUPS`.

    Returns
    -------
    Block
    """
    groups = _OF_WHOLE_BODY if group in _OF_WHOLE_BODY else (group,)
    outcomes = [
        outcome for outcome in evidence.all_outcomes() if outcome.regimen == regimen and outcome.group in groups
    ]
    return _block(evidence, outcomes, regimen)


def _block(evidence: Evidence, outcomes: Sequence[Outcome], regimen: str) -> Block:
    groups = tuple(dict.fromkeys(outcome.group for outcome in outcomes))
    rows = [members(evidence, regimen, group) for group in groups]
    arms = pd.concat([row.frame for row in rows]).drop_duplicates("study").reset_index(drop=True)
    n, least, largest = (arms[name].to_numpy(float).copy() for name in ("n", "least", "largest"))
    low, high = np.zeros((len(arms), 3)), np.repeat(largest[:, None], 3, axis=1)
    percent = np.full((len(arms), 3), np.nan)
    reported = np.zeros(low.shape, dtype=bool)
    counts = known_counts(evidence, regimen, groups[0])
    by_site = groups[0] not in _OF_WHOLE_BODY
    for at, t, n_counted, events, whole in _added_up(arms, counts, THRESHOLDS, by_site):
        low[at, t] = events
        if whole:
            # Use the number of the report, even if the report counts patches while Table 2 counts patients.
            n[at] = least[at] = largest[at] = max(n_counted, n[at] if reported[at].any() else 0)
            high[at, ~reported[at]] = n[at]
            high[at, t] = events
            reported[at, t] = True
    for at, _, n_counted, events, whole in _added_up(arms, _any_repigmentation(evidence, regimen), ("any",), by_site):
        if whole and n_counted >= n[at]:
            high[at] = np.minimum(high[at], np.maximum(events, low[at]))
    for bound in _bounds(evidence, outcomes).itertuples():
        t = THRESHOLDS.index(bound.threshold)
        for at in _places(arms, bound):
            if bound.kind == "percent":
                percent[at, t] = bound.value / 100
            elif bound.kind == "at_least":
                low[at, t] = max(low[at, t], bound.value)
            elif by_site or len(arms.arms[at]) == 1:
                share = bound.kind == "at_most_percent"
                value = np.floor(bound.value / 100 * largest[at]) if share else bound.value
                high[at, t] = min(high[at, t], value)

    rates = []
    for outcome in outcomes:
        included = arms.review_ref.isin(outcome.refs).to_numpy()
        if outcome.estimate == 0 and outcome.ci_low != outcome.ci_low:
            high[included, THRESHOLDS.index(outcome.threshold)] = 0
            continue
        rate = _published_rate(outcome, included)
        if rate is not None:
            rates.append(rate)
    # Thresholds are nested: a patient who reaches 75% has reached 50%, and one who reaches 50% has reached 25%.
    for weaker, stronger in ((0, 1), (1, 2)):
        high[:, stronger] = np.minimum(high[:, stronger], high[:, weaker])
    for weaker, stronger in ((1, 2), (0, 1)):
        low[:, weaker] = np.maximum(low[:, weaker], low[:, stronger])
    # A reported count prevails over a bound that excludes it.
    high = np.maximum(high, low)
    columns = arms[["study", "label", "arms"]]
    shifts = _shifts(arms, rows)
    return Block(regimen, groups, columns, n, least, largest, low, high, reported, percent, tuple(rates), shifts)


def _places(arms: pd.DataFrame, row) -> np.ndarray:
    """Return the index of a row's study in a block; empty if the block does not count the arm of the row."""
    counts = [row.arm in counting for counting in arms.arms]
    return np.flatnonzero((arms.study == row.study).to_numpy() & np.array(counts, dtype=bool))


def _added_up(
    arms: pd.DataFrame, counts: pd.DataFrame, thresholds: Sequence[str], by_site: bool
) -> Iterator[tuple[int, int, float, float, bool]]:
    """Add up counts over the arms of a study.

    Yields the index of the study, the index of the threshold in ``thresholds``, n, events, and whether these are the
    counts of all arms of the study. A block of a body site has all arms, because it is not known which of them the
    review counted; there a count of any arm is sufficient.
    """
    placed = [(at, count.threshold, count) for count in counts.itertuples() for at in _places(arms, count)]
    placed.sort(key=lambda one: one[:2])
    for (at, threshold), group in itertools.groupby(placed, key=lambda one: one[:2]):
        rows = [count for *_, count in group]
        whole = by_site or {count.arm for count in rows} == set(arms.arms[at])
        if threshold in thresholds:
            n, events = (float(sum(getattr(count, name) for count in rows)) for name in ("n", "events"))
            yield at, thresholds.index(threshold), n, events, whole


def _any_repigmentation(evidence: Evidence, regimen: str) -> pd.DataFrame:
    """Return counts of any repigmentation anywhere: upper bounds of the counts at every threshold."""
    rows = evidence.reported_counts()
    rows = rows[(rows.role == regimen) & (rows.edition == "original") & (rows.threshold == "any")]
    rows = rows[(rows.unit == "patients") & (rows.months == rows.duration_months)]
    return rows[(rows.site == "all") | (rows.n == rows.completed)]


def _bounds(evidence: Evidence, outcomes: Sequence[Outcome]) -> pd.DataFrame:
    sites = {"all" if outcome.group in _OF_WHOLE_BODY else outcome.group for outcome in outcomes}
    arms = evidence.arms[evidence.arms.role == outcomes[0].regimen]
    return evidence.bounds[evidence.bounds.site.isin(sites)].merge(arms[["study", "arm"]].drop_duplicates())


def _published_rate(outcome: Outcome, included: np.ndarray) -> PublishedRate | None:
    """Return the part of a published rate that counts have to reproduce; None if there is none to compare."""
    published, half_unit = np.array([outcome.estimate, outcome.ci_low, outcome.ci_high]), half_units(outcome.decimals)
    reading = read_interval(published, outcome.decimals)
    if reading.kind == "no interval" or (reading.kind == "off centre" and not reading.wrong):
        return None
    if reading.kind == "cut":
        published[1] = np.nan if published[1] - half_unit[1] <= 0 else published[1]
        published[2] = np.nan if published[2] + half_unit[2] >= 1 else published[2]
    if reading.wrong:
        published[("estimate", "ci_low", "ci_high").index(reading.wrong)] = np.nan
    return PublishedRate(outcome.threshold, outcome.group, included, published, half_unit)


def _shifts(arms: pd.DataFrame, rows: Sequence[Members]) -> np.ndarray:
    """Return the changes of up to three n by one participant that leave all published totals unchanged."""
    free = np.flatnonzero(arms.largest > arms.least)
    lists = [refs for row in rows for refs in row.totals.refs[row.totals.reproduced]]
    adds = np.array([arms.review_ref.isin(reference_numbers(refs)) for refs in lists], dtype=float)
    adds = adds.reshape(len(lists), len(arms))
    shifts = []
    for number in (1, 2, 3):
        for chosen in itertools.combinations(free, number):
            for signs in itertools.product((-1.0, 1.0), repeat=number):
                shift = np.zeros(len(arms))
                shift[list(chosen)] = signs
                if not (adds @ shift).any():
                    shifts.append(shift)
    return np.array(shifts).reshape(-1, len(arms))


# --- Uses of imputed counts -------------------------------------------------------------------------------


def consistent_ranges(evidence: Evidence, outcome: Outcome) -> pd.DataFrame:
    """Return the range of compatible rates for each study of an outcome without an available count.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    outcome : Outcome
        The outcome.

    Returns
    -------
    DataFrame
        study, arms (a tuple of the arms in the rate), low and high, as proportions. Empty if the draws did not converge
        or no counts reproduce the outcome's published rate.
    """
    block = block_of(evidence, outcome.regimen, outcome.group)
    included = _included(block, outcome)
    if included is None:
        return pd.DataFrame(columns=["study", "arms", "low", "high"])
    draws = impute(block)
    ranges = draws.ranges(outcome.threshold)
    reproduced = draws.tolerance[outcome.threshold, outcome.group] <= WIDEST
    return ranges[ranges.index.isin(np.flatnonzero(included)) & reproduced]


def _included(block: Block, outcome: Outcome) -> np.ndarray | None:
    """Return which studies of a block are pooled in an outcome's published rate; None if it restricts no counts."""
    key = outcome.threshold, outcome.group
    return next((rate.included for rate in block.rates if (rate.threshold, rate.group) == key), None)


@dataclass(frozen=True)
class OverDraws:
    """A rate, updated by pooling all its studies in every draw.

    Attributes
    ----------
    estimate, ci_low, ci_high : float
        Mean over the draws and its 95% interval, which includes the variation within and between draws.
    between : float
        Standard deviation of the estimate between draws: the uncertainty due to the unavailable counts.
    draws : int
        Number of draws.
    """

    estimate: float
    ci_low: float
    ci_high: float
    between: float
    draws: int


def update_over_draws(draws: Draws, outcome: Outcome, transform: str = "raw") -> OverDraws | None:
    """Pool an outcome's original and new studies in every draw, and combine the results.

    Parameters
    ----------
    draws : Draws
        Draws of the outcome's block.
    outcome : Outcome
        The outcome, with its new counts.
    transform : str
        As in `pooling.pool_proportions`. With "logit", too, the draws are combined on the scale of proportions, each
        with the standard error that its interval implies there.

    Returns
    -------
    OverDraws or None
        None if the draws did not converge or the outcome's published rate was given up.

    Notes
    -----
    Combined by Rubin's rules (Rubin 1987, doi:10.1002/9780470316696, section 3.1).
    """
    pooled = _pool_draws(draws, outcome, transform)
    if pooled is None:
        return None
    (estimates, width), m = pooled, len(draws.events)
    se = width / (2 * Z95)
    between = float(estimates.var(ddof=1))
    total = float(np.sqrt((se**2).mean() + (1 + 1 / m) * between))
    mean = float(estimates.mean())
    return OverDraws(mean, mean - Z95 * total, mean + Z95 * total, float(np.sqrt(between)), m)


def _pool_draws(draws: Draws, outcome: Outcome, transform: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Pool the outcome in every draw, and return the estimates (m,) and the widths of their intervals (m,)."""
    if np.isnan(draws.tolerance.get((outcome.threshold, outcome.group), np.nan)) or not draws.converged:
        return None
    included, new = _included(draws.block, outcome), by_study(outcome.new)
    events = draws.events[:, included, THRESHOLDS.index(outcome.threshold)].T
    new_events, new_n = (
        np.repeat(new[name].to_numpy(float)[:, None], len(draws.events), axis=1) for name in ("events", "n")
    )
    n = np.vstack([draws.n[:, included].T, new_n])
    pooled = pool_proportions(np.vstack([events, new_events]), n, transform=transform)
    return np.asarray(pooled.estimate), np.asarray(pooled.ci_high) - pooled.ci_low


def most_wanted(outcomes: Sequence[Outcome], all_draws: Sequence[Draws]) -> pd.DataFrame:
    """Rank the studies without available counts by how much their counts would narrow the results.

    The results are the rates pooled on the logit scale, which keeps the studies at 0% and 100%. On the raw scale the
    published rates determine them already, whatever the counts are; on the logit scale they vary between draws. Knowing
    a study's counts would remove the share of that variance which they explain: their squared correlation with the
    result, less the value expected by chance with this number of draws. With another seed, studies of similar rank may
    change places.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The outcomes.
    all_draws : sequence of Draws
        Draws of every block.

    Returns
    -------
    DataFrame
        One row per study, the most useful first: study, label, rates (number of published rates with draws that include
        the study), narrowing (percentage points by which the 95% ranges of those rates would narrow in total), most
        (the regimen, group and threshold that would narrow most).
    """
    narrowings = []
    for outcome in outcomes:
        for draws in all_draws:
            if draws.block.regimen == outcome.regimen and outcome.group in draws.block.groups:
                narrowings += _narrowings(draws, outcome)
    rows = pd.DataFrame(narrowings, columns=["study", "label", "outcome", "narrowing"])
    rows = rows.sort_values(["narrowing", "study", "outcome"], ascending=[False, True, True])
    ranked = rows.groupby(["study", "label"], sort=False).agg(
        rates=("outcome", "size"), narrowing=("narrowing", "sum"), most=("outcome", "first")
    )
    return ranked.reset_index().sort_values(["narrowing", "label"], ascending=[False, True], ignore_index=True)


def _narrowings(draws: Draws, outcome: Outcome) -> list[tuple]:
    """Return study, label, key of the outcome, and narrowing of its 95% range, for each study without a count."""
    pooled = _pool_draws(draws, outcome, "logit")
    if pooled is None:
        return []
    estimates, _ = pooled
    t, block, m = THRESHOLDS.index(outcome.threshold), draws.block, len(estimates)
    key = (outcome.regimen, outcome.group, outcome.threshold)
    width = 2 * Z95 * 100 * float(estimates.std(ddof=1))
    rows = []
    for arm in np.flatnonzero(_included(block, outcome) & block.unknown[:, t]):
        rates = draws.events[:, arm, t] / draws.n[:, arm]
        varies = min(rates.std(), estimates.std()) > 1e-12
        explained = np.corrcoef(rates, estimates)[0, 1] ** 2 if varies else 0.0
        explained = max(0.0, 1 - (1 - explained) * (m - 1) / (m - 2))
        rows.append((block.arms.study[arm], block.arms.label[arm], key, width * (1 - np.sqrt(1 - explained))))
    return rows
