"""Write the effects of comparisons within trials for sentences and table cells.

Belongs here: names of the treatments compared, and risk ratio, absolute effect and number needed to treat in words.
Does not belong here: the pooling (`lib.evidence.comparisons`), and findings worded by certainty
(`comparison_findings`).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lib.evidence import PHOTOTHERAPY_NAMES, Comparison, compare
from lib.report.wording import NOTHING, Stated, count, percent, ratio_number, ratio_text, sentence_case
from lib.stats import Pooled, PoolingWarning, pool_ratios

PAIR = ("events", "n", "control_events", "control_n")
"""Columns of a comparison: responders and number of the treated arm and of the arm it is compared with."""


def own_ratios(trials: pd.DataFrame) -> Pooled:
    """Return the risk ratio of each single trial, NaN for a trial that carries no information on it.

    Parameters
    ----------
    trials : DataFrame
        One row for each trial, as in `evidence.Question.pairs`.

    Returns
    -------
    Pooled
        Results of shape (number of trials,).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no study to pool", PoolingWarning)
        return pool_ratios(*(trials[[name]].to_numpy(float).T for name in PAIR))


def ratio(pooled: Pooled) -> str:
    """Return a risk ratio with its interval for a sentence: ``1.90 (95% CI 1.37 to 2.62)``."""
    return f"{ratio_number(pooled.estimate)} (95% CI {_between(pooled.ci_low, pooled.ci_high)})"


def treatments(rows: pd.DataFrame) -> tuple[str, str]:
    """Name the two treatments of a comparison as given in the trials.

    Parameters
    ----------
    rows : DataFrame
        One row for each trial, as in `evidence.Question.pairs`.

    Returns
    -------
    tuple of str
        Treated and control arm: ``("tacrolimus 0.03%", "hydrocortisone acetate 1%")``.
    """
    treated, controls = (list(dict.fromkeys(rows[name])) for name in ("given", "control_given"))
    given = " or ".join(treated)
    kinds = list(dict.fromkeys(rows.phototherapy))
    if kinds == ["none"]:
        return given, " or ".join("no treatment" if name == "none" else name for name in controls)
    light = PHOTOTHERAPY_NAMES.get(kinds[0], kinds[0]) if len(kinds) == 1 else "phototherapy"
    additions = ["alone"] * ("none" in controls) + [f"with {name}" for name in controls if name != "none"]
    return f"{given} plus {light}", f"{light} {' or '.join(additions)}"


def label(rows: pd.DataFrame) -> str:
    """Return the label of a comparison: ``Tacrolimus 0.03% versus hydrocortisone acetate 1%``."""
    treated, control = treatments(rows)
    return f"{sentence_case(treated)} versus {control}"


def per_100(estimate: float, low: float, high: float) -> str:
    """Return a difference of proportions as a number of patients per 100.

    Examples
    --------
    >>> per_100(0.3, 0.15, 0.45)
    '30 more (15 to 45 more)'
    >>> per_100(-0.05, -0.2, 0.1)
    '5 fewer (20 fewer to 10 more)'
    """
    estimate, low, high = (round(100 * value) for value in (estimate, low, high))

    def side(value: float) -> str:
        return "more" if value > 0 else "fewer" if value < 0 else ""

    difference = f"{abs(estimate)} {side(estimate)}".strip()
    if low >= 0 or high <= 0:
        ends = sorted((abs(low), abs(high)))
        return f"{difference} ({ends[0]} to {ends[1]} {side(low or high)}".rstrip() + ")"
    return f"{difference} ({abs(low)} fewer to {high} more)"


@dataclass(frozen=True)
class Absolute:
    """The absolute effect of a comparison, as proportions within 0 and 1.

    Attributes
    ----------
    without : float
        Baseline risk: the share of responders in all control arms together.
    estimate, ci_low, ci_high : float
        Share of responders with the treatment, and its 95% confidence interval.
    from_ratio : bool
        Whether these are the baseline risk times the risk ratio. If the baseline risk is 0, they are the baseline risk
        plus the trials' risk difference.
    """

    without: float
    estimate: float
    ci_low: float
    ci_high: float
    from_ratio: bool

    @property
    def difference(self) -> tuple[float, float, float]:
        """Responders with the treatment less those without: estimate and 95% confidence interval."""
        return self.estimate - self.without, self.ci_low - self.without, self.ci_high - self.without


