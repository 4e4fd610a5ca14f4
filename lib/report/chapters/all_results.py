"""The list of all registered results with their methods, studies and reports; every stated number links to its entry.

Belongs here: the page *All results*. Does not belong here: the results themselves (`lib.report.registry`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from lib.evidence import GROUP_NAMES, REGIMEN_NAMES, THRESHOLD_NAMES, Evidence
from lib.report.chapters.comparison_effects import per_100
from lib.report.chapters.result_formulas import formula_of
from lib.report.citations import identifiers
from lib.report.entries import Entry, slug
from lib.report.marked_text import page_link, result_anchor, study_link
from lib.report.rate_entries import SUBGROUP_NAMES
from lib.report.registry import every_result
from lib.report.tables.names import label_by_key
from lib.report.tables.table import MANY, cell_html
from lib.report.text_safety import Html, template
from lib.report.wording import NOTHING, fixed, ratio_number, ratio_text, sentence_case, span
from lib.simulations.coverage import METHODS

_WORDS = {
    "any": "any repigmentation",
    "available": "studies with available counts",
    "difference": "difference in responders",
    "dl": "DerSimonian-Laird",
    "eb": "empirical Bayes",
    "filled": "with trim and fill",
    "hartung_knapp": "Hartung-Knapp",
    "he": "Hedges",
    "i2": "I²",
    "imputed": "with imputed counts",
    "implied": "with implied τ²",
    "logit": "on the logit scale",
    "method": "by the method",
    "ml": "maximum likelihood",
    "new": "new studies",
    "nnt": "number needed to treat",
    "or": "odds ratio",
    "paule_mandel": "Paule-Mandel",
    "pm": "Paule-Mandel",
    "published": "as published",
    "raw": "on the scale of proportions",
    "rd": "risk difference",
    "recommended": "recommended method",
    "reml": "restricted maximum likelihood",
    "rr": "risk ratio",
    "sj": "Sidik-Jonkman",
    "tau2": "between-study variance (τ²)",
    "with": "responders with the treatment",
    "without": "responders without the treatment",
    **{slug(f"{method.transform} {method.tau2} {method.ci}"): method.name for method in METHODS},
    **SUBGROUP_NAMES,
    **GROUP_NAMES,
    **REGIMEN_NAMES,
    **THRESHOLD_NAMES,
}
"""Words for one or two parts of a key. A part that is not listed here is shown with spaces in place of underscores."""

_PAGE = template(
    """\
{% for heading, rows in groups %}
<div class="review-table"><table class="review review-results"{{ " data-sortable" if rows | length >= MANY }}>
<caption>{{ heading }}</caption>
<thead><tr><th scope="col">Result</th><th scope="col" class="numeric">Estimate (95% CI)</th>
<th scope="col" class="numeric">Studies (n)</th></tr></thead>
<tbody>
{% for row in rows %}
<tr id="{{ row.anchor }}"><td>{{ row.name }}</td><td class="numeric">{{ row.estimate }}</td>
<td class="numeric">{{ row.basis }}</td></tr>
<tr class="detail"><td colspan="3"><div><a href="#{{ row.formula }}">{{ row.method }}</a>. Stated in {{ row.page }}.
{% if row.same_as %}Studies: those of <a href="#{{ row.same_as.anchor }}">{{ row.same_as.name }}</a>.
{% else %}
{% for name, links in row.studies %}
{{ "Studies: " if loop.first }}{{ name }}{{ " " if links }}{{ links | join(" ") }}{{ "." if loop.last else ", " }}
{% endfor %}
{% endif %}
<code>{{ row.key }}</code></div></td></tr>
{% endfor %}
</tbody></table></div>
{% endfor %}
"""
)


class Results:
    """All registered results of an edition, as a page shows them, in tables by regimen and question.

    Examples
    --------
    >>> from lib import evidence
    >>> page = Results(evidence.load("data"))._repr_html_()
    >>> 'id="result-rate.monotherapy.total.ge75.updated"' in page
    True
    """

    def __init__(self, evidence: Evidence):
        self.evidence = evidence
        self.entries = every_result(evidence)

    def __repr__(self) -> str:
        return f"{len(self.entries)} results"

    def _repr_html_(self) -> str:
        return _PAGE.render(groups=list(self._groups()), MANY=MANY)

    def _groups(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yield the heading and rows of each table."""
        names, words = label_by_key(self.evidence), words_of_keys(self.evidence)
        reports = {
            study: [Html(cell_html(source)) for source in identifiers(self.evidence, study)[:1]] for study in names
        }
        groups: dict[tuple[str, str], list[Entry]] = {}
        for entry in self.entries.values():
            kind, subject, *_ = entry.key.split(".")
            groups.setdefault((kind, subject), []).append(entry)
        for (kind, subject), group in groups.items():
            rows: list[dict[str, Any]] = []
            for entry in group:
                row: dict[str, Any] = {
                    "anchor": result_anchor(entry.key),
                    "key": entry.key,
                    "name": result_name(entry.key, words),
                    "estimate": estimate_html(entry),
                    "basis": basis(entry),
                    "method": method_text(entry.method, names),
                    "formula": formula_of(entry.method).anchor,
                    "page": Html(page_link(entry.page.removeprefix("book/"))._repr_html_()),
                    "studies": [
                        (Html(study_link(names[study], study)._repr_html_()), reports[study])
                        for study in dict.fromkeys(entry.studies)
                    ],
                }
                # The studies are listed once where several entries in a row have the same ones.
                is_same = bool(rows and row["studies"] and row["studies"] == rows[-1]["studies"])
                row["same_as"] = (rows[-1]["same_as"] or rows[-1]) if is_same else None
                rows.append(row)
            yield heading(kind, subject, words), rows


