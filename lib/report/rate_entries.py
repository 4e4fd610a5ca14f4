"""The registered results of response rates.

Belongs here: every result whose key begins with ``rate.``, with its method in words. Does not belong here: other
registered results (`trial_entries`), and the text of results (`wording`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from lib.caching.disk_cache import cached
from lib.caching.progress import progress
from lib.caching.shared_results import of_one_regimen, shared
from lib.evidence import THRESHOLDS, Evidence, Outcome
from lib.published import Draws, Result, block_of, by_study, impute
from lib.published import results as published_results
from lib.report.counted import counts_of, pool_counts, single_count_entry
from lib.report.entries import Entry, current_rate, rate_key, slug
from lib.simulations.coverage import RECOMMENDED
from lib.stats import Pooled
from lib.stats.pooled_result import ESTIMATE_AND_LIMITS

PAGES = {
    ("monotherapy", "total"): "book/monotherapy.html",
    "monotherapy": "book/children-and-sites.html",
    "phototherapy": "book/phototherapy.html",
}
"""Page of a rate, by regimen and group, or by regimen for all other groups."""

REVIEW = "raw proportions, inverse variance, random effects (DerSimonian-Laird), normal interval"
"""The method of the 2019 review, in plain words."""

_MODEL = "random-intercept logistic model, interval by Student's t, tau2 on the logit scale"

_RATE_WITH_SUBGROUPS = ("monotherapy", "total", "ge75")
"""The rate for which subgroup results are registered: regimen, group and threshold."""


@of_one_regimen
@shared
def rate_entries(evidence: Evidence, regimen: str) -> dict[str, Entry]:
    """Return the registered results of one regimen's rates by key, except those from imputed counts."""
    return {
        entry.key: entry
        for (result_regimen, _, _), result in published_results(evidence).items()
        if result_regimen == regimen
        for entry in _outcome_entries(evidence, result)
        if entry is not None
    }


def _outcome_entries(evidence: Evidence, result: Result) -> list[Entry | None]:
    """Return the results of every kind of one outcome; None for a kind that it does not have."""
    outcome, summary = result.outcome, result.summary
    original_studies = evidence.studies.study[evidence.studies.review_ref.isin(outcome.refs)]
    page = PAGES.get((outcome.regimen, outcome.group)) or PAGES[outcome.regimen]
    published = Entry(
        rate_key(outcome, "published"),
        outcome.estimate,
        outcome.ci_low,
        outcome.ci_high,
        k=outcome.studies,
        participants=outcome.patients,
        method=f"as published by the 2019 review: {REVIEW}",
        studies=tuple(dict.fromkeys(original_studies)),
        page=page,
    )
    implied = replace(
        clipped(published, pi_low=summary.pi_low, pi_high=summary.pi_high),
        key=rate_key(outcome, "published.implied"),
        tau2=summary.tau2,
        method="between-study variance and prediction interval implied by the published interval",
    )
    counts = counts_of(outcome)
    entries = [
        published,
        implied if summary.pi_low == summary.pi_low else None,
        _by_method_of_review(rate_key(outcome, "available"), outcome.available, page),
        _by_method_of_review(rate_key(outcome, "new"), outcome.new, page),
        _updated(result, published),
        _recommended(rate_key(outcome, "recommended.available"), counts, page),
    ]
    logit = pool_counts(counts, transform="logit")
    if logit is not None:
        method = (
            "all studies with available counts: logit scale, inverse variance, random effects (DerSimonian-Laird),"
            " normal interval; tau2 on the logit scale"
        )
        entries.append(pooled_entry(rate_key(outcome, "logit"), logit, counts, method, page))
    if (outcome.regimen, outcome.group, outcome.threshold) == _RATE_WITH_SUBGROUPS:
        entries += _subgroups(outcome, counts)
    return entries


def _by_method_of_review(key: str, rows: pd.DataFrame, page: str) -> Entry | None:
    """Return the pooled result of studies with counts, or the rate of the only study; None if there is no result."""
    rows = by_study(rows)
    if len(rows) == 1:
        row = rows.iloc[0]
        return single_count_entry(key, row.study, row.events, row.n, "one study", page)
    pooled = pool_counts(rows)
    return pooled_entry(key, pooled, rows, f"the review's method: {REVIEW}", page) if pooled else None


