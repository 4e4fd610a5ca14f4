"""The registry of results: every rate and comparison that the book states, computed once, under one key.

A page takes a result from here and writes it with `stated`, `rounded` or `in_cell`, which put its key into the HTML
(``data-result``); the build writes all results to ``results.json`` beside the pages. So a quantity has one value in the
book. What belongs here: results with a key, their text, and the sentences that headline them (`headline`). What does
not: the statistics (`pooling`, `published`, `comparisons`), tables and figures.

Keys
----
``rate.<regimen>.<group>.<threshold>.<kind>``
    A response rate; regimen, group and threshold as in the data (``monotherapy``, ``total``, ``ge75``). Kinds:

    - ``published``: as published by the 2019 review;
    - ``published.implied``: the same rate with the between-study variance and prediction interval that its interval
      implies by the review's method; the review reports neither;
    - ``available``: the original studies with available responder counts, by the review's method;
    - ``new``: the new studies, by the review's method;
    - ``updated``: the published rate and the new studies together (`published.update`); absent where no new study
      reports the outcome;
    - ``recommended``: the method that the chapter *Methods compared* recommends, on all studies, the counts that are
      not available imputed from the published results; for the whole body (``total``) only;
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
simulated coverage; imputed counts, and updates over them;
leave-one-out and cumulative analyses; other choices in comparisons; adverse events. The numbers in
figures are those of the registry, but carry no key: the pictures are embedded as images.
"""

from __future__ import annotations

import functools
import html
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
import pandas as pd
from scipy import special

import lib
from lib.caching.disk_cache import cached
from lib.caching.shared_results import of_one_regimen, shared
from lib.evidence import THRESHOLDS, THRESHOLDS_IN_WORDS, Evidence, Outcome, comparisons
from lib.published import Draws, Result, block_of, by_study, impute
from lib.published import results as published_results
from lib.report.figures import percent, ratio_number, span
from lib.simulations.coverage import RECOMMENDED
from lib.stats import Pooled, pool_proportions, proportion_interval

PAGES = {
    ("monotherapy", "total"): "book/monotherapy.html",
    "monotherapy": "book/children-and-sites.html",
    "phototherapy": "book/phototherapy.html",
}
"""The page on a rate: by regimen and group, or by regimen."""
REVIEW = "raw proportions, inverse variance, random effects (DerSimonian-Laird), normal interval"
"""The method of the 2019 review, in plain words."""
_NAN = float("nan")


