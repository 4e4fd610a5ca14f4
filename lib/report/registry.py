"""The registry of results: each result that the book states has one key, and is computed by one function.

A page takes a result from here, or computes it by the functions that this registry uses, and writes it with
`wording.stated`, `wording.rounded`, `wording.in_cell` or `marked_text.Stated`, which put its key into the HTML
(``data-result``; ``data-part`` if it is only an interval). A figure lists the keys of its results
(``data-results``), and its text alternative has their numbers. The build writes all results to ``results.json`` beside
the pages, and tests compare the pages with it. This ensures that a quantity has only one value in the book.

Belongs here: the list of all results, and their form as JSON. Does not belong here: their computation (`rate_entries`,
`rate_details`, `trial_entries`), and their text (`wording`).

Keys
----
``rate.<regimen>.<group>.<threshold>.<kind>``
    A response rate; regimen, group and threshold as in the data (``monotherapy``, ``total``, ``ge75``). Functions take
    them in another order: regimen, threshold, group. Kinds:

    - ``published``: as published by the 2019 review;
    - ``published.implied``: the same rate with the between-study variance and prediction interval that its interval
      implies by the review's method; the review reports neither;
    - ``published.tau2``: that between-study variance, with its range under the rounding of the published interval;
    - ``available``: the original studies with available responder counts, by the review's method;
    - ``new``: the new studies, by the review's method;
    - ``updated``: the published rate and the new studies together (`published.update`); absent if no new study reports
      the outcome;
    - ``updated.without.<study>``: the same without one of several new studies;
    - ``updated.method.<method>``: the same, as if the review had used another method (`published.sensitivity`);
    - ``updated.imputed.<raw|logit>``: the same from all studies, with unavailable counts imputed;
    - ``recommended``: the method that the chapter *Methods compared* recommends, on all studies, with unavailable
      counts imputed from the published results; for the whole body (``total``) only;
    - ``recommended.available``: the same method on the studies with available counts, original and new; absent with
      fewer than two of them;
    - ``recommended.by_<choice>.<group>``: ``recommended.available`` in a subgroup of those studies (`choices`), for the
      marked response to monotherapy;
    - ``logit``: all studies with available counts on the logit scale (DerSimonian-Laird), from which the chapter on
      heterogeneity takes I² and prediction intervals;
    - ``logit.without.<study>``, ``logit.until.<study>``: the same without one study, or with those published until it;
    - ``logit.tau2``: the Q-profile interval of the between-study variance on the logit scale;
      ``logit.tau2.<estimator>``: its estimate; ``logit.i2``: I² with its interval;
    - ``logit.moderator.<column>``: odds ratio of a response for one unit more of a moderator;
    - ``logit.filled``: with the studies that trim-and-fill adds;
    - ``method.<transform>_<tau2>_<interval>``: all studies with available counts by one of the other methods of
      *Methods compared*; for the whole body only.

    A single study has its own rate with the score interval (Wilson 1927, doi:10.1080/01621459.1927.10502953).
``comparison.<question>.<threshold>.<measure>``
    A comparison within trials, pooled. Measures:

    - ``rr``, ``or``: risk ratio and odds ratio;
    - ``rd``: risk difference, limited to what is possible with the risk in the control arms;
    - ``nnt``: number needed to treat, rounded up; absent if an interval includes no effect;
    - ``without``, ``with``, ``difference``: the absolute effect: share of responders in the control arms, that share
      with the effect of the treatment, and the difference of both (`absolute_effects`).
``comparison.<question>.<threshold>.<measure>.trial.<study>``
    The same for a single trial, at every threshold that it reports (``any``, too).
``comparison.<question>.<threshold>.rr.<analysis>``
    The risk ratio in a sensitivity analysis (`trial_entries.analyses`): other selections of trials
    (``randomised_trials``, ``without.<study>``, ``without_concerns``), other methods (``normal_interval``), assumed
    correlations (``correlation_0_3``).
``maintenance.<study>.<analysis>.<arm>``
    The share of lesions that lost pigment in a trial of maintenance; words joined by ``_``.
``safety.monotherapy.<event>``
    Events per patient with monotherapy, from the sums of the 2019 review.
``later_review.<review>.<comparison>.<outcome>``
    A result of a later review, as published by it.

Not registered: counts of studies, participants and records; single studies' own rates, and single reports' adverse
events; claims that the audit checks; numbers in texts of the data, such as remarks; Q and I² of single analyses;
influence statistics; results of simulations; single studies' imputed counts.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

from lib.evidence import Evidence, version_of
from lib.report.entries import Entry
from lib.report.rate_details import rate_details
from lib.report.rate_entries import imputed_rate_entries, rate_entries
from lib.report.trial_entries import comparison_entries, later_review_entries, maintenance_entries, safety_entries

_WRITTEN = tuple(f.name for f in fields(Entry) if f.name not in ("key", "pooled"))


def results(evidence: Evidence) -> dict[str, Entry]:
    """Return the registered rates, comparisons and shares of the maintenance trial by key.

    Sensitivity analyses of rates, safety, and later reviews are only in `every_result`. The chapters that state them
    compute them by the same functions, so that other chapters do not depend on the tables that these read.

    Parameters
    ----------
    evidence : Evidence
        One edition; or its view of one regimen, which gives only the rates of that regimen.

    Returns
    -------
    dict of str to Entry
        Rates in the order of the review's Table 3, then all others.
    """
    entries: dict[str, Entry] = {}
    for regimen in dict.fromkeys(outcome.regimen for outcome in evidence.all_outcomes()):
        entries |= rate_entries(evidence, regimen) | imputed_rate_entries(evidence, regimen)
    if evidence.view:
        return entries
    return entries | comparison_entries(evidence) | maintenance_entries(evidence)


def every_result(evidence: Evidence) -> dict[str, Entry]:
    """Return every registered result of an edition by key: those of `results`, then all others."""
    others = rate_details(evidence) | safety_entries(evidence) | later_review_entries(evidence)
    return results(evidence) | others


def as_json(evidence: Evidence) -> str:
    """Return all results of an edition as the text of ``results.json``; equal evidence gives equal text."""
    entries = {
        key: {name: _json_value(getattr(entry, name)) for name in _WRITTEN}
        for key, entry in every_result(evidence).items()
    }
    date = evidence.as_of.isoformat()
    version = version_of(date, dict(zip(evidence.editions.date, evidence.editions.version, strict=True)))
    whole = {"edition": date, "version": version, "results": entries}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _json_value(value: Any) -> Any:
    """Convert a field of an entry for JSON: no NaN, no infinity, whole numbers without a fraction."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, str):
        return value
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else round(value, 10)