def pooled_entry(key: str, pooled: Pooled, rows: pd.DataFrame, method: str, page: str) -> Entry:
    """Return the entry of a pooled result of studies with counts, without the studies that were left out."""
    studies = rows[~pooled.dropped]
    entry = Entry(
        key,
        pooled.estimate,
        tau2=pooled.tau2,
        k=pooled.k,
        participants=studies.n.sum(),
        method=method,
        studies=tuple(studies.study),
        page=page,
        pooled=pooled,
    )
    # The prediction interval is left out if there are too few studies for it to be informative.
    names = ESTIMATE_AND_LIMITS if pooled.predicts else ESTIMATE_AND_LIMITS[:3]
    return clipped(entry, **{name: getattr(pooled, name) for name in names})


def _updated(result: Result, published: Entry) -> Entry | None:
    updated = result.updated
    if updated is None or not updated.k_new:
        return None
    new = by_study(result.outcome.new)
    entry = replace(
        published,
        key=rate_key(result.outcome, "updated"),
        tau2=updated.tau2,
        k=updated.k_old + updated.k_new,
        participants=new.n.sum() + result.outcome.patients,
        method="published rate and new studies: raw proportions, weights by the variance at the combined rate, random"
        " effects, normal interval",
        studies=(*published.studies, *new.study),
    )
    return clipped(entry, **{name: getattr(updated, name) for name in ESTIMATE_AND_LIMITS})


def _recommended(key: str, rows: pd.DataFrame, page: str) -> Entry | None:
    if len(rows) < 2:
        return None
    pooled = RECOMMENDED.pool(rows.events, rows.n)
    if pooled.estimate != pooled.estimate:
        return None
    return pooled_entry(key, pooled, rows, f"{_MODEL}, on all studies with available counts", page)


def clipped(entry: Entry, **ends: float) -> Entry:
    """Return a copy of an entry with the given values, limited to the range from 0 to 1."""
    clipped: dict[str, Any] = {name: float(np.clip(value, 0, 1)) for name, value in ends.items()}
    return replace(entry, **clipped)


@of_one_regimen
@shared
def imputed_rate_entries(evidence: Evidence, regimen: str) -> dict[str, Entry]:
    """Return the whole-body rates by the recommended method, with unavailable counts imputed, by key."""
    entries: dict[str, Entry] = {}
    without_imputation = rate_entries(evidence, regimen)
    imputations = None
    for outcome in progress(evidence.all_outcomes(), f"Rates with imputed counts, {regimen}"):
        if (outcome.regimen, outcome.group) != (regimen, "total"):
            continue
        imputations = imputations or impute(block_of(evidence, regimen, "total"))
        entry = _over_imputations(imputations, outcome, current_rate(without_imputation, outcome))
        if entry is not None:
            entries[entry.key] = entry
    return entries


def _over_imputations(imputations: Draws, outcome: Outcome, current: Entry) -> Entry | None:
    """Pool an outcome by the recommended method in every imputation, and combine the results.

    Return None if there are no imputations.

    Notes
    -----
    Combined on the logit scale by Rubin's rules (Rubin 1987, doi:10.1002/9780470316696, section 3.1), with Student's t
    on k - 1 degrees of freedom as in the method itself.
    """
    group, threshold = outcome.group, outcome.threshold
    if math.isnan(imputations.tolerance.get((threshold, group), math.nan)) or not imputations.converged:
        return None
    members = next(
        rate.included for rate in imputations.block.rates if (rate.threshold, rate.group) == (threshold, group)
    )
    m, new = len(imputations.events), by_study(outcome.new)
    original_events = imputations.events[:, members, THRESHOLDS.index(threshold)].T
    # One row for each study, one column for each imputation.
    events = np.vstack([original_events, _repeated(new.events, m)])
    n = np.vstack([imputations.n[:, members].T, _repeated(new.n, m)])
    k = len(n)
    if k < 2:
        return None

    def compute() -> dict[str, np.ndarray]:
        pooled = RECOMMENDED.pool(events, n)
        return {name: getattr(pooled, name) for name in ("estimate", "ci_low", "ci_high", "tau2")}

    pooled = cached("lib.simulations.coverage", compute, "imputed", events, n)
    fitted = np.isfinite(pooled["ci_low"]) & np.isfinite(pooled["ci_high"])
    if fitted.sum() < 2:
        return None
    y, low, high = (special.logit(pooled[name][fitted]) for name in ("estimate", "ci_low", "ci_high"))
    quantile = float(special.stdtrit(k - 1, 0.975))
    se, m = (high - low) / (2 * quantile), len(y)
    half_width = quantile * float(np.sqrt((se**2).mean() + (1 + 1 / m) * y.var(ddof=1)))
    estimate, ci_low, ci_high = (float(special.expit(y.mean() + step)) for step in (0, -half_width, half_width))
    return Entry(
        rate_key(outcome, "recommended"),
        estimate,
        ci_low,
        ci_high,
        tau2=float(pooled["tau2"][fitted].mean()),
        k=k,
        participants=float(np.median(n.sum(axis=0))),
        method=f"{_MODEL}, on all studies, the unavailable counts imputed {m} times from what was published and"
        " combined by Rubin's rules",
        studies=current.studies,
        page=current.page,
    )


