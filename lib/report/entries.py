"""The class of a registered result (`Entry`), and the functions that make its key.

Belongs here: the form of a result and its key. Does not belong here: how results are computed (`rate_entries`,
`trial_entries`), the whole registry (`registry`), and text (`wording`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.evidence import Outcome
    from lib.stats import Pooled


_NAN = float("nan")


@dataclass(frozen=True)
class Entry:
    """One result of the book.

    Attributes
    ----------
    key : str
        Key of the result; the module `registry` lists all keys.
    estimate, ci_low, ci_high, pi_low, pi_high : float
        Estimate with its 95% confidence and prediction interval; NaN if there is none. Rates are proportions, and their
        intervals are limited to the range from 0 to 1.
    scale : {"rate", "ratio", "difference", "number"}
        What the estimate is: a proportion, which pages state in percent or per 100; a ratio; a difference of
        proportions, which pages state as more or fewer per 100; a number that pages state as it is.
    tau2 : float
        Between-study variance, on the scale of the method; NaN if it was not estimated.
    k, participants : float
        Number of studies and of participants (or patches); NaN if not reported.
    method : str
        Statistical method, in words.
    studies : tuple of str
        Keys of the studies, as in ``data/studies.csv``.
    page : str
        Page of the book that reports it.
    pooled : Pooled or None
        The pooled result behind the entry, with heterogeneity and weights; None if nothing was pooled here.
    """

    key: str
    estimate: float
    ci_low: float = _NAN
    ci_high: float = _NAN
    pi_low: float = _NAN
    pi_high: float = _NAN
    tau2: float = _NAN
    k: float = _NAN
    participants: float = _NAN
    method: str = ""
    studies: tuple[str, ...] = ()
    page: str = ""
    scale: str = "rate"
    pooled: Pooled | None = field(default=None, repr=False, compare=False)

    @property
    def is_rate(self) -> bool:
        """Whether it is a proportion, and not a ratio, a difference or another number."""
        return self.scale == "rate"


def rate_key(outcome: Outcome, kind: str) -> str:
    """Return the key of a rate: ``rate.monotherapy.total.ge75.updated``."""
    return f"rate.{outcome.regimen}.{outcome.group}.{outcome.threshold}.{kind}"


def comparison_key(question: str, threshold: str, measure: str = "rr", analysis: str = "") -> str:
    """Return the key of a comparison: ``comparison.added_to_phototherapy.ge75.rr``.

    An analysis is added to the key if the result is that of a single trial (``trial.rafiq2016``), or of another choice
    of trials or methods (``randomised_trials``).
    """
    return ".".join(filter(None, ("comparison", question, threshold, measure, analysis)))


def safety_key(kind: str) -> str:
    """Return the key of the share of patients with an adverse event in the sums of the 2019 review."""
    return f"safety.monotherapy.{slug(kind)}"


def later_review_key(review: str, comparison: str, outcome: str) -> str:
    """Return the key of a result of a later review, from the columns of its table."""
    return f"later_review.{review}.{slug(comparison)}.{slug(outcome)}"


def maintenance_key(study: str, analysis: str, arm: str) -> str:
    """Return the key of a share of a maintenance trial, from the columns of its table."""
    return f"maintenance.{study}.{slug(analysis)}.{slug(arm)}"


def slug(text: str) -> str:
    """Convert a text to the form of a part of a key: lower case, with words joined by ``_``."""
    return re.sub(r"\W+", "_", text.lower()).strip("_")


def of_rate(entries: Mapping[str, Entry], outcome: Outcome, kind: str) -> Entry | None:
    """Return one kind of result of a rate; None if there is none."""
    return entries.get(rate_key(outcome, kind))


def current_rate(entries: Mapping[str, Entry], outcome: Outcome) -> Entry:
    """Return the current result of a rate: updated if new studies report the outcome, otherwise as published."""
    return of_rate(entries, outcome, "updated") or entries[rate_key(outcome, "published")]


KINDS_SHOWN = ("published", "new", "updated", "recommended.available")
"""Kinds of result of a rate that `figures.update_plot` shows, in the order of the plot."""


def results_shown(entries: Mapping[str, Entry], outcome: Outcome) -> list[Entry | None]:
    """Return the results of a rate that `figures.update_plot` shows, in the order of `KINDS_SHOWN`."""
    return [of_rate(entries, outcome, kind) for kind in KINDS_SHOWN]
