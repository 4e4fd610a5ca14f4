"""Compare the treated arm of a trial with the control arm of the same trial, and pool such comparisons.

Belongs here: which arms answer a question of ``data/questions.csv``, and the pooling of their counts. Arms of different
trials are never compared. Trials that made a comparison but have no available counts are listed; their counts are never
imputed. Does not belong here: the sentences, tables and figures of comparisons (`lib.report`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lib.caching.shared_results import shared
from lib.evidence.edition import Evidence
from lib.evidence.vocabulary import ALL_THRESHOLDS, ASSESSMENT
from lib.stats import LeftOutWarning, Pooled, PoolingWarning, pool, pool_ratios, two_groups
from lib.stats.checks import unknown

TAU2 = "REML"
"""Estimator of the between-study variance of comparisons (Langan et al. 2019, doi:10.1002/jrsm.1316)."""
INTERVAL = "mkh"
"""Method of the confidence interval of every comparison of two trials or more, chosen by simulation
(`lib.simulations.interval_coverage`): its coverage is 95% for any number of trials, and it is never narrower than the
normal interval, even if trials happen to agree."""
_SHARED_COLUMNS = [column for column in ASSESSMENT if column != "arm"] + ["threshold", "unit"]
"""Columns of the responses in which two counts must agree to be compared."""
_COUNT_COLUMNS = ["n", "events", "basis", "confidence", "derivation", "source"]
"""Columns of the responses that a pair has for each of its arms."""


@dataclass(frozen=True)
class Question:
    """A question that trials answer by comparing two arms, with the counts of those arms.

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
    trials : DataFrame
        One row for each pair of arms of every trial that made the comparison, with or without counts: study, label,
        year, treated, control, randomised.
    """

    key: str
    label: str
    pairs: pd.DataFrame = field(repr=False)
    trials: pd.DataFrame = field(repr=False)

    def at(self, threshold: str) -> pd.DataFrame:
        """Return the pairs of one threshold.

        Parameters
        ----------
        threshold : {"any", "ge25", "ge50", "ge75"}
            Threshold of repigmentation that counts as a response.

        Returns
        -------
        DataFrame
            Rows of ``pairs``, at most one for each trial.

        Raises
        ------
        ValueError
            If there is no such threshold.
        """
        if threshold not in ALL_THRESHOLDS:
            raise ValueError(unknown("threshold", threshold, ALL_THRESHOLDS))
        return self.pairs[self.pairs.threshold == threshold].reset_index(drop=True)

    def at_other_thresholds(self, threshold: str) -> pd.DataFrame:
        """Return the pairs of trials with counts at other thresholds only, each at the highest of these thresholds."""
        others = self.pairs[~self.pairs.study.isin(self.at(threshold).study)]
        highest = others.threshold.map(ALL_THRESHOLDS.index).groupby(others.study).transform("max")
        return others[others.threshold.map(ALL_THRESHOLDS.index) == highest].reset_index(drop=True)

    def without(self, threshold: str = "") -> pd.DataFrame:
        """Return the rows of ``trials`` whose trial has no available counts at a threshold; by default, at any."""
        available = self.at(threshold) if threshold else self.pairs
        return self.trials[~self.trials.study.isin(available.study)].reset_index(drop=True)


def question(evidence: Evidence, key: str) -> Question:
    """Select the trials that answer a question, and pair the counts of their arms.

    A pair is a treated arm and another arm of the same trial with the same phototherapy that received only the control
    treatment of the question; only the treated arm may be occluded. Their counts have the same threshold, site, age
    group, time and unit. If a trial has several such counts, the one over the whole body is used, and of those the
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
        The trials, and the pairs of counts.

    Raises
    ------
    ValueError
        If there is no such question.
    """
    if key not in {*evidence.questions.question}:
        raise ValueError(unknown("question", key, evidence.questions.question))
    shared_question = _question(evidence, key)
    # Callers get copies that they may change.
    return replace(
        shared_question, pairs=shared_question.pairs.copy(deep=False), trials=shared_question.trials.copy(deep=False)
    )


@shared
def _question(evidence: Evidence, key: str) -> Question:
    row = evidence.questions.set_index("question").loc[key]
    arms = evidence.arms
    arms = arms[evidence.is_included(arms.study)]
    kinds = evidence.drugs.set_index("drug").kind
    arms = arms.assign(kind=arms.drug.map(kinds), given=(arms.drug + " " + arms.concentration).str.strip())
    treated = arms[(arms.role == row.role) & _is_given(arms, row.treated)]
    control = arms[arms.role.isin(["comparator", row.role]) & _is_given(arms, row.against) & (arms.given_with == "")]
    columns = ["study", "part", "phototherapy"]
    control = control[[*columns, "arm", "given"]].rename(columns={"arm": "control", "given": "control_given"})
    trials = treated.rename(columns={"arm": "treated"}).merge(control, on=columns)
    studies = evidence.studies[["study", "part", "label", "year", "edition", "design", "randomised", "duration_months"]]
    trials = trials.merge(studies, on=["study", "part"]).sort_values(["year", "label"], kind="stable")

    # A trial that reports only "any repigmentation" is shown, but not pooled with others.
    counts = evidence.responses
    counts = counts[((counts.poolable == "yes") | (counts.why_not == "any_alone")) & (counts.subtype == "")]
    counts = counts[[*ASSESSMENT, "threshold", "unit", *_COUNT_COLUMNS]]
    control_columns = {"arm": "control", **{name: f"control_{name}" for name in _COUNT_COLUMNS}}
    pairs = trials.merge(counts.rename(columns={"arm": "treated"}), on=["study", "treated"])
    pairs = pairs.merge(counts.rename(columns=control_columns), on=["study", "control", *_SHARED_COLUMNS])
    rows = [_select_pair(rows) for _, rows in pairs.groupby(["study", "threshold"], sort=False)]
    pairs = pd.DataFrame(rows, columns=pairs.columns).assign(paired=lambda pairs: pairs.design == "WP")
    pairs = pairs.sort_values(["year", "label", "threshold"], kind="stable", ignore_index=True)
    trials = trials[["study", "label", "year", "treated", "control", "randomised"]].reset_index(drop=True)
    return Question(key, row.label, pairs, trials)


def _is_given(arms: pd.DataFrame, names: str) -> pd.Series:
    """Return for each arm whether its drug, or the kind of its drug, is among the names."""
    drugs = [name.strip() for name in names.split(";")]
    return arms.drug.isin(drugs) | arms.kind.isin(drugs)


def _select_pair(pairs: pd.DataFrame) -> pd.Series:
    """Return the pair of arms that represents a trial at a threshold; counts of parallel treated arms are added up."""
    pairs = pairs.assign(whole=pairs.site == "all").sort_values(["whole", "months"], ascending=False, kind="stable")
    pair = pairs.iloc[0].copy()
    shared = [*_SHARED_COLUMNS, "control"]
    parallel = pairs[(pairs[shared].fillna("") == pair[shared].fillna("")).all(axis=1)]
    if pair.design == "PD" and len(parallel) > 1:
        for name in ("events", "n"):
            pair[name] = parallel[name].sum()
        for name in ("treated", "drug", "given"):
            pair[name] = " and ".join(dict.fromkeys(parallel[name]))
    return pair.drop("whole")


@dataclass(frozen=True)
class Comparison:
    """Pooled results of trials that compared two arms.

    Attributes
    ----------
    rows : DataFrame
        The pairs, as in `Question.pairs`.
    risk_ratio, odds_ratio, risk_difference : Pooled
        Risk ratio, odds ratio and risk difference (treated less control, as a proportion). For a single trial these are
        its own. A trial in which nobody or everybody responded is ``dropped`` from the ratios; if there is no other
        trial, the ratios are NaN and their k is 0.
    """

    rows: pd.DataFrame = field(repr=False)
    risk_ratio: Pooled
    odds_ratio: Pooled
    risk_difference: Pooled


def compare(rows: pd.DataFrame, *, tau2: str = TAU2, ci: str = INTERVAL) -> Comparison | None:
    """Pool the comparisons of trials.

    Parameters
    ----------
    rows : DataFrame
        One row for each trial, as in `Question.pairs`: at least study, events and n of the treated arm, control_events
        and control_n.
    tau2, ci : str
        As in `lib.stats.pool_ratios`. For a single trial, the interval of a ratio is normal and that of the difference
        is Newcombe's, whatever these are.

    Returns
    -------
    Comparison or None
        The pooled results; None if there are no rows.

    Raises
    ------
    ValueError
        If a trial has more than one row, because its patients would be counted more than once.

    Examples
    --------
    Two trials with made-up counts:

    >>> import pandas as pd
    >>> from lib.evidence import compare
    >>> trials = pd.DataFrame(
    ...     {"study": ["a", "b"], "events": [12, 20], "n": [30, 40], "control_events": [6, 11], "control_n": [30, 40]}
    ... )
    >>> result = compare(trials)
    >>> f"{result.risk_ratio.estimate:.2f} ({result.risk_ratio.ci_low:.2f} to {result.risk_ratio.ci_high:.2f})"
    '1.88 (0.65 to 5.42)'
    >>> f"{result.risk_difference.estimate:.3f}"
    '0.214'
    """
    if rows.empty:
        return None
    repeated = rows.study[rows.study.duplicated()]
    if len(repeated):
        raise ValueError(f"{repeated.iloc[0]} has two rows, and its patients would count twice: keep one row per trial")

    with warnings.catch_warnings():
        # No warning is needed if no trial carries information on a ratio: its k is then 0.
        warnings.filterwarnings("ignore", "no study to pool", PoolingWarning)
        # Nor is one needed for trials that carry no information: `dropped` marks them.
        warnings.simplefilter("ignore", LeftOutWarning)
        risk_ratio, odds_ratio, risk_difference = (
            pool_ratios(*_counts(rows), measure=measure, tau2=tau2, ci=ci) for measure in ("RR", "OR", "RD")
        )
    return Comparison(rows, risk_ratio, odds_ratio, risk_difference)


def assume_correlation(rows: pd.DataFrame, correlation: float) -> Pooled:
    """Pool the risk ratio of trials, assuming a correlation between outcomes of the same patients.

    Paired trials report only how many responded to each treatment, not how many responded to both. The main analysis
    treats their arms as independent groups, which makes their variance too large if a patient's lesions respond
    similarly. This analysis shows how much the result depends on that assumption.

    Parameters
    ----------
    rows : DataFrame
        One row for each trial, as in `Question.pairs`: at least what `compare` needs, and paired.
    correlation : float
        Correlation assumed in the trials whose arms are the same patients, from -1 to below 1.

    Returns
    -------
    Pooled
        The risk ratio, with the interval of `compare`.

    Raises
    ------
    ValueError
        If the correlation is outside of that range.

    Examples
    --------
    >>> import pandas as pd
    >>> from lib.evidence import assume_correlation
    >>> trials = pd.DataFrame(
    ...     {"events": [12, 20], "n": [30, 40], "control_events": [6, 11], "control_n": [30, 40], "paired": True}
    ... )
    >>> independent, correlated = (assume_correlation(trials, value) for value in (0.0, 0.5))
    >>> correlated.ci_high - correlated.ci_low < independent.ci_high - independent.ci_low
    True
    """
    counts = _counts(rows)
    y, v = two_groups(*counts)
    v = np.where(rows.paired, two_groups(*counts, correlation=correlation)[1], v)
    with warnings.catch_warnings(action="ignore", category=LeftOutWarning):
        return pool(y, v, tau2=TAU2, ci=INTERVAL).back_transformed(np.exp)


def _counts(rows: pd.DataFrame) -> list[np.ndarray]:
    return [rows[name].to_numpy(float) for name in ("events", "n", "control_events", "control_n")]