@dataclass(frozen=True)
class Entry:
    """One result of the book.

    Attributes
    ----------
    key : str
        Its name, see the module.
    estimate, ci_low, ci_high, pi_low, pi_high : float
        Estimate with its 95% confidence and prediction interval; NaN where there is none. Rates are proportions, and
        their intervals end at 0 and 1.
    tau2 : float
        Between-study variance, on the scale of the method; NaN where it was not estimated.
    k, participants : float
        Number of studies and of participants (or patches) behind it; NaN where not reported.
    method : str
        How it was obtained, in plain words.
    studies : tuple of str
        Keys of the studies, as in ``data/studies.csv``.
    page : str
        The page on it.
    pooled : Pooled or None
        The pooled result that it was taken from, with heterogeneity and weights; None where nothing was pooled here.
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
    pooled: Pooled | None = field(default=None, repr=False, compare=False)

    @property
    def is_rate(self) -> bool:
        """Whether it is a proportion, and not a ratio or a difference."""
        return not self.key.startswith("comparison.")


_WRITTEN = tuple(f.name for f in fields(Entry) if f.name not in ("key", "pooled"))
_ENDS = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")


def results(evidence: Evidence) -> dict[str, Entry]:
    """Return every registered result by its key, in the order of the review's Table 3.

    Parameters
    ----------
    evidence : Evidence
        One edition, or its view of one regimen: then the rates of that regimen alone.

    Returns
    -------
    dict of str to Entry
    """
    found: dict[str, Entry] = {}
    for regimen in dict.fromkeys(outcome.regimen for outcome in evidence.all_outcomes()):
        found |= _rates(evidence, regimen) | _imputed(evidence, regimen)
    return found if evidence.view else found | _comparisons(evidence) | _maintenance(evidence)


def as_json(evidence: Evidence) -> str:
    """Return all results of an edition as the text of ``results.json``; equal evidence gives equal text."""
    found = {key: {name: _plain(getattr(entry, name)) for name in _WRITTEN} for key, entry in results(evidence).items()}
    whole = {"edition": evidence.as_of.isoformat(), "version": lib.__version__, "results": found}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value):
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, str):
        return value
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else round(value, 10)


# --- Rates ------------------------------------------------------------------------------------------------


def rate_key(outcome: Outcome, kind: str) -> str:
    """Return the key of a rate: ``rate.monotherapy.total.ge75.updated``."""
    return f"rate.{outcome.regimen}.{outcome.group}.{outcome.threshold}.{kind}"


def of_rate(found: Mapping[str, Entry], outcome: Outcome, kind: str) -> Entry | None:
    """Return one kind of result of a rate; None where there is none."""
    return found.get(rate_key(outcome, kind))


def answer(found: Mapping[str, Entry], outcome: Outcome) -> Entry:
    """Return the rate to go by: updated where new studies report the outcome, as published elsewhere."""
    return of_rate(found, outcome, "updated") or found[rate_key(outcome, "published")]


KINDS_SHOWN = ("published", "new", "updated", "recommended.available")
"""What `figures.updates` draws of a rate."""


def shown_kinds(found: Mapping[str, Entry], outcome: Outcome) -> list[Entry | None]:
    """Return the results of a rate that `figures.updates` draws, in the order of `KINDS_SHOWN`."""
    return [of_rate(found, outcome, kind) for kind in KINDS_SHOWN]


def counts_of(outcome: Outcome) -> pd.DataFrame:
    """Return the available counts of an outcome, original and new, one row per study."""
    return by_study(pd.concat([outcome.available, outcome.new], ignore_index=True))


def pool_counts(rows: pd.DataFrame, **options) -> Pooled | None:
    """Pool counts by study with `pooling.pool_proportions`; None where fewer than two studies can be pooled.

    Parameters
    ----------
    rows : DataFrame
        Counts with ``study``, ``label``, ``events`` and ``n``, such as ``outcome.available``; those of several arms of
        a study are added up, as in `published.by_study`.
    **options
        Options of `pooling.pool_proportions`. By default a study at 0% or 100% cannot be pooled.

    Returns
    -------
    Pooled or None
        With weights in the order of `published.by_study`.
    """
    rows = by_study(rows)
    raw = options.get("transform", "raw") == "raw"
    poolable = ~at_edge(rows) if raw else rows.n > 0
    return pool_proportions(rows.events, rows.n, **options) if poolable.sum() > 1 else None


def at_edge(rows: pd.DataFrame) -> pd.Series:
    """Say of each count whether it is 0% or 100%, which the raw scale cannot weigh."""
    return (rows.events == 0) | (rows.events == rows.n)


@of_one_regimen
@shared
def _rates(evidence: Evidence, regimen: str) -> dict[str, Entry]:
    found = {}
    for (of, _, _), result in published_results(evidence).items():
        if of == regimen:
            found |= {entry.key: entry for entry in _of_cell(evidence, result) if entry is not None}
    return found


def _of_cell(evidence: Evidence, result: Result) -> list[Entry | None]:
    outcome, summary = result.outcome, result.summary
    listed = evidence.studies.study[evidence.studies.review_ref.isin(outcome.refs)]
    page = PAGES.get((outcome.regimen, outcome.group)) or PAGES[outcome.regimen]
    published = Entry(
        rate_key(outcome, "published"),
        outcome.estimate,
        outcome.ci_low,
        outcome.ci_high,
        k=outcome.studies,
        participants=outcome.patients,
        method=f"as published by the 2019 review: {REVIEW}",
        studies=tuple(dict.fromkeys(listed)),
        page=page,
    )
    implied = replace(
        _cut(published, pi_low=summary.pi_low, pi_high=summary.pi_high),
        key=rate_key(outcome, "published.implied"),
        tau2=summary.tau2,
        method="between-study variance and prediction interval implied by the published interval",
    )
    counted, key = counts_of(outcome), (outcome.regimen, outcome.group, outcome.threshold)
    alone = [
        _of_counts(rate_key(outcome, kind), rows, page)
        for kind, rows in (("available", outcome.available), ("new", outcome.new))
    ]
    logit = pool_counts(counted, transform="logit")
    return [
        published,
        implied if summary.pi_low == summary.pi_low else None,
        *alone,
        _updated(result, published),
        _recommended(rate_key(outcome, "recommended.available"), counted, page),
        logit
        and of_pooled(
            rate_key(outcome, "logit"),
            logit,
            counted,
            "all studies with available counts: logit scale, inverse variance, random effects (DerSimonian-Laird),"
            " normal interval; tau2 on the logit scale",
            page,
        ),
        *(_subgroups(outcome, "book/heterogeneity-and-bias.html") if key == _SPLIT else []),
    ]


_SPLIT = ("monotherapy", "total", "ge75")
"""The rate that is given for subgroups too."""


def _of_counts(key: str, rows: pd.DataFrame, page: str) -> Entry | None:
    """Return the result of studies with counts by the review's method, or the only one's own; None: no result."""
    rows = by_study(rows)
    if len(rows) == 1:
        row = rows.iloc[0]
        low, high = map(float, proportion_interval(row.events, row.n))
        return Entry(
            key,
            row.events / row.n,
            low,
            high,
            k=1,
            participants=row.n,
            method="one study, with the score interval (Wilson 1927)",
            studies=(row.study,),
            page=page,
        )
    pooled = pool_counts(rows)
    return pooled and of_pooled(key, pooled, rows, f"the review's method: {REVIEW}", page)


def of_pooled(key: str, pooled: Pooled, rows: pd.DataFrame, method: str, page: str) -> Entry:
    """Return the entry of a pooled result of studies with counts; the studies that were left out are not in it."""
    used = rows[~pooled.dropped]
    entry = Entry(
        key,
        pooled.estimate,
        tau2=pooled.tau2,
        k=pooled.k,
        participants=used.n.sum(),
        method=method,
        studies=tuple(used.study),
        page=page,
        pooled=pooled,
    )
    # Studies too few to predict show in no prediction interval.
    ends = _ENDS if pooled.predicts else _ENDS[:3]
    return _cut(entry, **{name: getattr(pooled, name) for name in ends})


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
    return _cut(entry, **{name: getattr(updated, name) for name in _ENDS})


def _recommended(key: str, rows: pd.DataFrame, page: str) -> Entry | None:
    if len(rows) < 2:
        return None
    pooled = RECOMMENDED.pool(rows.events, rows.n)
    if pooled.estimate != pooled.estimate:
        return None
    return of_pooled(key, pooled, rows, f"{_MODEL}, on all studies with available counts", page)


_MODEL = "random-intercept logistic model, interval by Student's t, tau2 on the logit scale"


def _cut(entry: Entry, **ends: float) -> Entry:
    """Return an entry with other ends, those of a rate within 0 and 1."""
    return replace(entry, **{name: float(np.clip(value, 0, 1)) for name, value in ends.items()})


def _imputed(evidence: Evidence, regimen: str) -> dict[str, Entry]:
    """Return the rates of the whole body by the recommended method, the unavailable counts imputed."""
    found, known = {}, _rates(evidence, regimen)
    draws = None
    for outcome in evidence.all_outcomes():
        if (outcome.regimen, outcome.group) != (regimen, "total"):
            continue
        draws = draws or impute(block_of(evidence, regimen, "total"))
        entry = _over_imputations(draws, outcome, answer(known, outcome))
        if entry is not None:
            found[entry.key] = entry
    return found


def _over_imputations(draws: Draws, outcome: Outcome, whole: Entry) -> Entry | None:
    """Pool an outcome by the recommended method in every imputation, and combine the results; None: no imputations.

    Notes
    -----
    Combined on the logit scale by Rubin's rules (Rubin 1987, doi:10.1002/9780470316696, section 3.1), with Student's t
    on k - 1 degrees of freedom as in the method itself.
    """
    tolerance = draws.tolerance.get((outcome.threshold, outcome.group), _NAN)
    if tolerance != tolerance or not draws.converged:
        return None
    of = next(r.included for r in draws.block.rates if (r.threshold, r.group) == (outcome.threshold, outcome.group))
    m, new = len(draws.events), by_study(outcome.new)
    events = np.vstack([draws.events[:, of, THRESHOLDS.index(outcome.threshold)].T, *_repeated(new.events, m)])
    n = np.vstack([draws.n[:, of].T, *_repeated(new.n, m)])
    k = len(n)
    if k < 2:
        return None

    def find() -> dict[str, np.ndarray]:
        pooled = RECOMMENDED.pool(events, n)
        return {name: getattr(pooled, name) for name in ("estimate", "ci_low", "ci_high", "tau2")}

    pooled = cached("lib.simulations.coverage", find, "imputed", events, n)
    fitted = np.isfinite(pooled["ci_low"]) & np.isfinite(pooled["ci_high"])
    if fitted.sum() < 2:
        return None
    y, low, high = (special.logit(pooled[name][fitted]) for name in ("estimate", "ci_low", "ci_high"))
    quantile = float(special.stdtrit(k - 1, 0.975))
    se, m = (high - low) / (2 * quantile), len(y)
    reach = quantile * float(np.sqrt((se**2).mean() + (1 + 1 / m) * y.var(ddof=1)))
    return Entry(
        rate_key(outcome, "recommended"),
        *(float(special.expit(y.mean() + step)) for step in (0, -reach, reach)),
        tau2=float(pooled["tau2"][fitted].mean()),
        k=k,
        participants=float(np.median(n.sum(axis=0))),
        method=f"{_MODEL}, on all studies, the unavailable counts imputed {m} times from what was published and"
        " combined by Rubin's rules",
        studies=whole.studies,
        page=whole.page,
    )


def _repeated(values: pd.Series, m: int) -> list[np.ndarray]:
    return [np.repeat(values.to_numpy(float)[:, None], m, axis=1)] if len(values) else []


@dataclass(frozen=True)
class Choice:
    """A way to split studies with available counts into subgroups.

    Attributes
    ----------
    heading, column : str
        Its name, and the column of the counts that it is made by.
    names : Series
        Name of the subgroup of each study in it; its index is that of the counts.
    codes : dict of str to str
        Name of a subgroup -> its code.
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
"""Choices of studies: column, the subgroups that have a name, and the name of what is in none of them."""


