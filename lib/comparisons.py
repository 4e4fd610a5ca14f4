"""Comparisons within trials: who responded in the treated arm, and in the arm it was compared with.

Knows which arms of the evidence answer a question of ``data/questions.csv``, and pools what trials found between
their own arms. No arm is ever held against an arm of another trial. Trials that made the comparison and whose counts
are not public are listed, never filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lib.effects import two_groups
from lib.evidence import Evidence
from lib.pooling import Pooled, pool, pool_ratios
from lib.validation import ASSESSMENT

MEASURES = {"RR": "Risk ratio", "OR": "Odds ratio", "RD": "Difference"}
TAU2 = "REML"
"""Estimator of the between-study variance of comparisons (Langan et al. 2019, doi:10.1002/jrsm.1316)."""
_SAME = [column for column in ASSESSMENT if column != "arm"] + ["threshold", "unit"]


@dataclass(frozen=True)
class Question:
    """A comparison that trials made.

    Attributes
    ----------
    key, label : str
        As in ``data/questions.csv``.
    pairs : DataFrame
        A row a trial, threshold and pair of arms with public counts: study, label, year, edition, treated and
        control (names of the arms), drug, events and n of the treated arm, control_events and control_n, unit,
        site, paired (whether both arms are the same patients), randomised, confidence, basis, derivation, source.
    without : DataFrame
        A row a trial that made the comparison and has no public pair of counts: study, label, year, treated, control.
    """

    key: str
    label: str
    pairs: pd.DataFrame = field(repr=False)
    without: pd.DataFrame = field(repr=False)

    def at(self, threshold: str) -> pd.DataFrame:
        """Return the pairs of one threshold."""
        return self.pairs[self.pairs.threshold == threshold].reset_index(drop=True)


def question(evidence: Evidence, key: str) -> Question:
    """Find the trials that answer a question.

    A pair is a treated arm and another arm of the same trial with the same phototherapy, which was given nothing but
    what the question names. Their counts are of the same degree, site, age group, time and unit. Of two treated arms
    in the same patients the one counts that may be pooled.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    key : str
        A key of ``evidence.questions``.

    Returns
    -------
    Question

    Raises
    ------
    KeyError
        If there is no such question.
    """
    asked = evidence.questions.set_index("question").loc[key]
    arms = evidence.arms
    arms = arms[evidence.is_included(arms.study)]
    arms = arms.assign(kind=arms.drug.map(evidence.drugs.set_index("drug").kind))
    treated = arms[(arms.role == asked.role) & _is(arms, asked.treated)]
    control = arms[arms.role.isin(["comparator", asked.role]) & _is(arms, asked.against) & (arms.given_with == "")]
    columns = ["study", "part", "phototherapy"]
    made = treated.merge(control[[*columns, "arm"]], on=columns, suffixes=("", "_control"))
    made = made.rename(columns={"arm": "treated", "arm_control": "control"})

    counts = evidence.responses[[*ASSESSMENT, *_ONE_COUNT]]
    pairs = made[["study", "part", "treated", "control", "drug", "concentration"]]
    pairs = pairs.merge(counts.rename(columns={"arm": "treated"}), on=["study", "treated"])
    other = counts.rename(columns={"arm": "control", "events": "control_events", "n": "control_n"})
    pairs = pairs.merge(other.drop(columns=_OF_THE_FIRST), on=["study", "control", *_SAME])
    # That a report gives "any repigmentation" alone is a reason not to pool it, and none not to show it.
    pairs = pairs[((pairs.poolable == "yes") | (pairs.threshold == "any")) & (pairs.subtype == "")]
    pairs = pairs.sort_values(["poolable", "months"], ascending=False, kind="stable")
    pairs = pairs.drop_duplicates(["study", "threshold", "site", "drug"])
    studies = evidence.studies[["study", "part", "label", "year", "edition", "design", "randomised", "duration_months"]]
    pairs = pairs.merge(studies, on=["study", "part"]).assign(paired=lambda rows: rows.design == "WP")
    pairs = pairs.sort_values(["year", "label", "threshold"], kind="stable", ignore_index=True)
    without = made[~made.study.isin(pairs.study)].merge(studies, on=["study", "part"])
    without = without.sort_values(["year", "label"], kind="stable", ignore_index=True)
    return Question(key, asked.label, pairs, without[["study", "label", "year", "treated", "control", "randomised"]])


_ONE_COUNT = ["threshold", "unit", "n", "events", "basis", "confidence", "poolable", "derivation", "source"]
_OF_THE_FIRST = ["basis", "confidence", "poolable", "derivation", "source"]


def _is(arms: pd.DataFrame, names: str) -> pd.Series:
    """Whether the drug of an arm, or its kind, is among names."""
    wanted = [name.strip() for name in names.split(";")]
    return arms.drug.isin(wanted) | arms.kind.isin(wanted)


# --- Pooled -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """What trials found between their arms.

    Attributes
    ----------
    rows : DataFrame
        The pairs, as in `Question.pairs`.
    ratio, odds, difference : Pooled
        Risk ratio, odds ratio and risk difference (treated less control, as a proportion); of one trial its own.
    """

    rows: pd.DataFrame = field(repr=False)
    ratio: Pooled
    odds: Pooled
    difference: Pooled


def compare(rows: pd.DataFrame, **options: str) -> Compared | None:
    """Pool the comparisons of trials; None where there is no row.

    Parameters
    ----------
    rows : DataFrame
        A row a trial, as in `Question.pairs`.
    **options
        ``tau2`` and ``ci`` as in `pooling.pool_ratios`; by default `TAU2` and the normal interval.

    Returns
    -------
    Compared or None

    Raises
    ------
    ValueError
        If a trial has two rows: its patients would count twice.
    """
    if rows.empty:
        return None
    if rows.study.duplicated().any():
        raise ValueError(f"{rows.study[rows.study.duplicated()].iloc[0]} has two rows, and would count twice")
    counts = _counts(rows)
    return Compared(rows, *(pool_ratios(*counts, measure=m, **{"tau2": TAU2, **options}) for m in MEASURES))


def assume_correlation(rows: pd.DataFrame, correlation: float) -> Pooled:
    """Pool the risk ratio of trials, taking the outcomes of the same patients to correlate.

    Only the margins of paired trials are public. The main analysis takes their arms for independent groups, which
    makes their variance too large where a patient's lesions do alike; this says how much hangs on it.

    Parameters
    ----------
    rows : DataFrame
        A row a trial, as in `Question.pairs`.
    correlation : float
        Assumed for the trials whose arms are the same patients.

    Returns
    -------
    Pooled
        The risk ratio.
    """
    counts = _counts(rows)
    y, v = two_groups(*counts)
    v = np.where(rows.paired, two_groups(*counts, correlation=correlation)[1], v)
    pooled = pool(y, v, tau2=TAU2)
    return replace(pooled, **{name: float(np.exp(getattr(pooled, name))) for name in _RATIOS})


def _counts(rows: pd.DataFrame) -> list[np.ndarray]:
    return [rows[name].to_numpy(float) for name in ("events", "n", "control_events", "control_n")]


_RATIOS = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")
