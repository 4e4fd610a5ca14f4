"""Derive the numbers of participants behind a review's published totals.

Belongs here: how each study was counted (enrolled or completed, all arms or one) for all published totals at once, and
the range of unpublished sizes, such as those by body site, that the totals allow.
Does not belong here: responders (`count_model`, `imputation`), except for the selection of reported counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy import optimize, sparse

from lib.caching.shared_results import of_one_regimen, shared
from lib.evidence import GROUPS, Evidence, reference_numbers

MOST_SOLUTIONS = 100
"""Number of solutions at which the search stops."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of participants of the arms that add up to the totals published by a review for one regimen.

    Attributes
    ----------
    totals : DataFrame
        One row per published total: claim, patients, listed (the sum of all who completed), reproduced (whether the
        solution adds up to it), n (the sum in the solution).
    arms : DataFrame
        One row per arm that is counted: study, arm, n, and reading (``completed`` or ``enrolled``).
    solutions : list of dict of str to str
        For each solution with the fewest departures, the studies that are not counted as "all arms, all who completed",
        with the way they are counted: ``enrolled``, ``one arm``, ``one arm, enrolled``. ``arms`` and ``totals`` show
        the first solution.
    departures : int
        Number of departures of each of these solutions: counting a study by those enrolled, or by one arm, is one.
    next_departures : float
        Departures of the next best solution; NaN if there is none, or if the search stopped at `MOST_SOLUTIONS` equally
        good ones.
    """

    regimen: str
    totals: pd.DataFrame
    arms: pd.DataFrame
    solutions: list[dict[str, str]]
    departures: int
    next_departures: float


@of_one_regimen
@shared
def sizes(evidence: Evidence, regimen: str) -> Sizes:
    """Find the numbers of participants that add up to all published totals of a regimen at once.

    Each study counts those who completed or those enrolled, of all its arms or of one. The solution reproduces
    as many of the published totals as can be reproduced together, with as few departures as possible from the
    counting that the review describes: all arms, all patients who completed. A total over studies of which one was
    assessed by patch only is left out, as Table 2 does not give the number of patients with a patch at a site.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    regimen : {"monotherapy", "phototherapy"}
        The regimen.

    Returns
    -------
    Sizes
    """
    arms = _arms(evidence, regimen)
    totals = _published_totals(evidence, regimen, arms)
    with_counts = known_counts(evidence, regimen, "total")
    options = _options(arms, set(zip(with_counts.study, with_counts.arm, strict=True)))
    owner = np.array([option["study"] for option in options])
    n, cost = (np.array([option[key] for option in options], dtype=float) for key in ("n", "departures"))
    studies = pd.unique(owner)
    one_each = np.array([owner == study for study in studies], dtype=float)
    adds = np.array([np.isin(owner, in_total) * n for in_total in totals.studies])
    published = totals.patients.to_numpy(float)

    # Reproduce as many totals as possible: giving up a total costs more than any number of departures.
    count, given_up = len(options), len(totals)
    loose = np.hstack([adds, np.diag(np.full(given_up, adds.sum()))])
    tight = np.hstack([adds, np.diag(np.full(given_up, -adds.sum()))])
    chosen = _solve(
        np.concatenate([cost, np.full(given_up, cost.sum() + 1)]),
        [
            (np.hstack([one_each, np.zeros((len(studies), given_up))]), 1, 1),
            (loose, published, np.inf),
            (tight, -np.inf, published),
        ],
    )
    assert chosen is not None, "every total can be given up"
    reproduced = chosen[count:] < 0.5
    constraints = [(one_each, 1, 1), (adds[reproduced], published[reproduced], published[reproduced])]
    solutions: list[np.ndarray] = []
    next_departures = np.nan
    while len(solutions) < MOST_SOLUTIONS:
        solution = _solve(cost, constraints)
        if solution is None:
            break
        if solutions and cost @ solution > cost @ solutions[0] + 0.5:
            next_departures = float(round(cost @ solution))
            break
        solutions.append(solution)
        constraints.append((solution[None, :], -np.inf, len(studies) - 1))

    first = solutions[0] > 0.5
    used = [row for option, is_used in zip(options, first, strict=True) if is_used for row in option["arms"]]
    return Sizes(
        regimen=regimen,
        totals=totals.assign(
            listed=[arms.completed[arms.study.isin(in_total)].sum() for in_total in totals.studies],
            reproduced=reproduced,
            n=adds @ solutions[0],
        ),
        arms=pd.DataFrame(used),
        solutions=[
            {o["study"]: o["reading"] for o, used in zip(options, one, strict=True) if used > 0.5 and o["reading"]}
            for one in solutions
        ],
        departures=int(round(cost @ solutions[0])),
        next_departures=next_departures,
    )


def _arms(evidence: Evidence, regimen: str) -> pd.DataFrame:
    arms = evidence.table2()
    return arms[arms.role == regimen].reset_index(drop=True)


def _published_totals(evidence: Evidence, regimen: str, arms: pd.DataFrame) -> pd.DataFrame:
    rates = evidence.published_rates
    rates = rates[(rates.regimen == regimen) & (rates.site == "all") & (rates.refs != "") & rates.patients.notna()]
    numbers = evidence.published_numbers.set_index("quantity")
    listed = numbers[numbers.refs != ""]
    whole_regimen = pd.DataFrame(
        {
            "claim": [f"results-{regimen}_patients"],
            "refs": [listed.refs[f"{regimen}_studies"]],
            "patients": [float(numbers.value[f"{regimen}_patients"])],
        }
    )
    by_patch = set(arms.study[arms.assessment == "individual"])
    totals: list[dict] = []
    for row in pd.concat([rates[["claim", "refs", "patients"]], whole_regimen]).itertuples():
        in_total = tuple(pd.unique(arms.study[arms.review_ref.isin(reference_numbers(row.refs))]))
        whole = row.claim.endswith("_patients") or not by_patch & set(in_total)
        if whole and (in_total, row.patients) not in [(total["studies"], total["patients"]) for total in totals]:
            totals.append({"claim": row.claim, "patients": row.patients, "studies": in_total})
    return pd.DataFrame(totals)


def _options(arms: pd.DataFrame, with_counts: set[tuple[str, str]]) -> list[dict]:
    """Return the ways to count each study: all arms or one of them, patients who completed or patients enrolled."""
    options = []
    for study, rows in arms.groupby("study", sort=False):
        # The published totals cannot distinguish arms of equal size: use the one with an available count.
        order = sorted(range(len(rows)), key=lambda i: (study, rows.arm.iloc[i]) not in with_counts)
        subsets = [rows] + ([rows.iloc[[i]] for i in order] if len(rows) > 1 else [])
        seen = set()
        for subset, reading in product(subsets, ("completed", "enrolled")):
            n = subset[reading].sum()
            if (len(subset), n) in seen or subset[reading].isna().any():
                continue
            seen.add((len(subset), n))
            part = len(subset) < len(rows)
            options.append(
                {
                    "study": study,
                    "n": n,
                    "reading": ", ".join(["one arm"] * part + ["enrolled"] * (reading == "enrolled")),
                    "departures": part + (reading == "enrolled"),
                    "arms": [
                        {"study": study, "arm": arm.arm, "n": getattr(arm, reading), "reading": reading}
                        for arm in subset.itertuples()
                    ],
                }
            )
    return options


def _solve(cost: np.ndarray, constraints: Sequence[tuple], upper=1, lower=0) -> np.ndarray | None:
    """Minimise a cost over whole numbers between lower and upper; None if no numbers satisfy the constraints.

    Each constraint is a matrix with the smallest and the largest allowed product.
    """
    linear = [optimize.LinearConstraint(sparse.csr_array(matrix), least, most) for matrix, least, most in constraints]
    result = optimize.milp(
        cost, constraints=linear, integrality=np.ones(len(cost)), bounds=optimize.Bounds(lower, upper)
    )
    return None if result.x is None else np.round(result.x)


@dataclass(frozen=True)
class Members:
    """The studies behind the outcomes of one row of the review's Table 3, with their numbers of participants.

    Attributes
    ----------
    frame : DataFrame
        One row per study, as the review counts studies: study, label, review_ref, arms (a tuple of those that are
        counted; all arms for a body site, where it is not known which are), n, and least and largest (the range of n
        that the published totals allow).
    totals : DataFrame
        One row per published total of this row of Table 3: claim, patients, refs, reproduced.
    """

    regimen: str
    group: str
    frame: pd.DataFrame
    totals: pd.DataFrame


@of_one_regimen
@shared
def members(evidence: Evidence, regimen: str, group: str) -> Members:
    """Return the numbers of participants of the studies in one row of the review's Table 3.

    For the whole body they are those of `sizes`. Table 2 does not give the number of patients with a lesion at a body
    site, or in a study assessed by patch only. For these, they are whole numbers, none above the number enrolled, that
    add up to as many of the row's published totals as possible and are as near as possible to equal shares of those who
    completed.

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
    Members
    """
    whole = sizes(evidence, regimen)
    population, site = GROUPS[group]
    rates = evidence.published_rates
    rates = rates[(rates.regimen == regimen) & (rates.population == population) & (rates.site == site)]
    rates = rates[rates.refs != ""].drop_duplicates(["refs", "patients"])
    lists = [set(reference_numbers(refs)) for refs in rates.refs]
    arms = _arms(evidence, regimen)
    arms = arms[arms.review_ref.isin(set().union(*lists))]
    sized = arms.drop(columns=["enrolled", "completed"]).merge(whole.arms, on=["study", "arm"])
    together = sized.groupby("study", sort=False).agg(arms=("arm", tuple), n=("n", "sum"))
    frame = sized.drop(columns=["arm", "n"]).drop_duplicates("study").merge(together, on="study")
    frame = frame.sort_values(["year", "label"], kind="stable", ignore_index=True)
    frame["free"] = (site != "all") | ((group != "total") & (frame.assessment == "individual"))
    all_arms = arms.groupby("study").arm.agg(tuple)
    frame["arms"] = frame.arms.where(~frame.free, frame.study.map(all_arms))
    enrolled = arms.enrolled.fillna(arms.completed).groupby(arms.study).sum()
    most = np.where(frame.free, enrolled[frame.study], frame.n)
    least = np.where(frame.free, 1.0, frame.n)
    with_counts = known_counts(evidence, regimen, group).drop_duplicates(["study", "arm"])
    for at in np.flatnonzero(frame.free & frame.study.isin(with_counts.study)):
        least[at] = most[at] = with_counts.n[with_counts.study == frame.study[at]].sum()

    totals = rates[rates.patients.notna()].reset_index(drop=True)
    member = [[ref in set(reference_numbers(refs)) for ref in frame.review_ref] for refs in totals.refs]
    adds = np.array(member, dtype=float).reshape(len(totals), len(frame))
    published = totals.patients.to_numpy(float)
    if frame.free.any():
        n, reproduced = _nearest(adds, published, frame.n.to_numpy(float), least, most)
        constraints = [(adds[reproduced], published[reproduced], published[reproduced])]
        costs = [sign * unit for unit, sign in product(np.eye(len(frame)), (1.0, -1.0))]
        extremes = [_solve(cost, constraints, most, least) for cost in costs]
        ends = [np.nan if x is None else x[cost != 0].item() for x, cost in zip(extremes, costs, strict=True)]
        frame = frame.assign(n=n)
        least, most = np.array(ends[::2]), np.array(ends[1::2])
    else:
        reproduced = adds @ frame.n.to_numpy(float) == published
    frame = frame.assign(least=least, largest=most)
    columns = ["study", "label", "review_ref", "arms", "n", "least", "largest"]
    totals = totals[["claim", "patients", "refs"]].assign(reproduced=reproduced)
    return Members(regimen, group, frame[columns], totals)


def _nearest(adds, published, preferred, least, most) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers near equal shares of ``preferred``, and which totals they reproduce: as many as possible."""
    size, total = len(preferred), len(published)
    shared = preferred * min(1.0, float(np.median(published / (adds @ preferred)))) if total else preferred
    slack = float(most.sum() + published.sum())
    identity, none = np.eye(size), np.zeros((size, total))
    given_up = np.diag(np.full(total, slack))
    zeros = np.zeros((total, size))
    # Variables: the numbers, their distances from the shares, and the totals that are given up.
    solution = _solve(
        np.concatenate([np.zeros(size), np.ones(size), np.full(total, slack)]),
        [
            (np.hstack([adds, zeros, given_up]), published, np.inf),
            (np.hstack([adds, zeros, -given_up]), -np.inf, published),
            (np.hstack([identity, identity, none]), np.round(shared), np.inf),
            (np.hstack([identity, -identity, none]), -np.inf, np.round(shared)),
        ],
        np.concatenate([most, np.full(size, slack), np.ones(total)]),
        np.concatenate([least, np.zeros(size + total)]),
    )
    assert solution is not None, "every total can be given up"
    return solution[:size], solution[2 * size :] < 0.5


def known_counts(evidence: Evidence, regimen: str, group: str) -> pd.DataFrame:
    """Return the reported counts of the original studies in a group, one row per arm and threshold.

    Counts of arms that must not be pooled on their own (two arms in the same patients) are included: the review may
    have pooled them. Columns are those of `Evidence.reported_counts`; the threshold may be ``any``.
    """
    population, site = GROUPS[group]
    rows = evidence.reported_counts()
    rows = rows[(rows.role == regimen) & (rows.edition == "original") & (rows.site == site) & (rows.subtype == "")]
    # The review did not pool interim counts.
    rows = rows[rows.why_not != "interim"]
    return rows[rows.population == population] if population != "all" else rows