def choices(counts: pd.DataFrame) -> list[Choice]:
    """Return the ways to split studies with counts that give two subgroups or more.

    Parameters
    ----------
    counts : DataFrame
        As `counts_of` returns it.
    """
    counts = counts.assign(
        tacrolimus=counts.concentration.where(counts.drug == "tacrolimus", ""),
        duration=np.where(counts.months <= 3, "short", np.where(counts.months > 3, "long", "")),
    )
    found = []
    for heading, (column, named, rest) in _CHOICES.items():
        names = counts[column].map(named).fillna(rest)
        if column == "tacrolimus":
            names = names[counts.drug == "tacrolimus"]
        if names.nunique() > 1:
            found.append(Choice(heading, column, names, {name: _slug(code) for code, name in named.items()}))
    return found


def _subgroups(outcome: Outcome, page: str) -> list[Entry | None]:
    counts = counts_of(outcome)
    entries = []
    for choice in choices(counts):
        for name in sorted(choice.names.unique()):
            key, rows = rate_key(outcome, choice.kind(name)), counts.loc[choice.names.index[choice.names == name]]
            entries.append((_of_counts if len(rows) == 1 else _recommended)(key, rows, page))
    return entries


# --- Comparisons and maintenance --------------------------------------------------------------------------


@shared
def _comparisons(evidence: Evidence) -> dict[str, Entry]:
    found = {}
    for question in evidence.questions.question:
        asked = comparisons.question(evidence, question)
        for threshold in THRESHOLDS:
            compared = comparisons.compare(asked.at(threshold))
            if compared is None:
                continue
            for name, pooled in (
                ("rr", compared.risk_ratio),
                ("or", compared.odds_ratio),
                ("rd", compared.risk_difference),
            ):
                least, most = (-1, 1) if name == "rd" else (0, np.inf)
                rows, ends = compared.rows[~pooled.dropped], _ENDS if pooled.predicts else _ENDS[:3]
                found[f"comparison.{question}.{threshold}.{name}"] = Entry(
                    f"comparison.{question}.{threshold}.{name}",
                    **{end: float(np.clip(getattr(pooled, end), least, most)) for end in ends},
                    tau2=pooled.tau2 if pooled.k > 1 else _NAN,
                    k=pooled.k,
                    participants=(rows.n + rows.control_n).sum(),
                    method=f"{_MEASURES[name]}, treated against control within each trial"
                    + (f", random effects ({comparisons.TAU2})" if pooled.k > 1 else ""),
                    studies=tuple(rows.study),
                    page="book/comparisons.html",
                    pooled=pooled,
                )
    return found


