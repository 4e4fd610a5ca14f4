"""Simulate the rules by which a published rate can be combined with new counts; `lib.stats.combine` uses one of them.

Belongs here: reviews that are simulated with all their counts, published with one decimal, and updated with new studies
by each candidate rule. Each rule is compared with pooling all counts by the review's method, which is not possible
where counts are not available. A second part counts false alarms when a rate is updated repeatedly.
Does not belong here: the rule that was chosen (`lib.stats.updating`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from lib.published.count_model import Z95
from lib.stats import pool, updating

_REVIEWS = 400
_UPDATES = 10
_MOVED = 0.05
"""Smallest change of the estimate that is an alarm: the margin of 5 percentage points, as in
``data/change_criteria.csv``."""
_RATES = (0.02, 0.1, 0.2, 0.4, 0.6, 0.9)
_SPREADS = (0.0, 0.1, 0.2, 0.3)


def _cases() -> Iterator[dict[str, Any]]:
    for k, rate, sd in itertools.product((3, 6, 19, 40), _RATES, _SPREADS):
        # The standard deviation of rates from 0 to 1 with mean p is at most sqrt(p (1 - p)): leave out cases near it.
        if sd > 0.75 * np.sqrt(rate * (1 - rate)):
            continue
        for k_new, shift in itertools.product((1, 3), (-0.35, -0.2, 0.0, 0.2, 0.35)):
            shifted = rate + shift
            if 0.01 < shifted < 0.99 and sd <= 0.9 * np.sqrt(shifted * (1 - shifted)):
                yield {"part": "rules", "k": k, "rate": rate, "sd": sd, "k_new": k_new, "shift": shift}
    for k, rate, sd in itertools.product((6, 19), (0.2, 0.4), (0.0, 0.1, 0.2)):
        yield {"part": "repeated", "k": k, "rate": rate, "sd": sd, "k_new": _UPDATES, "shift": 0.0}


CASES = tuple(_cases())
"""``part``: "rules" or "repeated"; ``k`` published studies with mean rate ``rate`` and between-study standard deviation
``sd`` (beta distributed), ``k_new`` new studies whose mean rate is ``shift`` higher."""


def simulate(case: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Simulate the reviews of one case.

    Parameters
    ----------
    case : dict
        One of `CASES`.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    list of dict
        For "rules", one row per rule: its coverage of the mean true rate of all studies; bias; root mean squared error;
        median width of the interval; 95% quantile of the distance of its estimate from that of pooling all counts, in
        reviews without a study at 0% or 100%; share of reviews in which the rule narrows the published interval while
        pooling all counts widens it at all (``narrows``) or by more than 5% (``narrows_clearly``); number of reviews,
        all of which have a rate with an interval; and share of studies at 0% or 100%.
        For "repeated": the shares of reviews with an alarm up to the first, fifth and tenth update.
    """
    rng = np.random.default_rng(seed)
    reviews = list(filter(None, (_review(case, rng) for _ in range(_REVIEWS))))
    return _alarms(case, reviews) if case["part"] == "repeated" else _compare(case, reviews)


def _review(case: dict[str, Any], rng: np.random.Generator) -> tuple | None:
    """Return the published rate, its standard error, old and new counts; None for a rate without an interval."""
    sizes, new_sizes = (
        np.clip(np.round(rng.lognormal(middle, 0.6, k)), least, most)
        for middle, k, least, most in ((3.2, case["k"], 8, 150), (3.5, case["k_new"], 10, 200))
    )
    old, new = (
        rng.binomial(n.astype(int), _rates(rng, mean, case["sd"], len(n))).astype(float)
        for n, mean in ((sizes, case["rate"]), (new_sizes, case["rate"] + case["shift"]))
    )
    estimate, se, _ = _review_method(old, sizes)
    if not se > 0:
        return None
    numbers = np.round(np.clip([estimate, estimate - Z95 * se, estimate + Z95 * se], 0, 1), 3)
    estimate = numbers[0]
    # Derive the standard error from a limit of the interval that is not cut at 0% or 100%.
    reach = (numbers[2] - numbers[1]) / 2
    if numbers[1] == 0 or numbers[2] == 1:
        reach = max(numbers[2] - estimate, estimate - numbers[1])
    return (estimate, reach / Z95, old, sizes, new, new_sizes) if 0 < estimate < 1 and reach > 0 else None


def _rates(rng: np.random.Generator, mean: float, sd: float, k: int) -> np.ndarray:
    if sd == 0:
        return np.full(k, mean)
    size = mean * (1 - mean) / sd**2 - 1
    return rng.beta(mean * size, (1 - mean) * size, k)


def _review_method(events: np.ndarray, n: np.ndarray) -> tuple[float, float, float]:
    """Return estimate, standard error and tau² by the review's method; NaN if no study has a weight."""
    inside = (events > 0) & (events < n)
    if not inside.any():
        return np.nan, np.nan, np.nan
    p = events[inside] / n[inside]
    pooled = pool(p, p * (1 - p) / n[inside])
    return pooled.estimate, pooled.se, pooled.tau2


