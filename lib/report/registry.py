"""The registry of results: every rate and comparison that the book states, computed once, under one key.

A page takes a result from here and writes it with `wording.stated`, `wording.rounded` or `wording.in_cell`, which put
its key into the HTML (``data-result``); the build writes all results to ``results.json`` beside the pages. This ensures
that a quantity has only one value in the book.

Belongs here: the list of all results, and their form as JSON. Does not belong here: their computation (`rate_entries`,
`trial_entries`), and their text (`wording`).

Keys
----
``rate.<regimen>.<group>.<threshold>.<kind>``
    A response rate; regimen, group and threshold as in the data (``monotherapy``, ``total``, ``ge75``). Kinds:

    - ``published``: as published by the 2019 review;
    - ``published.implied``: the same rate with the between-study variance and prediction interval that its interval
      implies by the review's method; the review reports neither;
    - ``available``: the original studies with available responder counts, by the review's method;
    - ``new``: the new studies, by the review's method;
    - ``updated``: the published rate and the new studies together (`published.update`); absent if no new study reports
      the outcome;
    - ``recommended``: the method that the chapter *Methods compared* recommends, on all studies, with unavailable
      counts imputed from the published results; for the whole body (``total``) only;
    - ``recommended.available``: the same method on the studies with available counts, original and new; absent with
      fewer than two of them;
    - ``logit``: all studies with available counts on the logit scale (DerSimonian-Laird), from which the chapter on
      heterogeneity takes I² and prediction intervals.

    - ``recommended.by_<choice>.<group>``: ``recommended.available`` in a subgroup of those studies (`choices`), for the
      marked response to monotherapy.

    A single study has its own rate with the score interval (Wilson 1927, doi:10.1080/01621459.1927.10502953).
``comparison.<question>.<threshold>.<rr|or|rd>``
    A comparison within trials: risk ratio, odds ratio or risk difference.
``maintenance.<study>.<analysis>.<arm>``
    The share of lesions that lost pigment in a trial of maintenance; words joined by ``_``.

Not registered: counts of studies, participants and records; single studies' own rates; heterogeneity statistics;
simulated coverage; imputed counts, and updates over them; leave-one-out and cumulative analyses; other choices in
comparisons; adverse events. The numbers in figures are those of the registry, but carry no key: the pictures are
embedded as images.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

import lib
from lib.evidence import Evidence
from lib.report.entries import Entry
from lib.report.rate_entries import imputed_rate_entries, rate_entries
from lib.report.trial_entries import comparison_entries, maintenance_entries

_WRITTEN = tuple(f.name for f in fields(Entry) if f.name not in ("key", "pooled"))


def results(evidence: Evidence) -> dict[str, Entry]:
    """Return every registered result by its key, in the order of the review's Table 3.

    Parameters
    ----------
    evidence : Evidence
        One edition; or its view of one regimen, which gives only the rates of that regimen.

    Returns
    -------
    dict of str to Entry
    """
    entries: dict[str, Entry] = {}
    for regimen in dict.fromkeys(outcome.regimen for outcome in evidence.all_outcomes()):
        entries |= rate_entries(evidence, regimen) | imputed_rate_entries(evidence, regimen)
    return entries if evidence.view else entries | comparison_entries(evidence) | maintenance_entries(evidence)


def as_json(evidence: Evidence) -> str:
    """Return all results of an edition as the text of ``results.json``; equal evidence gives equal text."""
    entries = {
        key: {name: _json_value(getattr(entry, name)) for name in _WRITTEN} for key, entry in results(evidence).items()
    }
    whole = {"edition": evidence.as_of.isoformat(), "version": lib.__version__, "results": entries}
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