_MEASURES = {"rr": "risk ratio", "or": "odds ratio", "rd": "risk difference"}


@shared
def _maintenance(evidence: Evidence) -> dict[str, Entry]:
    found = {}
    for row in evidence.maintenance.itertuples():
        if row.depigmented != row.depigmented:
            continue
        key = maintenance_key(row.study, row.analysis, row.arm)
        low, high = map(float, proportion_interval(row.depigmented, row.n))
        found[key] = Entry(
            key,
            row.depigmented / row.n,
            low,
            high,
            k=1,
            participants=row.n,
            method=f"share of {row.unit} with any loss of pigment, with the score interval (Wilson 1927)",
            studies=(row.study,),
            page="book/maintenance.html",
        )
    return found


def maintenance_key(study: str, analysis: str, arm: str) -> str:
    """Return the key of a share of a maintenance trial, from the columns of its table."""
    return f"maintenance.{study}.{_slug(analysis)}.{_slug(arm)}"


def _slug(text: str) -> str:
    return re.sub(r"\W+", "_", text.lower()).strip("_")


# --- Results in text --------------------------------------------------------------------------------------


class Stated(str):
    """The text of a result for a cell of a table, which carries the key of the result.

    Attributes
    ----------
    key : str
        Key of the result.
    part : str
        What of it the text gives: "" the estimate with or without its interval, "prediction" the prediction interval.
    """

    key: str
    part: str

    def __new__(cls, text: str, key: str, part: str = "") -> Stated:
        """Return a text with its key."""
        made = super().__new__(cls, text)
        made.key, made.part = key, part
        return made

    def __reduce__(self):
        """Keep the key when it is copied or sent to another process."""
        return Stated, (str(self), self.key, self.part)

    def _repr_html_(self) -> str:
        part = f' data-part="{self.part}"' if self.part else ""
        return f'<span data-result="{html.escape(self.key)}"{part}>{html.escape(self)}</span>'


