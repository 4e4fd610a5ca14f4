"""The registered results that show how a response rate depends on single studies and on methods.

Belongs here: sensitivity analyses of updated rates; available counts by every method, without each study and study by
study; the between-study variance, moderators and trim-and-fill. Does not belong here: the rates themselves
(`rate_entries`), and their tables and plots (`lib.report.chapters`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import special

from lib.caching.shared_results import shared
from lib.evidence import Evidence, Outcome
from lib.published import Draws, Result, block_of, by_study, impute, sensitivity, update
from lib.published import results as published_results
from lib.published.imputation import OverDraws, update_over_draws
from lib.report.counted import counts_of, log_odds
from lib.report.entries import Entry, rate_key, slug
from lib.report.rate_entries import clipped, pooled_entry
from lib.simulations.coverage import METHODS, RECOMMENDED, Method
from lib.stats import (
    FEWEST_TO_FILL,
    TAU2,
    Permuted,
    Pooled,
    Regression,
    cumulative,
    heterogeneity_interval,
    leave_one_out,
    permutation_test,
    pool,
    pool_proportions,
    regress,
    trim_and_fill,
)

_UPDATE, _HETEROGENEITY = "book/update.html", "book/heterogeneity-and-bias.html"


@shared
def rate_details(evidence: Evidence) -> dict[str, Entry]:
    """Return the sensitivity analyses of all rates by key.

    They are not part of `registry.results`, because they take long to compute: a chapter that states some of them calls
    the functions below.
    """
    entries: list[Entry] = []
    for (regimen, _, group), result in published_results(evidence).items():
        outcome = result.outcome
        entries += implied_variance(result)
        if result.updated is not None and result.updated.k_new:
            entries += without_each_new_study(result)
            entries += under_other_methods(result).values()
            draws = impute(block_of(evidence, regimen, group))
            for scale in SCALES:
                entry, _ = over_imputations(result, draws, scale)
                entries += [entry] if entry else []
        counts = counts_of(outcome)
        if len(counts) > 1:
            entries += by_method(outcome, counts).values() if group == "total" else ()
            entries += [*without_each_study(outcome, counts), *study_by_study(outcome, counts)]
            entries += between_study_variance(outcome, counts).values()
            entries += [moderator.entry for moderator in moderators(outcome, counts) if moderator.entry]
        filled = without_small_study_effects(outcome, counts)
        entries += [filled[0]] if filled else []
    return {entry.key: entry for entry in entries}


# --- Updated rates ----------------------------------------------------------------------------------------


def implied_variance(result: Result) -> list[Entry]:
    """Return the between-study variance that a published interval implies, and its range under rounding, if any."""
    summary, outcome = result.summary, result.outcome
    if summary.tau2 != summary.tau2:
        return []
    low = 0.0 if summary.tau2_low != summary.tau2_low else summary.tau2_low
    method = "between-study variance implied by the published interval; the interval is the range under its rounding"
    key = rate_key(outcome, "published.tau2")
    k = outcome.studies
    return [Entry(key, summary.tau2, low, summary.tau2_high, k=k, method=method, page=_UPDATE, scale="number")]


def without_each_new_study(result: Result) -> list[Entry]:
    """Return an updated rate without each of its new studies, in the order of `published.by_study`; none for one."""
    new = by_study(result.outcome.new)
    if len(new) < 2:
        return []
    entries = []
    for i, study in new.study.items():
        other_studies = new.drop(index=i)
        remaining = update(result.summary, other_studies.events, other_studies.n)
        assert remaining is not None
        entry = Entry(
            rate_key(result.outcome, f"updated.without.{study}"),
            remaining.estimate,
            tau2=remaining.tau2,
            k=remaining.k_old + remaining.k_new,
            participants=result.outcome.patients + other_studies.n.sum(),
            method=f"updated rate without the new study {study}",
            page=_UPDATE,
        )
        entries.append(clipped(entry, ci_low=remaining.ci_low, ci_high=remaining.ci_high))
    return entries


def under_other_methods(result: Result) -> dict[str, Entry]:
    """Return an updated rate as if the review had used another method, by name; empty without a published interval."""
    if result.summary.reading.kind == "no interval":
        return {}
    new = by_study(result.outcome.new)
    entries = {}
    for name, (estimate, low, high) in sensitivity(result.summary, new.events, new.n).items():
        entry = Entry(
            rate_key(result.outcome, f"updated.method.{slug(name)}"),
            estimate,
            k=result.outcome.studies + len(new),
            participants=result.outcome.patients + new.n.sum(),
            method=f"updated rate, as if the review had used the method {name}",
            page=_UPDATE,
        )
        entries[name] = clipped(entry, ci_low=low, ci_high=high)
    return entries


SCALES = ("raw", "logit")
"""Scales on which rates are updated from imputed counts."""


def over_imputations(result: Result, draws: Draws, scale: str) -> tuple[Entry | None, OverDraws | None]:
    """Return a rate updated from imputed counts as an entry and with its variation; None without imputations."""
    outcome = result.outcome
    combined = update_over_draws(draws, outcome, scale)
    if combined is None:
        return None, None
    entry = Entry(
        rate_key(outcome, f"updated.imputed.{scale}"),
        combined.estimate,
        k=outcome.studies + outcome.new.study.nunique(),
        participants=outcome.patients + outcome.new.n.sum(),
        method=f"all studies pooled on the {scale} scale (DerSimonian-Laird), the unavailable counts imputed"
        f" {combined.draws} times and combined by Rubin's rules",
        page=_UPDATE,
    )
    return clipped(entry, ci_low=combined.ci_low, ci_high=combined.ci_high), combined


# --- Available counts -------------------------------------------------------------------------------------
# ``counts`` are those of the outcome, as `counts_of` returns them.


_NAMED = {RECOMMENDED.name: "recommended.available", "Logit, DL": "logit"}
"""Names of the methods whose results have a kind of their own, with that kind."""


def method_key(outcome: Outcome, method: Method) -> str:
    """Return the key of an outcome's available counts by one of the methods that the book compares."""
    kind = f"method.{slug(f'{method.transform} {method.tau2} {method.ci}')}"
    return rate_key(outcome, _NAMED.get(method.name, kind))