def words_of_keys(evidence: Evidence) -> dict[str, str]:
    """Return the words for the parts of keys: names of studies and questions, texts of the data, and `_WORDS`."""
    questions: dict[str, str] = evidence.questions.set_index("question").label.to_dict()
    names = label_by_key(evidence)
    of_studies = {
        f"{part}.{study}": words.format(name)
        for part, words in (("trial", "{} alone"), ("until", "studies up to {}"), ("without", "without {}"))
        for study, name in names.items()
    }
    maintenance, later = evidence.maintenance, evidence.later_reviews
    texts = pd.concat([maintenance.analysis, maintenance.arm, later.comparison, later.outcome]).unique()
    reviews = dict(zip(later.review, later.label, strict=True))
    return {slug(text): text for text in texts} | names | reviews | of_studies | questions | _WORDS


def heading(kind: str, subject: str, words: Mapping[str, str]) -> str:
    """Return the heading of a group of results, from the first two parts of their keys."""
    return f"{sentence_case(kind.replace('_', ' '))}: {words.get(subject, subject.replace('_', ' '))}"


def result_name(key: str, words: Mapping[str, str]) -> str:
    """Return the name of a result in words, from the parts of its key after the subject.

    Examples
    --------
    >>> words = {"ge50": "≥50%", "without.x": "without Example 2020"}
    >>> result_name("rate.monotherapy.children.ge50.correlation_0_3.without.x", words)
    'Children, ≥50%, correlation 0.3, without Example 2020'
    """
    parts, names = key.split(".")[2:], []
    while parts:
        pair = ".".join(parts[:2])
        names.append(words.get(pair) or words.get(parts[0]) or _DECIMAL.sub("0.", parts[0]).replace("_", " "))
        parts = parts[2 if pair in words else 1 :]
    return sentence_case(", ".join(names))


_DECIMAL = re.compile(r"(?<!\d)0_(?=\d)")
"""The form of ``0.`` before other digits within a part of a key."""


def method_text(method: str, names: Mapping[str, str]) -> str:
    """Return the text of a method for readers, with the names of studies in place of their keys.

    Examples
    --------
    >>> method_text("all studies without example2020: tau2 by REML", {"example2020": "Example 2020"})
    'All studies without Example 2020: τ² by REML'
    """
    return sentence_case(re.sub(r"\w+", lambda word: names.get(word[0], word[0]), method)).replace("tau2", "τ²")


def estimate_html(entry: Entry) -> Html:
    """Return the estimate of a result with its interval, or the interval alone, with the key of the result."""
    part = Html(' data-part="interval"') if entry.estimate != entry.estimate else ""
    return Html('<span data-result="{}"{}>{}</span>').format(entry.key, part, estimate_text(entry))


def estimate_text(entry: Entry) -> str:
    """Return the estimate of a result with its interval, in the form of its scale; a dash if there is none."""
    values = entry.estimate, entry.ci_low, entry.ci_high
    if entry.estimate != entry.estimate and entry.ci_low != entry.ci_low:
        return NOTHING
    if entry.scale == "rate":
        return span(*values)
    if entry.scale == "ratio":
        return ratio_text(*values) if entry.ci_low == entry.ci_low else ratio_number(entry.estimate)
    if entry.scale == "difference":
        return per_100(*values)
    texts = [fixed(value, 0 if float(value).is_integer() else 3) for value in values if value == value]
    if entry.estimate != entry.estimate:
        return "–".join(texts)
    return texts[0] + (f" ({texts[1]}–{texts[2]})" if len(texts) == 3 else "")


def basis(entry: Entry) -> str:
    """Return the number of studies of a result and the number of their participants, as far as these are known."""
    studies = "" if entry.k != entry.k else f"{entry.k:g}"
    return studies if entry.participants != entry.participants else f"{studies} ({entry.participants:g})".strip()