def stated(entry: Entry) -> str:
    """Return a result for a sentence, with its key: ``18.1% (95% CI 13.2% to 23.1%)`` in Markdown."""
    write = functools.partial(percent, digits=1) if entry.is_rate else ratio_number
    text = write(entry.estimate)
    if entry.ci_low == entry.ci_low:
        text += f" (95% CI {write(entry.ci_low)} to {write(entry.ci_high)})"
    return Stated(text, entry.key)._repr_html_()


def rounded(entry: Entry, digits: int = 0) -> str:
    """Return the rate of a result without its interval for a sentence, with its key: ``18%`` in Markdown."""
    return Stated(percent(entry.estimate, digits), entry.key)._repr_html_()


def predicted(entry: Entry) -> str:
    """Return the prediction interval of a rate for a sentence, with its key: ``3% to 73%`` in Markdown."""
    text = f"{percent(entry.pi_low)} to {percent(entry.pi_high)}"
    return Stated(text, entry.key, "prediction")._repr_html_()


def in_cell(entry: Entry | None, mark: str = "") -> str:
    """Return a rate with its interval for a cell of a table, with its key: ``18.1 (13.2–23.1)``; empty for None.

    A ``mark`` of a footnote follows the rate.
    """
    return Stated(span(entry.estimate, entry.ci_low, entry.ci_high) + mark, entry.key) if entry else ""