def _all_counts(estimate, se, old, sizes, new, new_sizes) -> tuple[float, float]:
    return _review_method(np.concatenate([old, new]), np.concatenate([sizes, new_sizes]))[:2]


def _chosen(estimate, se, old, sizes, new, new_sizes) -> tuple[float, float]:
    combined = updating.combine(estimate, se, sizes, new, new_sizes)
    return combined.estimate, combined.se


def _published_weights(estimate, se, old, sizes, new, new_sizes) -> tuple[float, float]:
    tau2 = float(np.nan_to_num(updating.implied_tau2(estimate, se, sizes)))
    combined = updating.combine(estimate, se, sizes, new, new_sizes, for_weights=tau2)
    return combined.estimate, combined.se


def _new_weights(estimate, se, old, sizes, new, new_sizes) -> tuple[float, float]:
    tau2 = updating.combine(estimate, se, sizes, new, new_sizes).tau2
    combined = updating.combine(estimate, se, sizes, new, new_sizes, for_weights=tau2)
    return combined.estimate, combined.se


def _raw_scale(estimate, se, old, sizes, new, new_sizes) -> tuple[float, float]:
    """Combine on the raw scale without studies at 0% or 100%; with one new study, use the published tau²."""
    inside = (new > 0) & (new < new_sizes)
    p = new[inside] / new_sizes[inside]
    v, v_old = p * (1 - p) / new_sizes[inside], estimate * (1 - estimate) / sizes
    tau2 = float(np.nan_to_num(updating.implied_tau2(estimate, se, sizes)))
    if inside.sum() > 1:
        k, y = len(sizes) + len(p), np.concatenate([np.full(len(sizes), estimate), p])
        a = 1 / np.concatenate([v_old, v])
        old_scatter = tau2 * ((1 / v_old).sum() - (1 / v_old**2).sum() / (1 / v_old).sum()) + len(sizes) - 1
        q = old_scatter + (a * (y - (a * y).sum() / a.sum()) ** 2).sum()
        tau2 = max((q - (k - 1)) / (a.sum() - (a**2).sum() / a.sum()), 0.0)
    weight = np.concatenate([[(1 / (v_old + tau2)).sum()], 1 / (v + tau2)])
    return float((weight * np.concatenate([[estimate], p])).sum() / weight.sum()), float(weight.sum() ** -0.5)


COMBINATIONS = {
    "all counts, the review's method": _all_counts,
    "chosen": _chosen,
    "weights of the published variance": _published_weights,
    "weights of the combined variance": _new_weights,
    "raw scale, one new study without a say": _raw_scale,
}
"""The rules that are compared. The first is a benchmark: it needs counts that were not published."""


def _compare(case: dict[str, Any], reviews: list[tuple]) -> list[dict[str, Any]]:
    k, k_new = case["k"], case["k_new"]
    truth = case["rate"] + case["shift"] * k_new / (k + k_new)
    published = np.array([review[1] for review in reviews])
    edge = [np.concatenate([(x == 0) | (x == n) for x, n in (review[2:4], review[4:])]) for review in reviews]
    inside = np.array([not any(at) for at in edge], dtype=bool)
    rows, full = [], None
    for name, rule in COMBINATIONS.items():
        estimate, se = np.array([rule(*review) for review in reviews]).reshape(-1, 2).T
        full = (estimate, se) if full is None else full
        distance = np.abs(estimate - full[0])[inside]
        rows.append(
            {
                **case,
                "rule": name,
                "covers": np.mean(np.abs(estimate - truth) <= Z95 * se),
                "bias": np.mean(estimate) - truth,
                "rmse": np.sqrt(np.mean((estimate - truth) ** 2)),
                "width": np.median(2 * Z95 * se),
                "distance": np.quantile(distance, 0.95) if len(distance) >= 20 else np.nan,
                "narrows": np.mean((full[1] > published) & (se < published)),
                "narrows_clearly": np.mean((full[1] > 1.05 * published) & (se < published)),
                "reviews": len(reviews),
                "at_edge": np.mean(np.concatenate(edge)),
            }
        )
    return rows


def _alarms(case: dict[str, Any], reviews: list[tuple]) -> list[dict[str, Any]]:
    moved, outside = np.zeros((2, len(reviews), _UPDATES), dtype=bool)
    for i, (estimate, se, _, sizes, new, new_sizes) in enumerate(reviews):
        for update in range(_UPDATES):
            combined = updating.combine(estimate, se, sizes, new[: update + 1], new_sizes[: update + 1])
            moved[i, update] = abs(combined.estimate - estimate) > _MOVED
            outside[i, update] = abs(combined.estimate - estimate) > Z95 * combined.se
    return [
        {**case, "k_new": k_new, "rule": name, "alarms": np.mean(alarm[:, :k_new].any(axis=1)), "reviews": len(reviews)}
        for name, alarm in (("moved", moved), ("outside", outside))
        for k_new in (1, 5, _UPDATES)
    ]
