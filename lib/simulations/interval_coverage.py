"""Simulate the coverage of confidence intervals of pooled comparisons, by each rule for the interval.

Belongs here: the simulation behind the choice of the interval in `lib.evidence.comparisons`.
Does not belong here: intervals of pooled proportions (`coverage`).
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from scipy import special

from lib.stats import PoolingWarning, pool, two_groups
from lib.stats.pooling import CI

ARMS = ((14, 14), (15, 10), (23, 20), (23, 23), (30, 30), (31, 32), (70, 70))
"""Sizes of the two arms of trials; each simulated trial has one of these pairs, chosen at random."""
TRIALS = (2, 3, 4, 5, 6, 8, 10, 12)
TAUS = (0.0, 0.15, 0.3, 0.5)
"""Standard deviations of the trials' true log risk ratios."""
RISKS = ((0.1, 1.0), (0.1, 2.0), (0.3, 1.0), (0.3, 2.0), (0.5, 1.0))
"""Geometric mean of the risks of both arms, and the true risk ratio."""
SETS = 4000
CASES = tuple({"trials": trials, "tau": tau} for trials in TRIALS for tau in TAUS)
INTERVALS = ("normal", "hksj", "wider", "mkh", "mkh on k - 1")
"""Intervals that are compared: those of `pooling.CI`; the wider of "normal" and "hksj"; and "mkh" with Student's t on
k - 1 degrees of freedom for two trials too."""


def simulate(case: dict, seed: int) -> list[dict]:
    """Simulate sets of trials and pool the log risk ratios of each by every rule.

    Parameters
    ----------
    case : dict
        One of `CASES`: number of trials and standard deviation of their true log risk ratios.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    list of dict
        A row for each rule and entry of `RISKS`: the settings; covers (share of the intervals that contain the true log
        risk ratio), width (median width on the scale of the log risk ratio), alike (share of the sets whose trials
        differ less than expected from sampling error alone, so that the factor of Hartung and Knapp is below 1), and
        covers_alike (coverage in those sets). Sets in which no trial carries information are left out.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for risk, ratio in RISKS:
        effect = math.log(ratio)
        events1, n1, events2, n2 = _trials(rng, case["trials"], case["tau"], risk, effect)
        half, alike, error = _half_widths(events1, n1, events2, n2, effect)
        for rule in INTERVALS:
            covered = error <= half[rule]
            rows.append(
                {
                    **case,
                    "risk": risk,
                    "ratio": ratio,
                    "rule": rule,
                    "covers": float(covered.mean()),
                    "width": float(2 * np.median(half[rule])),
                    "alike": float(alike.mean()),
                    "covers_alike": float(covered[alike].mean()),
                }
            )
    return rows


def _trials(rng: np.random.Generator, trials: int, tau: float, risk: float, effect: float) -> tuple[np.ndarray, ...]:
    """Return events and numbers of both arms, shape (trials, SETS)."""
    sizes = np.array(ARMS)[rng.integers(0, len(ARMS), (trials, SETS))]
    # Divide the effect of a trial equally between its arms, and let no risk exceed 99%.
    most = -2 * math.log(risk / 0.99)
    half = np.clip(effect + tau * rng.standard_normal((trials, SETS)), -most, most) / 2
    arms = [
        (rng.binomial(sizes[..., arm], risk * np.exp(sign * half)), sizes[..., arm]) for arm, sign in ((0, 1), (1, -1))
    ]
    return arms[0] + arms[1]


def _half_widths(events1, n1, events2, n2, effect: float) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return half the width of each rule's interval, whether the trials are alike, and the error of the estimate."""
    y, v = two_groups(events1, n1, events2, n2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoolingWarning)
        results = {ci: pool(y, v, tau2="REML", ci=ci) for ci in CI}
    normal, hksj, mkh = (results[ci] for ci in ("normal", "hksj", "mkh"))
    half = {ci: np.asarray(result.ci_high) - result.estimate for ci, result in results.items()}
    half["wider"] = np.maximum(half["normal"], half["hksj"])
    one_df = special.stdtrit(1, 0.975) * mkh.se
    half["mkh on k - 1"] = np.where(mkh.k == 2, one_df, half["mkh"])
    informative = np.asarray(normal.k) > 0
    alike = (np.asarray(normal.k) > 1) & (np.asarray(hksj.se) < normal.se)
    half = {rule: values[informative] for rule, values in half.items()}
    return half, alike[informative], np.abs(np.asarray(normal.estimate) - effect)[informative]
