"""The HTML of the explorer: its filters, the elements that its script fills, and what is shown without JavaScript.

Belongs here: controls, with the options that occur in the evidence, and the page around them. Does not belong here: the
data for the script (`records`), and anything that depends on a selection, which the script computes and shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lib.evidence import ALL_THRESHOLDS, GROUPS, REGIMEN_NAMES, REGIMENS, THRESHOLD_NAMES, Evidence
from lib.report import figures
from lib.report.chapters.rates import rates_by_group
from lib.report.explorer.records import arms_of, as_json, records
from lib.report.figures.saving import FILES
from lib.report.text_safety import for_html
from lib.report.wording import date_text, sentence_case

NOT_REPORTED = "not reported"

SCALES = {"raw": "raw proportions", "logit": "logits"}
ESTIMATORS = {"DL": "DerSimonian-Laird", "PM": "Paule-Mandel", "REML": "restricted maximum likelihood (REML)"}
INTERVALS = {"normal": "normal", "hksj": "Hartung-Knapp", "mkh": "modified Knapp-Hartung"}
"""Names of the methods that the script can compute, by their code in `lib.stats`. The first is that of the review."""


@dataclass(frozen=True)
class Explorer:
    """The explorer of one edition, as a page shows it.

    Attributes
    ----------
    html : str
        The page, except for the plots that are shown without JavaScript.
    static : tuple of Picture or Listing
        The plots that are shown without JavaScript.
    edition : str
        Date of the edition, in words.
    """

    html: str
    static: tuple[figures.Picture | figures.Listing, ...]
    edition: str

    def _repr_html_(self) -> str:
        # A strict Content-Security-Policy blocks styles within elements.
        plots = "".join(p.html() if isinstance(p, figures.Picture) else p._repr_html_() for p in self.static)
        return self.html.replace("<noscript></noscript>", f"<noscript>{plots}</noscript>", 1)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        files = [file for plot in self.static for file in plot._repr_mimebundle_()[1][FILES]]
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}, {FILES: files}

    def __repr__(self) -> str:
        return f"Explorer of the edition of {self.edition}; it needs a browser"


def explore(evidence: Evidence) -> Explorer:
    """Return the explorer, in which readers filter the studies of an edition and pool those that they select.

    Returns
    -------
    Explorer
        Shown by the book. It works in a page that loads ``explorer.js`` and ``explorer.css``; the extension
        ``book/_ext/explorer.py`` makes the chapter do so. Without JavaScript it shows static plots of all rates.
    """
    static = tuple(
        rates_by_group(
            evidence,
            regimen,
            [group for group in GROUPS if _is_published(evidence, regimen, group)],
            f"{REGIMEN_NAMES[regimen]}: response rates published by the 2019 review, and pooled from available counts.",
        )
        for regimen in REGIMENS
    )
    text = _PAGE.format(
        filters=_main_filters(evidence) + _more_filters(evidence) + _method(),
        data=as_json(records(evidence)),
    )
    return Explorer(text, static, date_text(evidence.as_of))


def _is_published(evidence: Evidence, regimen: str, group: str) -> bool:
    population, site = GROUPS[group]
    rates = evidence.published_rates
    rates = rates[(rates.place == "table3") & (rates.regimen == regimen)]
    return bool(((rates.population == population) & (rates.site == site)).any())


# --- Controls ---------------------------------------------------------------------------------------------


def _main_filters(evidence: Evidence) -> str:
    arms, counts = arms_of(evidence), evidence.reported_counts()
    yes_no = {"yes": "randomised", "no": "not randomised", "": NOT_REPORTED}
    responses = {code: f"{THRESHOLD_NAMES[code]} repigmentation" for code in ALL_THRESHOLDS[::-1]}
    populations = [*arms.population, *counts.population[counts.role.isin(REGIMENS)]]
    return "".join(
        [
            _choices("radio", "regimen", "Treatment", {**REGIMEN_NAMES, "": "either"}, first=REGIMENS[0]),
            _choices("radio", "threshold", "Response", responses, first="ge75"),
            _choices("radio", "site", "Body site", evidence.meaning("site"), first="all"),
            _codes(evidence, "population", "Age of those counted", populations),
            _choices("checkbox", "drug", "Drug", _by_frequency(arms.drug)),
            _choices("checkbox", "concentration", "Concentration", _by_frequency(arms.concentration)),
            _choices("checkbox", "randomised", "Allocation", _occurring_codes(yes_no, arms.randomised)),
        ]
    )


def _more_filters(evidence: Evidence) -> str:
    arms = arms_of(evidence)
    counts = evidence.reported_counts()
    counts = counts[counts.role.isin(REGIMENS)]
    blinding = {**evidence.meaning("blinding"), "": NOT_REPORTED}
    subtypes = [code.strip() for text in arms.subtype for code in text.split(";")]
    countries = {name: name or NOT_REPORTED for name in sorted({*arms.country}, key=lambda name: (not name, name))}
    fields = [
        _choices("checkbox", "blinding", "Blinding", _occurring_codes(blinding, arms.blinding)),
        _codes(evidence, "design", "Design", arms.design),
        _codes(evidence, "subtype", "Type of vitiligo", subtypes),
        _codes(evidence, "edition", "Included by", arms.edition),
        _codes(evidence, "unit", "Unit counted", counts.unit),
        _codes(evidence, "basis", "Basis of the count", counts.basis),
        _codes(evidence, "confidence", "Confidence in the count", counts.confidence),
        _range("year", "Year of publication", arms.year, "1"),
        _range("duration", "Months of treatment", arms.duration_months, "any"),
        _choices("checkbox", "country", "Country", countries, "explorer-many"),
    ]
    return _folded("More filters", "".join(fields))


def _method() -> str:
    fields = [
        _menu("scale", "Scale on which proportions are pooled", SCALES),
        _menu("tau2", "Estimator of the variance between studies (tau²)", ESTIMATORS),
        _menu("ci", "Confidence interval", INTERVALS),
    ]
    note = (
        "<p>The first option of each menu is the method of the 2019 review. On the scale of raw proportions, a study in"
        " which nobody or everybody responded has no weight and is left out; on the logit scale it is included. The"
        ' logistic model, which <a href="methods-compared.html">Methods compared</a> recommends, and results with'
        " imputed counts cannot be computed on this page; they are in"
        ' <a href="update.html">Updated response rates</a>.</p>'
    )
    return _folded("Method", "".join(fields) + note)


def _occurring_codes(names: dict[str, str], values: Iterable[str]) -> dict[str, str]:
    occurring = {*values}
    return {code: name for code, name in names.items() if code in occurring}


def _by_frequency(values: pd.Series) -> dict[str, str]:
    return {
        value: value or NOT_REPORTED
        for value in values.value_counts().sort_index().sort_values(kind="stable")[::-1].index
    }


def _choices(kind: str, name: str, legend: str, options: dict[str, str], style: str = "", *, first: str = "") -> str:
    """Return a group of radio buttons or checkboxes; ``first`` is the button that is pressed at the start."""
    inputs = []
    for value, text in options.items():
        checked = " checked" if kind == "radio" and value == first else ""
        inputs.append(
            f'<label><input type="{kind}" name="{name}" value="{for_html(value)}"{checked}> {for_html(text)}</label>'
        )
    return f'<fieldset class="{style}"><legend>{for_html(legend)}</legend>{"".join(inputs)}</fieldset>'


def _codes(evidence: Evidence, code_list: str, legend: str, values: Iterable[str]) -> str:
    """Return checkboxes for the codes of a list that occur among some values."""
    return _choices("checkbox", code_list, legend, _occurring_codes(evidence.meaning(code_list), values))


def _menu(name: str, label: str, options: dict[str, str]) -> str:
    items = "".join(f'<option value="{value}">{for_html(text)}</option>' for value, text in options.items())
    return f'<label class="explorer-menu">{for_html(label)} <select name="{name}">{items}</select></label>'


def _range(name: str, legend: str, values: pd.Series, step: str) -> str:
    """Return two fields for the least and the largest value; empty ones do not restrict the selection."""
    if values.notna().sum() == 0:
        return ""
    low, high = f"{values.min():g}", f"{values.max():g}"
    fields = "".join(
        f'<label>{end} <input type="number" name="{name}-{end}" min="0" step="{step}" placeholder="{limit}"></label>'
        for end, limit in (("from", low), ("to", high))
    )
    return f'<fieldset class="explorer-range"><legend>{for_html(legend)}</legend>{fields}</fieldset>'


def _folded(summary: str, content: str) -> str:
    return f'<details><summary>{sentence_case(summary)}</summary><div class="explorer-fields">{content}</div></details>'


_PAGE = """<div class="explorer" id="explorer">
<p data-part="waiting">The filters need JavaScript and work only on the website of the book. The chapters on
<a href="monotherapy.html">monotherapy</a>, <a href="phototherapy.html">phototherapy</a> and
<a href="children-and-sites.html">children and body sites</a> show the same studies in plots.</p>
<noscript></noscript>
<div data-part="app" hidden>
<form data-part="form" aria-label="Filters" autocomplete="off"><div class="explorer-fields">{filters}</div>
<p class="explorer-buttons"><button type="button" data-part="clear">Remove all filters</button></p></form>
<h2>Result</h2>
<p class="explorer-selection" data-part="selection"></p>
<div class="explorer-answer" role="status" aria-live="polite" aria-atomic="true">
<p data-part="answer"></p><p data-part="uncounted"></p></div>
<ul data-part="notes"></ul>
<div data-part="plot"></div>
<div data-part="table" class="review-table" role="region" tabindex="0" aria-label="Studies with available counts">
<table class="review explorer-table"><caption>Studies with available counts, one row each</caption>
<thead><tr><th scope="col">Study</th><th scope="col" class="numeric">Responders</th>
<th scope="col" class="numeric">Rate (95% CI)</th><th scope="col" class="numeric">Weight</th></tr></thead>
<tbody data-part="studies"></tbody></table></div>
<p class="explorer-buttons"><button type="button" data-part="more" hidden></button></p>
<dl data-part="statistics">
<div><dt>Where the true rate of another study is expected (95% prediction interval)</dt>
<dd data-part="pi"></dd></div>
<div><dt>Share of the variation between studies that chance does not explain (I²)</dt><dd data-part="i2"></dd></div>
<div><dt>Variance between studies, on the scale of the method (tau²)</dt><dd data-part="tau2"></dd></div>
<div><dt>Total variation in relation to that expected by chance (H²)</dt><dd data-part="h2"></dd></div>
<div><dt>Test of heterogeneity (Cochran’s Q)</dt><dd data-part="q"></dd></div>
<div><dt>Method</dt><dd data-part="method"></dd></div></dl>
<h2>Studies without available counts</h2>
<div data-part="without"></div>
<details data-part="mixed"><summary data-part="mixed-title"></summary><div data-part="mixed-list"></div></details>
<details data-part="further"><summary data-part="further-title"></summary><div data-part="further-list"></div></details>
<h2>Download</h2>
<p class="explorer-buttons"><button type="button" data-part="csv">Studies (CSV)</button>
<button type="button" data-part="svg">Plot (SVG)</button> <button type="button" data-part="png">Plot (PNG)</button>
<span role="status" data-part="done"></span></p>
<details><summary>Python code for this result (run in the project’s folder)</summary>
<pre tabindex="0"><code data-part="python"></code></pre></details>
</div>
<script type="application/json" data-part="data">{data}</script>
</div>"""
