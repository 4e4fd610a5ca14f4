"""Compare the treated arm of a trial with the control arm of the same trial, and pool such comparisons.

Here is decided which arms answer a question of ``data/questions.csv``. An arm is never compared with an arm of another
trial. Trials that made a comparison but have no available counts are listed; their counts are never filled in.
Sentences and tables are in `comparison_tables`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lib.evidence.edition import Evidence
from lib.evidence.vocabulary import ALL_THRESHOLDS, ASSESSMENT
from lib.stats import Pooled, PoolingWarning, pool, pool_ratios, two_groups

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
        One row for each trial and threshold at which both arms have an available count: study, label, year, edition;
        treated and control (names of the arms); drug and phototherapy of the treated arm; given and control_given
        (the topical drug of each arm with its concentration); events and n of the treated arm, control_events and
        control_n; unit, site, paired (whether both arms are the same patients), randomised; and confidence, basis,
        derivation and source of the treated arm's count and, as control_confidence and so on, of the other.
    made : DataFrame
        One row for each pair of arms of every trial that made the comparison: study, label, year, treated, control,
        randomised.
    """

    key: str
    label: str
    pairs: pd.DataFrame = field(repr=False)
    made: pd.DataFrame = field(repr=False)

    def at(self, threshold: str) -> pd.DataFrame:
        """Return the pairs of one threshold."""
        return self.pairs[self.pairs.threshold == threshold].reset_index(drop=True)

    def only_elsewhere(self, threshold: str) -> pd.DataFrame:
        """Return the pairs of trials without counts at a threshold, each at the highest threshold it has."""
        others = self.pairs[~self.pairs.study.isin(self.at(threshold).study)]
        highest = others.threshold.map(ALL_THRESHOLDS.index).groupby(others.study).transform("max")
        return others[others.threshold.map(ALL_THRESHOLDS.index) == highest].reset_index(drop=True)

    def without(self, threshold: str = "") -> pd.DataFrame:
        """Return the trials of ``made`` without available counts at a threshold; by default, at every threshold."""
        available = self.at(threshold) if threshold else self.pairs
        return self.made[~self.made.study.isin(available.study)].reset_index(drop=True)


def question(evidence: Evidence, key: str) -> Question:
    """Find the trials that answer a question.

    A pair is a treated arm and another arm of the same trial with the same phototherapy that was given nothing but
    what the question names; occlusion of the treated arm alone is allowed. Their counts have the same threshold, site,
    age group, time and unit. If a trial has several such counts, the one over the whole body is used, and of those the
    latest. Of two treated arms in the same patients, the poolable one is used; parallel treated arms are added up.

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
    kinds = evidence.drugs.set_index("drug").kind
    arms = arms.assign(kind=arms.drug.map(kinds), given=(arms.drug + " " + arms.concentration).str.strip())
    treated = arms[(arms.role == asked.role) & _is(arms, asked.treated)]
    control = arms[arms.role.isin(["comparator", asked.role]) & _is(arms, asked.against) & (arms.given_with == "")]
    columns = ["study", "part", "phototherapy"]
    control = control[[*columns, "arm", "given"]].rename(columns={"arm": "control", "given": "control_given"})
    made = treated.rename(columns={"arm": "treated"}).merge(control, on=columns)
    studies = evidence.studies[["study", "part", "label", "year", "edition", "design", "randomised", "duration_months"]]
    made = made.merge(studies, on=["study", "part"]).sort_values(["year", "label"], kind="stable")

    # A trial that reports "any repigmentation" alone is not pooled with others, but it is shown.
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
    """Return the pair of one trial at one threshold, from all of its pairs."""
    rows = rows.assign(whole=rows.site == "all").sort_values(["whole", "months"], ascending=False, kind="stable")
    first = rows.iloc[0].copy()
    alike = [*_SAME, "control"]
    same = rows[(rows[alike].fillna("") == first[alike].fillna("")).all(axis=1)]
    if first.design == "PD" and len(same) > 1:
        for name in ("events", "n"):
            first[name] = same[name].sum()
        for name in ("treated", "drug", "given"):
            first[name] = " and ".join(dict.fromkeys(same[name]))
    return first.drop("whole")


def _is(arms: pd.DataFrame, names: str) -> pd.Series:
    """Return for each arm whether its drug, or the kind of its drug, is among the names."""
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