def _repeated(values: pd.Series, m: int) -> np.ndarray:
    return np.repeat(values.to_numpy(float)[:, None], m, axis=1)


@dataclass(frozen=True)
class Choice:
    """A way to split studies with available counts into subgroups.

    Attributes
    ----------
    heading, column : str
        Name of the split, and the column of the counts by which the studies are split.
    names : Series
        Name of the subgroup of each study that the split includes; the index is that of the counts.
    codes : dict of str to str
        Code of each subgroup, by its name.
    """

    heading: str
    column: str
    names: pd.Series
    codes: dict[str, str]

    def kind(self, name: str) -> str:
        """Return the kind of result of a subgroup: ``recommended.by_drug.tacrolimus``."""
        return f"recommended.by_{self.column}.{self.codes.get(name, 'other')}"


_OTHERS = "Others"

_CHOICES = {
    "How the count was obtained": ("basis", {"stated": "stated in the report"}, "derived from what is reported"),
    "Unit": ("unit", {"patients": "patients", "patches": "patches"}, _OTHERS),
    "Allocation": ("randomised", {"yes": "randomised"}, "not randomised, or not reported"),
    "Confidence in the count": ("confidence", {"high": "high"}, "medium or low"),
    "Drug": ("drug", {"tacrolimus": "tacrolimus", "pimecrolimus": "pimecrolimus"}, _OTHERS),
    "Concentration of tacrolimus": ("tacrolimus", {"0.1%": "0.1%", "0.03%": "0.03%"}, _OTHERS),
    "Duration": ("duration", {"short": "up to 3 months", "long": "longer than 3 months"}, "not reported"),
}
"""Ways to split the studies, by heading: column of the counts, subgroup names by code, name of the other studies."""

SUBGROUP_NAMES = {
    f"by_{column}.{slug(code)}": f"{heading[0].lower()}{heading[1:]}: {name[0].lower()}{name[1:]}"
    for heading, (column, name_by_code, other_name) in _CHOICES.items()
    for code, name in {**name_by_code, "other": other_name}.items()
}
"""Names of the subgroups, by the end of the key of their results, such as ``by_drug.tacrolimus``."""


def choices(counts: pd.DataFrame) -> list[Choice]:
    """Return the ways to split studies with counts, as `counts_of` returns them, into two or more subgroups."""
    counts = counts.assign(
        tacrolimus=counts.concentration.where(counts.drug == "tacrolimus", ""),
        duration=np.where(counts.months <= 3, "short", np.where(counts.months > 3, "long", "")),
    )
    available = []
    for heading, (column, name_by_code, other_name) in _CHOICES.items():
        names = counts[column].map(name_by_code).fillna(other_name)
        if column == "tacrolimus":
            names = names[counts.drug == "tacrolimus"]
        if names.nunique() > 1:
            available.append(Choice(heading, column, names, {name: slug(code) for code, name in name_by_code.items()}))
    return available


def _subgroups(outcome: Outcome, counts: pd.DataFrame) -> list[Entry | None]:
    page = "book/heterogeneity-and-bias.html"
    entries: list[Entry | None] = []
    for choice in choices(counts):
        for name in sorted(choice.names.unique()):
            key, rows = rate_key(outcome, choice.kind(name)), counts.loc[choice.names.index[choice.names == name]]
            entries.append(_by_method_of_review(key, rows, page) if len(rows) == 1 else _recommended(key, rows, page))
    return entries
