"""Write the effects of comparisons within trials as text for sentences and table cells.

Belongs here: names of the treatments compared, and risk ratio, absolute effect and number needed to treat in words.
Does not belong here: their computation (`lib.evidence.comparisons`, `lib.report.absolute_effects`), and findings worded
by certainty (`comparison_findings`).
"""

from __future__ import annotations

import warnings

import pandas as pd

from lib.evidence import PHOTOTHERAPY_NAMES, Comparison
from lib.report.absolute_effects import Absolute, estimate_with_interval, needed_to_treat, possible_difference
from lib.report.marked_text import Phrase, Stated
from lib.report.wording import NOTHING, count, percent, ratio_number, ratio_text, sentence_case
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
    treated_arms, control_arms = (list(dict.fromkeys(rows[name])) for name in ("given", "control_given"))
    treatment = " or ".join(treated_arms)
    phototherapies = list(dict.fromkeys(rows.phototherapy))
    if phototherapies == ["none"]:
        return treatment, " or ".join("no treatment" if name == "none" else name for name in control_arms)
    light = PHOTOTHERAPY_NAMES.get(phototherapies[0], phototherapies[0]) if len(phototherapies) == 1 else "phototherapy"
    additions = ["alone"] * ("none" in control_arms) + [f"with {name}" for name in control_arms if name != "none"]
    return f"{treatment} plus {light}", f"{light} {' or '.join(additions)}"


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


def risk_difference(compared: Comparison) -> str:
    """Return the trials' risk difference per 100 patients, limited to values possible with the baseline risk."""
    return per_100(*possible_difference(compared))


def number_needed(compared: Comparison) -> str:
    """Return the number needed to treat with its interval, ``5 (3 to 12)``; a dash if it has no finite interval."""
    needed = needed_to_treat(compared)
    return "{} ({} to {})".format(*needed) if needed else NOTHING


def informative(compared: Comparison) -> pd.DataFrame:
    """Return the trials that carry information on the ratio: all but those in which nobody or everybody responded."""
    return compared.rows[~compared.risk_ratio.dropped]


def ratio_cell(pooled: Pooled, key: str) -> str:
    """Return a ratio for a cell of a table, with its key; a dash if there is none."""
    return with_key(ratio_text(*estimate_with_interval(pooled)), key)


def with_key(text: str, key: str) -> str:
    """Return the text of a result with its key; a dash stays a dash."""
    return text if text == NOTHING else Stated(text, key)


def includes_no_effect(pooled: Pooled) -> bool:
    """Return whether the interval of a ratio includes 1."""
    return not (pooled.ci_low > 1 or pooled.ci_high < 1)


def prediction(pooled: Pooled, key: str) -> str:
    """State the range of the true ratio of another trial, or that there are too few trials to estimate it.

    The range carries the key of the ratio (`marked_text.Phrase`).
    """
    if not pooled.predicts:
        return f"{count(pooled.k, 'trial is', 'trials are')} too few for a prediction interval"
    interval = f"{ratio_number(pooled.pi_low)} to {ratio_number(pooled.pi_high)}"
    return Phrase("the true ratio in another trial may lie from ", Stated(interval, key, "prediction"))


def trials_and_patients(rows: pd.DataFrame) -> str:
    """Return the numbers of trials and of patients or patches: ``2 trials, 60 patients``."""
    # Count patients who received both treatments once. Patches of the two arms are different ones, and all are counted.
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