def by_method(outcome: Outcome, counts: pd.DataFrame) -> dict[str, Entry]:
    """Return the available counts of an outcome pooled by every method, by name of the method, where possible.

    The attribute ``pooled`` of each entry holds its heterogeneity.
    """
    entries = {}
    for method in METHODS:
        pooled = method.pool(counts.events, counts.n)
        if pooled.estimate == pooled.estimate and method.name not in _NAMED:
            words = f"all studies with available counts, by the method: {method.name}"
            key = method_key(outcome, method)
            entries[method.name] = pooled_entry(key, pooled, counts, words, "book/methods-compared.html")
    return entries


def by_year(counts: pd.DataFrame) -> pd.DataFrame:
    """Return counts in order of publication."""
    return counts.sort_values("year", kind="stable", ignore_index=True)


def without_each_study(outcome: Outcome, counts: pd.DataFrame) -> list[Entry]:
    """Return the rate from an outcome's available counts without each study, in order of publication."""
    counts = by_year(counts)
    pooled = pool_proportions(*leave_one_out(counts.events, counts.n), transform="logit")
    return [
        _logit_entry(outcome, f"logit.without.{study}", pooled, i, counts.drop(index=i), f"without {study}")
        for i, study in enumerate(counts.study)
    ]


def study_by_study(outcome: Outcome, counts: pd.DataFrame) -> list[Entry]:
    """Return the rate from an outcome's available counts after each study, in order of publication."""
    counts = by_year(counts)
    pooled = pool_proportions(*cumulative(counts.events, counts.n), transform="logit")
    return [
        _logit_entry(outcome, f"logit.until.{study}", pooled, i, counts[: i + 1], f"published until {study}")
        for i, study in enumerate(counts.study)
    ]


def _logit_entry(outcome: Outcome, kind: str, pooled: Pooled, i: int, rows: pd.DataFrame, which: str) -> Entry:
    return Entry(
        rate_key(outcome, kind),
        float(pooled.estimate[i]),
        float(pooled.ci_low[i]),
        float(pooled.ci_high[i]),
        tau2=float(pooled.tau2[i]),
        k=int(pooled.k[i]),
        participants=rows.n.sum(),
        method=f"studies with available counts {which}: logit scale (DerSimonian-Laird), normal interval",
        studies=tuple(rows.study),
        page=_HETEROGENEITY,
    )