def prediction_in_cell(entry: Entry | None) -> str:
    """Return the prediction interval of a rate for a cell of a table, with its key; empty where there is none."""
    text = span(_NAN, entry.pi_low, entry.pi_high) if entry else ""
    return Stated(text, entry.key, "prediction") if text else ""


_REGIMENS = {
    "monotherapy": "With a topical calcineurin inhibitor alone",
    "phototherapy": "With a topical calcineurin inhibitor and phototherapy",
}
_PEOPLE = {
    "total": "patients (or patches)",
    "children": "children",
    "face_neck": "patients (or patches) treated on face and neck",
    "trunk_extremities": "patients (or patches) treated on trunk and extremities",
    "hands_feet": "patients (or patches) treated on hands and feet",
}


def headline(found: Mapping[str, Entry], outcome: Outcome) -> str:
    """Return the sentences that headline a rate, in Markdown: the rate, and beside it the recommended method's.

    Parameters
    ----------
    found : mapping of str to Entry
        As `results` returns it.
    outcome : Outcome
        The rate.

    Returns
    -------
    str
        The rate in bold; whether it is published or updated, and by which method; what the method that the chapter
        *Methods compared* recommends gives, from which studies; and of how many studies responder counts are available.
    """
    main, published = answer(found, outcome), found[rate_key(outcome, "published")]
    who, response = _PEOPLE[outcome.group], f"{THRESHOLDS_IN_WORDS[outcome.threshold]} repigmentation"
    rate = f"**{_REGIMENS[outcome.regimen]}, {stated(main)} of {who} achieved {response}.**"
    return f"{rate} {_origin(main, published, outcome)} {_beside(found, outcome)}"


def _origin(main: Entry, published: Entry, outcome: Outcome) -> str:
    """Say whether a headlined rate is published or updated, and by which method."""
    without = "" if published.ci_low == published.ci_low else ", without an interval"
    if main is published:
        return f"This is the rate as published by the 2019 review{without}; no new study reports this outcome."
    fresh = outcome.new.study.nunique()
    return (
        f"This is the rate published by the 2019 review, {stated(published)}{without}, updated with {fresh} new"
        f" {'study' if fresh == 1 else 'studies'} on the review's scale and with its kind of interval."
    )


def _beside(found: Mapping[str, Entry], outcome: Outcome) -> str:
    """Say what the recommended method gives, and how many studies have available counts."""
    listed, new = outcome.available_studies, outcome.new.study.nunique()
    unlisted = outcome.available.study.nunique() - listed
    k = listed + unlisted + new
    where = f"{listed} of the {outcome.studies:g} original studies"
    if unlisted:
        where += f", {unlisted} more that the review does not list for this rate"
    if new:
        where += f" and {new} new {'study' if new == 1 else 'studies'}"
    imputed, available = (of_rate(found, outcome, kind) for kind in ("recommended", "recommended.available"))
    method = "a logistic model with Student's t, see *Methods compared*"
    if imputed:
        says = (
            f"The method that this book recommends ({method}) gives {stated(imputed)} for all {imputed.k:g} studies,"
            " with the counts that are not available imputed from the published results"
        )
        alone = f"for only the {k} studies with available responder counts ({where}) it gives "
        few = f"responder counts are available for only {k} {'study' if k == 1 else 'studies'} ({where})"
        return f"{says}; {alone + stated(available) if available else few}."
    if available:
        return (
            f"The method that this book recommends ({method}) gives {stated(available)} for only the {k} studies with"
            f" available responder counts ({where})."
        )
    says = {
        0: "Responder counts are available for none of these studies, so there is no result",
        1: f"Responder counts are available for only one study ({where}), too few for a result",
    }.get(k, f"Responder counts are available for {k} studies ({where}), which give no result")
    return f"{says} by the method that this book recommends ({method})."