def absolute(compared: Comparison) -> Absolute:
    """Apply the relative effect of a comparison to the risk in its control arms (Guyatt et al. 2013).

    The summary of findings has one effect in each row, the risk ratio, and its absolute effect follows from it
    (doi:10.1016/j.jclinepi.2012.01.012).
    """
    rows = compared.rows
    without = float(rows.control_events.sum() / rows.control_n.sum())
    from_ratio = without > 0 and math.isfinite(compared.risk_ratio.estimate)
    if from_ratio:
        values = [without * value for value in estimate_with_interval(compared.risk_ratio)]
    else:
        values = [without + value for value in estimate_with_interval(compared.risk_difference)]
    estimate, low, high = (min(max(value, 0.0), 1.0) for value in values)
    return Absolute(without, estimate, low, high, from_ratio)


def risk_difference(compared: Comparison) -> str:
    """Return the trials' risk difference per 100 patients, limited to values possible with the baseline risk."""
    without = float(compared.rows.control_events.sum() / compared.rows.control_n.sum())
    return per_100(
        *(min(max(value, -without), 1 - without) for value in estimate_with_interval(compared.risk_difference))
    )


def number_needed(compared: Comparison) -> str:
    """Return the number of patients, or patches, to be treated for one more to respond (Cook & Sackett 1995).

    It is the reciprocal of the risk difference, rounded up as is usual (doi:10.1136/bmj.310.6977.452), with its
    interval. If the interval of the difference or of the ratio includes no effect, the number has no finite interval,
    and a dash is returned.
    """
    estimate, low, high = estimate_with_interval(compared.risk_difference)
    if not (low > 0 and compared.risk_ratio.ci_low > 1):
        return NOTHING
    # Round to a few decimals first: the computed reciprocal of 1/10 may be slightly above 10.
    needed, least, most = (math.ceil(round(1 / value, 6)) for value in (estimate, high, low))
    return f"{needed} ({least} to {most})"


def estimate_with_interval(pooled: Pooled) -> tuple[float, float, float]:
    """Return the estimate of one analysis and the ends of its 95% confidence interval."""
    return pooled.estimate, pooled.ci_low, pooled.ci_high


def _between(low: float, high: float) -> str:
    return f"{ratio_number(low)} to {ratio_number(high)}"


def compare_some(rows: pd.DataFrame, **options: Any) -> Comparison:
    """Compare the arms of one or more trials, as `evidence.compare` does; there must be at least one.

    Raises
    ------
    ValueError
        If there is no trial.
    """
    compared = compare(rows, **options)
    if compared is None:
        raise ValueError("there is no trial to compare: check for an empty table first")
    return compared


def informative(compared: Comparison) -> pd.DataFrame:
    """Return the trials that inform the ratio: all except those without responders, or with only responders."""
    return compared.rows[~compared.risk_ratio.dropped]


def ratio_cell(pooled: Pooled, key: str = "") -> str:
    """Return a ratio for a cell of a table, with its key if it is registered; a dash if there is none."""
    if not math.isfinite(pooled.estimate):
        return NOTHING
    text = ratio_text(*estimate_with_interval(pooled))
    return Stated(text, key) if key else text


def includes_no_effect(pooled: Pooled) -> bool:
    """Return whether the interval of a ratio includes 1."""
    return not (pooled.ci_low > 1 or pooled.ci_high < 1)


def prediction(pooled: Pooled) -> str:
    """State the range of the true ratio of another trial, or that there are too few trials to estimate it."""
    if not pooled.predicts:
        return f"{count(pooled.k, 'trial')} cannot show how far the true ratio of another trial may lie from this one"
    return f"another trial's true ratio may lie from {_between(pooled.pi_low, pooled.pi_high)}"


def trials_and_patients(rows: pd.DataFrame) -> str:
    """Return the numbers of trials and of patients or patches: ``2 trials, 60 patients``."""
    # Patients who had both treatments count once; patches count in each arm, because they differ.
    same = rows.paired & (rows.unit == "patients")
    number = (rows.n + rows.control_n).where(~same, rows[["n", "control_n"]].max(axis=1)).sum()
    return f"{count(len(rows), 'trial')}, {number:g} {' or '.join(dict.fromkeys(rows.unit))}"


def per_100_with(effect: Absolute) -> str:
    """Return the responders per 100 with the treatment: ``45 (30 to 60)``."""
    estimate, low, high = (percent(value, 0, "") for value in (effect.estimate, effect.ci_low, effect.ci_high))
    return f"{estimate} ({low} to {high})"


def responders(rows: pd.DataFrame) -> str:
    """Return the responders of both arms: ``12/40 v 5/41``."""
    return " v ".join(f"{rows[events].sum():g}/{rows[n].sum():g}" for events, n in (PAIR[:2], PAIR[2:]))