def between_study_variance(outcome: Outcome, counts: pd.DataFrame) -> dict[str, Entry]:
    """Return tau² by every estimator, the Q-profile interval of tau² ("tau2"), and I² with its interval ("i2")."""
    y, v = log_odds(counts)
    ends = heterogeneity_interval(y, v)
    common = Entry(
        "",
        np.nan,
        k=len(counts),
        participants=counts.n.sum(),
        studies=tuple(counts.study),
        page=_HETEROGENEITY,
        scale="number",
    )
    entries = {
        name: replace(
            common,
            key=rate_key(outcome, f"logit.tau2.{slug(name)}"),
            estimate=float(pool(y, v, tau2=name).tau2),
            method=f"between-study variance on the logit scale, estimator {name}",
        )
        for name in TAU2
        if name != "FE"
    }
    entries["tau2"] = replace(
        common,
        key=rate_key(outcome, "logit.tau2"),
        ci_low=float(ends.tau2_low),
        ci_high=float(ends.tau2_high),
        method="Q-profile interval of the between-study variance on the logit scale, which belongs to no estimator",
    )
    entries["i2"] = replace(
        common,
        key=rate_key(outcome, "logit.i2"),
        estimate=float(pool(y, v).i2),
        ci_low=float(ends.i2_low),
        ci_high=float(ends.i2_high),
        scale="rate",
        method="I² on the logit scale (DerSimonian-Laird), interval by the Q-profile",
    )
    return entries


@dataclass(frozen=True)
class Moderator:
    """A meta-regression of an outcome's available counts on one moderator.

    Attributes
    ----------
    name : str
        Name of the moderator in tables.
    k : int
        Number of studies that report it.
    entry : Entry or None
        Odds ratio for one unit more; None if it does not vary or fewer than four studies report it.
    fit : Regression or None
        The regression; None as for ``entry``.
    data : tuple of ndarray
        Log odds, their variances, and the moderator, of each study.
    """

    name: str
    k: int
    entry: Entry | None = None
    fit: Regression | None = None
    data: tuple[np.ndarray, ...] = field(default=(), repr=False)

    def permuted(self) -> Permuted:
        """Return the permutation test of the moderator."""
        return permutation_test(*self.data, ci="hksj")


_MODERATORS = {"year": "Year of publication", "months": "Months of treatment", "children": "Children alone"}


def moderators(outcome: Outcome, counts: pd.DataFrame) -> Iterator[Moderator]:
    """Yield the meta-regressions of an outcome's available counts, each on one moderator."""
    counts = counts.assign(children=lambda rows: (rows.population == "children").astype(float))
    y, v = log_odds(counts)
    for column, name in _MODERATORS.items():
        x = counts[column].to_numpy(float)
        known = ~np.isnan(x)
        if known.sum() < 4 or len(set(x[known])) < 2:
            yield Moderator(name, int(known.sum()))
            continue
        fit = regress(y, v, x, ci="hksj")
        estimate, low, high = (float(np.exp(values[1])) for values in (fit.coefficients, fit.ci_low, fit.ci_high))
        entry = Entry(
            rate_key(outcome, f"logit.moderator.{column}"),
            estimate,
            low,
            high,
            k=fit.k,
            participants=counts.n[known].sum(),
            method=f"odds ratio of a response for one unit more of the moderator: {name.lower()}; REML, Knapp-Hartung",
            studies=tuple(counts.study[known]),
            page=_HETEROGENEITY,
            scale="ratio",
        )
        yield Moderator(name, fit.k, entry, fit, (y, v, x))


def without_small_study_effects(outcome: Outcome, counts: pd.DataFrame) -> tuple[Entry, int] | None:
    """Return the rate by trim-and-fill and the number of studies that it adds; None with too few studies."""
    if len(counts) < FEWEST_TO_FILL:
        return None
    filled = trim_and_fill(*log_odds(counts), tau2="REML")
    pooled, missing = filled.pooled, int(filled.missing)
    estimate, low, high = (float(special.expit(value)) for value in (pooled.estimate, pooled.ci_low, pooled.ci_high))
    entry = Entry(
        rate_key(outcome, "logit.filled"),
        estimate,
        low,
        high,
        k=len(counts) + missing,
        participants=counts.n.sum(),
        method=f"studies with available counts and {missing} added by trim-and-fill: logit scale, REML",
        studies=tuple(counts.study),
        page=_HETEROGENEITY,
    )
    return entry, missing
