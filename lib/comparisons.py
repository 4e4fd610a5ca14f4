"""Comparisons within trials: who responded in the treated arm, and in the arm it was compared with.

Knows which arms of the evidence answer a question of ``data/questions.csv``, and pools what trials found between
their own arms. No arm is ever held against an arm of another trial. Trials that made the comparison and whose counts
are not public are listed, never filled in.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lib.effects import two_groups
from lib.evidence import Evidence
from lib.heterogeneity import PoolingWarning
from lib.pooling import Pooled, pool, pool_ratios
from lib.validation import ASSESSMENT

MEASURES = ("RR", "OR", "RD")
TAU2 = "REML"
"""Estimator of the between-study variance of comparisons (Langan et al. 2019, doi:10.1002/jrsm.1316)."""
INTERVAL = "mkh"
"""Confidence interval of every comparison of two trials or more, chosen by simulation (`interval_coverage`): it covers
95% for any number of trials, and is never narrower than the normal interval because trials happen to agree."""
_SAME = [column for column in ASSESSMENT if column != "arm"] + ["threshold", "unit"]


@dataclass(frozen=True)
class Question:
    """A comparison that trials made.

    Attributes
    ----------
    key, label : str
        As in ``data/questions.csv``.
    pairs : DataFrame
        A row a trial and threshold with a public pair of counts: study, label, year, edition, treated and control
        (names of the arms), drug, events and n of the treated arm, control_events and control_n, unit, site, paired
        (whether both arms are the same patients), randomised, and confidence, basis, derivation and source of the
        treated arm's count and, as control_confidence and so on, of the other.
    made : DataFrame
        A row a trial and pair of arms, of every trial that made the comparison: study, label, year, treated, control,
        randomised.
    """

    key: str
    label: str
    pairs: pd.DataFrame = field(repr=False)
    made: pd.DataFrame = field(repr=False)

    def at(self, threshold: str) -> pd.DataFrame:
        """Return the pairs of one threshold."""
        return self.pairs[self.pairs.threshold == threshold].reset_index(drop=True)

    def without(self, threshold: str = "") -> pd.DataFrame:
        """Return the trials of ``made`` that have no public pair of counts at a threshold, or at none."""
        public = self.at(threshold) if threshold else self.pairs
        return self.made[~self.made.study.isin(public.study)].reset_index(drop=True)


def question(evidence: Evidence, key: str) -> Question:
    """Find the trials that answer a question.

    A pair is a treated arm and another arm of the same trial with the same phototherapy, which was given nothing but
    what the question names; occlusion of the treated arm alone is let pass. Their counts are of the same degree, site,
    age group, time and unit. Of a trial with several, the count over the whole body stands, of those the latest; of two
    treated arms in the same patients that which may be pooled; of parallel treated arms all, added up.

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
    studies = evidence.studies[["study", "part", "label", "year", "edition", "design", "randomised", "duration_months"]]
    made = made.merge(studies, on=["study", "part"]).sort_values(["year", "label"], kind="stable")

    # That a report gives "any repigmentation" alone is a reason not to pool it, and none not to show it.
    counts = evidence.responses
    counts = counts[((counts.poolable == "yes") | (counts.why_not == "any_alone")) & (counts.subtype == "")]
    counts = counts[[*ASSESSMENT, "threshold", "unit", *_OF_A_COUNT]]
    other = {name: f"control_{name}" for name in _OF_A_COUNT}
    pairs = made.merge(counts.rename(columns={"arm": "treated"}), on=["study", "treated"])
    pairs = pairs.merge(counts.rename(columns={"arm": "control", **other}), on=["study", "control", *_SAME])
    rows = [_one_row(rows) for _, rows in pairs.groupby(["study", "threshold"], sort=False)]
    pairs = pd.DataFrame(rows, columns=pairs.columns).assign(paired=lambda rows: rows.design == "WP")
    pairs = pairs.sort_values(["year", "label", "threshold"], kind="stable", ignore_index=True)
    shown = made[["study", "label", "year", "treated", "control", "randomised"]].reset_index(drop=True)
    return Question(key, asked.label, pairs, shown)


_OF_A_COUNT = ["n", "events", "basis", "confidence", "derivation", "source"]


def _one_row(rows: pd.DataFrame) -> pd.Series:
    """Return what one trial says at one threshold."""
    rows = rows.assign(whole=rows.site == "all").sort_values(["whole", "months"], ascending=False, kind="stable")
    first = rows.iloc[0].copy()
    alike = [*_SAME, "control"]
    same = rows[(rows[alike].fillna("") == first[alike].fillna("")).all(axis=1)]
    if first.design == "PD" and len(same) > 1:
        for name in ("events", "n"):
            first[name] = same[name].sum()
        for name in ("treated", "drug"):
            first[name] = " and ".join(dict.fromkeys(same[name]))
    return first.drop("whole")


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
        Risk ratio, odds ratio and risk difference (treated less control, as a proportion); of one trial its own. A
        trial without a response in either arm, or with nothing but responses in both, is ``dropped`` from the ratios;
        if there is no other, they are NaN and their k is 0.
    """

    rows: pd.DataFrame = field(repr=False)
    ratio: Pooled
    odds: Pooled
    difference: Pooled


def compare(rows: pd.DataFrame, *, tau2: str = TAU2, ci: str = INTERVAL) -> Compared | None:
    """Pool the comparisons of trials; None where there is no row.

    Parameters
    ----------
    rows : DataFrame
        A row a trial, as in `Question.pairs`.
    tau2, ci : str
        As in `pooling.pool_ratios`. One trial has its own normal interval of a ratio, and Newcombe's of the difference.

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

    with warnings.catch_warnings():
        # That no trial informs a ratio shows in its k.
        warnings.filterwarnings("ignore", "no study to pool", PoolingWarning)
        return Compared(rows, *(pool_ratios(*_counts(rows), measure=measure, tau2=tau2, ci=ci) for measure in MEASURES))


def assume_correlation(rows: pd.DataFrame, correlation: float) -> Pooled:
    """Pool the risk ratio of trials under an assumed correlation of the outcomes of the same patients.

    Only the margins of paired trials are available. The main analysis treats their arms as independent groups, which
    makes their variance too large where a patient's lesions respond alike; this shows how much depends on it.

    Parameters
    ----------
    rows : DataFrame
        A row a trial, as in `Question.pairs`.
    correlation : float
        Assumed for the trials whose arms are the same patients.

    Returns
    -------
    Pooled
        The risk ratio, with the interval of `compare`.
    """
    counts = _counts(rows)
    y, v = two_groups(*counts)
    v = np.where(rows.paired, two_groups(*counts, correlation=correlation)[1], v)
    pooled = pool(y, v, tau2=TAU2, ci=INTERVAL)
    return replace(pooled, **{name: float(np.exp(getattr(pooled, name))) for name in _RATIOS})


def _counts(rows: pd.DataFrame) -> list[np.ndarray]:
    return [rows[name].to_numpy(float) for name in ("events", "n", "control_events", "control_n")]


_RATIOS = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")
