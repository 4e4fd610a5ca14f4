"""The book's tables, and counts and dates in its sentences, from evidence and results.

What belongs here: what each table shows, captions, and how counts, dates and coverage are written in prose. What does
not: statistics, and results with a key (`registry`). Text from the data is escaped here, once, for every table.
"""

from __future__ import annotations

import datetime as dt
import html
import re
import urllib.parse
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler
from pybtex.richtext import Text

from lib.evidence import GROUP_NAMES, REGIMEN_NAMES, THRESHOLD_NAMES, THRESHOLDS, Evidence, Outcome
from lib.published import Result, Updated, by_study
from lib.report.figures import percent
from lib.report.registry import Entry, Stated, at_edge, in_cell, of_rate, prediction_in_cell
from lib.stats import ENOUGH_TO_PREDICT, Pooled

NOTHING = "–"


# --- Numbers in sentences ---------------------------------------------------------------------------------


def rate(result: Outcome | Pooled | Updated) -> str:
    """Return a pooled rate with its interval for a sentence: ``18.1% (95% CI 13.2% to 23.1%)``."""
    estimate = percent(result.estimate, 1)
    if result.ci_low != result.ci_low:
        return estimate
    return f"{estimate} (95% CI {percent(result.ci_low, 1)} to {percent(result.ci_high, 1)})"


def count(n: float, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``count(2, "study", "studies") == "2 studies"``."""
    return f"{n:g} {noun if n == 1 else plural or noun + 's'}"


def date_text(day: dt.date) -> str:
    """Return a date as prose writes it: ``6 August 2018``."""
    return f"{day.day} {day:%B %Y}"


def plain(text: str) -> str:
    """Return text from the data for use in a Markdown sentence: nothing in it is taken for markup."""
    return re.sub(r"[^\w\s]", lambda sign: f"&#{ord(sign[0])};", text)


def coverage(outcome: Outcome) -> str:
    """Return of how many studies of the review counts are available: ``3 of 19 studies, 56 of 520 participants``."""
    patients = f" of {outcome.patients:g} participants" if outcome.patients == outcome.patients else " participants"
    text = f"{outcome.available_studies} of {outcome.studies:g} studies, {outcome.available_patients}{patients}"
    unlisted = outcome.available.study[~outcome.available.listed].nunique()
    return f"{text}, and {count(unlisted, 'study', 'studies')} not on the review's list" if unlisted else text


def outcome_name(outcome: Outcome) -> str:
    """Return the name of an outcome: ``TCI monotherapy, children, ≥75%``."""
    group = "" if outcome.group == "total" else f", {GROUP_NAMES[outcome.group].lower()}"
    return f"{REGIMEN_NAMES[outcome.regimen]}{group}, {THRESHOLD_NAMES[outcome.threshold]}"


def forest_caption(outcome: Outcome, ranges: pd.DataFrame | None = None) -> str:
    """Return the caption of an outcome's forest plot: what it shows, and how much of it is public or only possible."""
    caption = f"{outcome_name(outcome)} repigmentation. Responder counts of the original studies: {coverage(outcome)}."
    shown = pd.concat([outcome.available, outcome.new])
    studies = by_study(shown)
    for rows, text in (
        (studies[at_edge(studies)], "At 0% or 100%, and so not in the pooled available or new counts"),
        *_patches(shown),
        (shown[shown.confidence == "low"], "Counts of low confidence"),
    ):
        if len(rows):
            names = dict.fromkeys(rows.label)
            caption += f" {text}: {', '.join(names) if len(names) <= _FEW else f'{len(names)} studies'}."
    if ranges is not None and len(ranges):
        caption += " Dotted lines are not data: they show the range of rates compatible with the published results."
    if outcome.refs_of_row:
        caption += " The review lists the studies of the whole row of its Table 3, not of this threshold."
    if not outcome.available.listed.all():
        caption += " † Not on that list." if outcome.refs_of_row else " † Not on the review's list for this rate."
    return caption


def _patches(rows: pd.DataFrame) -> list[tuple[pd.DataFrame, str]]:
    """Split the counts of patches by whether a patient could have more than one, as the numbers of patients tell."""
    rows = rows[rows.unit == "patches"]
    several, one = rows.n > rows.enrolled.fillna(rows.completed), rows.n == rows.completed
    unit = "Unit of analysis: patches"
    return [
        (rows[several], f"{unit} (more than one per patient)"),
        (rows[~several & one], f"{unit} (as many as patients)"),
        (rows[~several & ~one], f"{unit} (possibly more than one per patient)"),
    ]


_FEW = 12
"""Studies that a caption names; of more it says how many they are."""


# --- Tables -----------------------------------------------------------------------------------------------

_LONG = 400
"""Rows above which a table scrolls within its page, so that what follows it can be reached."""


class Table:
    """A table as a page shows it: caption, escaped cells, and a note below.

    Parameters
    ----------
    frame : DataFrame
        What it shows, as text, numbers or results with their key (`registry.Stated`); the index, if it has a name,
        heads groups of rows.
    caption, note : str
        Plain text.
    numeric : sequence of str
        Columns set to the right.
    folded : bool
        Whether the reader sees the caption only until it is opened.
    detail : str
        Column set as a line of its own below each row, over the whole width; empty: none.
    """

    def __init__(
        self, frame: pd.DataFrame, caption: str, note: str = "", numeric=(), folded: bool = False, detail: str = ""
    ):
        self.frame, self.caption, self.note = frame, caption, note
        self.numeric, self.folded, self.detail = tuple(numeric), folded, detail

    def _repr_html_(self) -> str:
        grouped = self.frame.index.name is not None
        style = self.frame.drop(columns=self.detail or []).reset_index(drop=True)
        styler = Styler(style, cell_ids=False).format(_cell).format_index(escape="html", axis=1).hide(axis="index")
        styler = styler.set_table_attributes('class="review"').set_caption(html.escape(self.caption))
        classes = pd.DataFrame("", index=style.index, columns=style.columns)
        classes[[c for c in self.numeric if c in style]] = "numeric"
        text = styler.set_td_classes(classes).set_uuid("").to_html()
        # Styler opens with a style element, empty here, and an id that every table would share.
        text = text[text.index("<table") :].replace(' id="T_"', "", 1)
        groups = list(self.frame.index) if grouped else []
        details = list(self.frame[self.detail]) if self.detail else []
        text = _with_wide_rows(text, groups, details, style.shape[1])
        note = f'<p class="review-note">{html.escape(self.note)}</p>' if self.note else ""
        scrolls = f' review-scroll" role="region" tabindex="0" aria-label="{html.escape(self.caption)}'
        text = f'<div class="review-table{scrolls if len(self.frame) > _LONG else ""}">{text}</div>{note}'
        if not self.folded:
            return text
        return f'<details class="review-folded"><summary>{html.escape(self.caption)}</summary>{text}</details>'

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.frame.to_string(max_rows=_LONG)}"


def _cell(value) -> str:
    if value is None or value != value or value == "":
        return NOTHING
    if isinstance(value, Stated):
        return value._repr_html_()
    if isinstance(value, float):
        return f"{value:g}"
    text = html.escape(str(value))
    for pattern, address, shown in _LINKS:
        if match := re.fullmatch(pattern, str(value)):
            target = html.escape(address + urllib.parse.quote(match[1], safe="/:?&=%+.-_~()"))
            return f'<a href="{target}">{html.escape(shown or match[2])}</a>'
    return text


_LINKS = (
    (r"doi:(10\.\S+)", "https://doi.org/", "DOI"),
    (r"pmid:(\d+)", "https://pubmed.ncbi.nlm.nih.gov/", "PubMed"),
    (r"(https?://([^/\s]+)\S*)", "", ""),
)
"""Sources that can be followed: pattern, what goes before its first group, and the text shown (empty: the host)."""


def _with_wide_rows(text: str, groups: list[str], details: list[str], width: int) -> str:
    """Put a heading row before the first row of each group, and the detail of each row below it."""
    head, body = text.split("<tbody>")
    first, *rows = body.split("<tr>")
    rows[-1:], end = [rows[-1].split("</tbody>")[0]] if rows else [], "</tbody>" + body.split("</tbody>")[1]
    out = [head, "<tbody>", first if rows else first.split("</tbody>")[0]]
    for i, row in enumerate(rows):
        if groups and (i == 0 or groups[i] != groups[i - 1]):
            name = html.escape(str(groups[i]))
            out.append(f'<tr class="group"><th colspan="{width}" scope="colgroup"><div>{name}</div></th></tr>\n')
        out.append("<tr>" + row)
        if details:
            out.append(f'<tr class="detail"><td colspan="{width}"><div>{_cell(details[i])}</div></td></tr>\n')
    return "".join([*out, end])


def _words(evidence: Evidence, code_list: str, codes: pd.Series) -> pd.Series:
    meaning = evidence.meaning(code_list)
    return codes.map(lambda text: ", ".join(meaning.get(c.strip(), c.strip()) for c in text.split(";") if c))


def _by(rows: pd.DataFrame, *columns: str) -> dict[tuple, list]:
    """Return the rows of a table by what is in the columns: to look in the whole table for each study takes long."""
    found = {}
    for key, row in zip(zip(*(rows[name] for name in columns), strict=True), rows.itertuples(), strict=True):
        found.setdefault(key, []).append(row)
    return found


def _arm_text(arm) -> str:
    parts = [] if arm.drug == "none" else [" ".join(t for t in (arm.drug, arm.concentration) if t)]
    if arm.frequency:
        parts[-1:] = [f"{parts[-1]} {arm.frequency}"] if parts else []
    if arm.given_with:
        parts.append(arm.given_with)
    if arm.phototherapy != "none":
        light = arm.phototherapy.replace("NBUVB", "NB-UVB")
        parts.append(f"{light} {arm.phototherapy_frequency}".strip())
    return " + ".join(parts) or "no treatment"


def _enrolled_text(arm) -> str:
    shown = [f"{n:g}" if n == n else "?" for n in (arm.enrolled, arm.completed)]
    return "" if shown == ["?", "?"] else "/".join(shown)


def studies(evidence: Evidence, edition: str) -> Table:
    """Table 2 of the review, for one edition: each study with its arms."""
    # An arm of "one drug or the other" holds counts of several arms together and is none of its own.
    arms = _by(evidence.arms[~evidence.arms.drug.str.contains(" or ")], "study", "part")
    rows = []
    for study in evidence.included(edition).itertuples():
        design = [study.design, study.blinding, "RCT" if study.randomised == "yes" else ""]
        rows.append(
            {
                "Study": study.label,
                "Ref.": study.review_ref,
                "Country": study.country,
                "Design": ", ".join(d for d in design if d),
                "Population": study.population,
                "Subtype": study.subtype.replace(";", ", "),
                "Assessed": study.assessment.replace(";", ", "),
                "Months": study.duration_months,
                "Arms (enrolled/completed)": "; ".join(
                    f"{_arm_text(arm)} ({_enrolled_text(arm)})".replace(" ()", "")
                    for arm in arms.get((study.study, study.part), ())
                ),
            }
        )
    note = (
        "SA single arm; WP within patient (the arms share their patients); PD parallel; DB double-blind; SB"
        " single-blind; OL open label; ND not determined; NSV nonsegmental; SV segmental; NB-UVB narrowband UV-B; EL"
        " excimer light or laser. Below each study: its arms, with the numbers of patients enrolled and completed. A"
        " dash or a question mark: not determined or not available."
    )
    title, frame = "Studies of the update", pd.DataFrame(rows)
    if edition == "original":
        title, note = "Studies of the 2019 review", f"{note} Ref.: reference number in the 2019 review."
    else:
        frame = frame.drop(columns="Ref.", errors="ignore")
    return Table(frame, title, note, numeric=["Ref.", "Months"], detail="Arms (enrolled/completed)")


def characteristics(evidence: Evidence, edition: str) -> dict[str, pd.Series]:
    """Count the studies of one edition by country, year, design, drug and duration, for `figures.bars`."""
    studies = evidence.included(edition)
    arms = evidence.arms[(evidence.arms.role != "comparator") & evidence.arms.study.isin(studies.study)]
    design = _words(evidence, "design", studies.design).str.capitalize()
    design = design + studies.randomised.map({"yes": ", randomised"}).fillna("")
    drugs = arms.drug + " " + arms.concentration.where(~arms.concentration.str.contains(";"), "mixed")
    return {
        "Country": _studies_by(studies, studies.country),
        "Year": _studies_by(studies, studies.year),
        "Design": _studies_by(studies, design),
        "Drug and concentration": _studies_by(arms, drugs),
        "Duration, months": _studies_by(studies, studies.duration_months),
    }


def _studies_by(rows: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Count studies by a value: numbers in order, words by frequency, studies without the value last."""
    if pd.api.types.is_numeric_dtype(values):
        counted = rows.study.groupby(values).nunique()
        counted.index = [f"{value:g}" for value in counted.index]
    else:
        values = values.str.strip().replace("", None)
        counted = rows.study.groupby(values).nunique().sort_values(ascending=False, kind="stable")
    unseen = rows.study[values.isna()].nunique()
    return pd.concat([counted, pd.Series({"not available": unseen})]) if unseen else counted


def flow_steps(evidence: Evidence) -> dict[str, list[tuple[str, str]]]:
    """Return the flow of records for `figures.flow`: the original review's, and the update's where there is one."""
    n = evidence.flow.set_index("step").n
    reasons = evidence.flow[evidence.flow.step.str.startswith("excluded_")]
    kinds = evidence.study_counts("original")
    columns = {
        "2019 review, to August 2018": [
            (
                f"Records identified by database searches (n = {n.identified})",
                f"Removed on title and abstract (n = {n.removed})",
            ),
            (
                f"Full texts assessed for eligibility (n = {n.assessed})",
                f"Full texts excluded (n = {reasons.n.sum()})\n"
                + "\n".join(f"• {r.label} ({r.n})" for r in reasons.itertuples()),
            ),
            (
                f"Studies included (n = {n.included})\nMechanism ({kinds['mechanism']})\n"
                f"Monotherapy ({kinds['monotherapy']})\nWith phototherapy ({kinds['phototherapy']})\n"
                f"Maintenance ({kinds['maintenance']})",
                "",
            ),
        ]
    }
    records = evidence.screening
    if len(records):
        decided = records.decision.value_counts()
        excluded = records[records.decision == "excluded"].exclusion.value_counts()
        meaning = evidence.meaning("exclusion")
        columns["Update, since August 2018"] = [
            (
                f"Records identified in published abstracts (n = {len(records)})",
                f"Excluded (n = {decided.get('excluded', 0)})\n"
                + "\n".join(f"• {text} ({excluded[kind]})" for kind, text in meaning.items() if kind in excluded),
            ),
            (
                f"Eligible or possibly eligible (n = {len(records) - decided.get('excluded', 0)})",
                f"Awaiting full text ({decided.get('awaiting_full_text', 0)})\n"
                f"Awaiting classification ({decided.get('awaiting_classification', 0)})",
            ),
            (f"Studies included (n = {decided.get('included', 0)})", ""),
        ]
    return columns


def remarks(evidence: Evidence, *studies_shown: pd.DataFrame) -> Table:
    """Limitations of the studies shown, and what their reports say about size, population, unit and dose."""
    names = _label_by_key(evidence)
    concerns, facts = _by(evidence.concerns, "study"), _by(evidence.report_facts, "study")
    rows = []
    for key in dict.fromkeys(key for frame in studies_shown for key in frame.study):
        rows += [(names[key], "Limitation", row.concern) for row in concerns.get((key,), ())]
        said = [
            f"{fact.field.replace('_', ' ')}{f' ({fact.arm})' if fact.arm else ''}: {fact.value}{_in_brackets(fact)}"
            for fact in facts.get((key,), ())
        ]
        rows += [(names[key], "From its report", "; ".join(said))] if said else []
    frame = pd.DataFrame(rows, columns=["Study", "Kind", "Remark"])
    frame["Remark"] = _with_labels(evidence, frame.Remark)
    caption = f"Limitations of these studies: {count(len(frame), 'remark')}"
    return Table(frame, caption, folded=True, detail="Remark")


def _in_brackets(fact) -> str:
    notes = ["inferred"] * (fact.inferred == "yes" and "inferred" not in fact.note) + [fact.note] * bool(fact.note)
    return f" ({'; '.join(notes)})" if notes else ""


def counts(evidence: Evidence, rows: pd.DataFrame) -> Table:
    """Reported counts with how each was got and from where."""
    basis = _words(evidence, "basis", rows.basis)
    pooled, why = (_words(evidence, column, rows[column]) for column in ("poolable", "why_not"))
    frame = pd.DataFrame(
        {
            "Study": rows.label,
            "Arm": rows.arm,
            "Response": _words(evidence, "threshold", rows.threshold),
            "Site": rows.site_detail.where(rows.site_detail != "", _where(evidence, rows)),
            "Events/n": [f"{r.events:g}/{r.n:g} {r.unit}" for r in rows.itertuples()],
            "Source": rows.source,
            "detail": [
                f"{how.capitalize()}, {r.confidence} confidence"
                + (f": {r.derivation}" if r.derivation else "")
                + (f". {whether.capitalize()}: {reason}" if reason else "")
                + (f" ({r.remark})" if r.remark else "")
                for how, whether, reason, r in zip(basis, pooled, why, rows.itertuples(), strict=True)
            ],
        }
    )
    caption = f"Counts and where they come from: {count(len(rows), 'count')}"
    return Table(frame, caption, folded=True, detail="detail")


def _where(evidence: Evidence, rows: pd.DataFrame) -> list[str]:
    sites, subtypes = evidence.meaning("site"), evidence.meaning("subtype")
    parts = (
        (sites[row.site], subtypes.get(row.subtype, ""), "children" if row.population == "children" else "")
        for row in rows.itertuples()
    )
    return [", ".join(filter(None, part)) for part in parts]


def heterogeneity(results: Mapping[str, Entry | None]) -> Table:
    """Pooled results with their heterogeneity, one row each; None: fewer than two studies to pool."""
    rows = []
    for name, result in results.items():
        pooled = result.pooled if result else None
        if pooled is None:
            rows.append({"Result": name, "Studies": "fewer than 2"})
            continue
        rows.append(
            {
                "Result": name,
                "Studies": f"{pooled.k}",
                "% (95% CI)": in_cell(result),
                "Prediction": prediction_in_cell(result),
                "τ²": f"{pooled.tau2:.3f}",
                "I²": percent(pooled.i2),
                "Q (df), p": f"{pooled.q:.1f} ({pooled.q_df}), {p_value(pooled.q_p)}",
            }
        )
    columns = ["Result", "Studies", "% (95% CI)", "Prediction", "τ²", "I²", "Q (df), p"]
    note = (
        "Arms of one study are added up. Prediction: 95% prediction interval for the true rate of another study. A"
        f" dash: fewer than 3 studies, or fewer than {ENOUGH_TO_PREDICT} with an estimated τ² of 0, cannot show how far"
        " the rates of studies lie apart. τ² is on the scale of the analysis."
    )
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    return Table(frame, "Pooled results and heterogeneity", note, numeric=columns[1:])


def p_value(p: float) -> str:
    """Return a p-value as prose writes it: ``0.03``, ``<0.001``."""
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def table3(results: dict[tuple[str, str, str], Result], found: Mapping[str, Entry]) -> Table:
    """Table 3 of the review as printed, beside the updated rates and what is public, a row an outcome."""
    rows, groups = [], []
    for result in results.values():
        outcome = result.outcome
        groups.append(_row_name(outcome))
        rows.append(
            {
                ("", "Response"): THRESHOLD_NAMES[outcome.threshold],
                ("Published", "% (95% CI)"): in_cell(
                    of_rate(found, outcome, "published"), "‡" if result.summary.reading.kind == "off centre" else ""
                ),
                ("Published", "Studies"): f"{outcome.studies:g}",
                ("Published", "Patients"): f"{outcome.patients:g}" if outcome.patients == outcome.patients else "",
                ("Updated", "% (95% CI)"): in_cell(of_rate(found, outcome, "updated")),
                ("New counts", "% (95% CI)"): _alone(found, outcome, "new"),
                ("New counts", "Studies"): outcome.new.study.nunique(),
                ("Available counts", "% (95% CI)"): _alone(found, outcome, "available"),
                ("Available counts", "Studies"): outcome.available.study.nunique(),
            }
        )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="group"), dtype=object)
    frame.columns = pd.MultiIndex.from_tuples(frame.columns)
    frame.index = (frame.index + [f": {row_totals(result.outcome)}" for result in results.values()]).rename("group")
    note = (
        "The heading of each row gives its patients, studies and reference numbers over all thresholds, as in Table 3"
        " of the review; the studies are named by reference number under Included studies. Published: the"
        " numbers of studies and patients are those of the review's text where it gives them for the threshold,"
        " otherwise those of the row. Updated: the published rate and the new counts together. New and available"
        " counts: reported numbers of responders, pooled by the review's method; a single count has its score"
        " interval. A dash: none. ‡ The estimate is not in the middle of its interval, where the review's method puts"
        " it."
    )
    return Table(frame, "Response rates as published, as updated, and from available counts", note, frame.columns[1:])


def row_totals(outcome: Outcome) -> str:
    """Return the totals of a rate's row in Table 3: ``653 patients in 25 studies (references 7, 8, 22–43, 64)``."""
    studies = count(outcome.row_studies, "study", "studies")
    return f"{outcome.row_patients:g} patients in {studies} (references {outcome.row_refs.replace('-', '–')})"


def _row_name(outcome: Outcome) -> str:
    return f"{REGIMEN_NAMES[outcome.regimen]}, {GROUP_NAMES[outcome.group].lower()}"


def updates(results: dict[tuple[str, str, str], Result], found: Mapping[str, Entry]) -> Table:
    """Every rate as published and as updated, with what its published interval implies."""
    rows, groups = [], []
    for result in results.values():
        outcome = result.outcome
        published, updated = of_rate(found, outcome, "published"), of_rate(found, outcome, "updated")
        groups.append(_row_name(outcome))
        rows.append(
            {
                ("", "Response"): THRESHOLD_NAMES[outcome.threshold],
                ("Published", "% (95% CI)"): in_cell(published),
                ("Published", "Prediction"): prediction_in_cell(of_rate(found, outcome, "published.implied")),
                ("New studies alone", "% (95% CI)"): _alone(found, outcome, "new"),
                ("Updated", "% (95% CI)"): in_cell(updated),
                ("Updated", "Prediction"): prediction_in_cell(updated),
                ("Updated", "Change"): f"{100 * (updated.estimate - published.estimate):+.1f}" if updated else "",
                "detail": _implied(result),
            }
        )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="group"), dtype=object)
    detail = frame.pop("detail")
    frame.columns = pd.MultiIndex.from_tuples(frame.columns)
    frame[("", "detail")] = detail
    note = (
        "Prediction: 95% prediction interval for the true rate of another study; the review reports none, and that of"
        " the published rate is implied by its interval. New studies alone: pooled by the review's method, which leaves"
        " out studies at 0% or 100%; the updated rate includes them. Change: updated less published rate, in percentage"
        " points. The range of τ² is that of rounding alone; the studies' unknown rates leave it wider. A dash: none."
    )
    columns = frame.columns[1:-1]
    return Table(frame, "Published, new and updated response rates", note, columns, detail=("", "detail"))


def _implied(result: Result) -> str:
    """Say in words what a printed interval implies and what became of it."""
    summary, updated = result.summary, result.updated
    reading = summary.reading
    if reading.kind == "no interval":
        return "No interval is published."
    text = f"Standard error {100 * reading.se:.2f} points"
    if reading.kind == "cut":
        text += ", from the end of the interval that is not cut"
    elif reading.wrong:
        text += (
            f", with {100 * reading.reconciled:.1f} for the published {_printed_number(result.outcome, reading.wrong)}"
        )
    if summary.tau2 != summary.tau2:
        text += "; no between-study variance: sampling error alone exceeds it"
    else:
        low = 0.0 if summary.tau2_low != summary.tau2_low else summary.tau2_low
        text += f"; implied τ² {summary.tau2:.4f} ({low:.4f} to {summary.tau2_high:.4f} under the rounding)"
    if updated is not None and updated.k_new:
        text += f". Updated τ² {updated.tau2:.4f}, from {updated.k_old} + {count(updated.k_new, 'study', 'studies')}"
    if not 0 <= summary.rest <= 1 and summary.rest == summary.rest:
        text += ". The published rate and the available counts contradict each other: no rate is left for the others"
    return text + "."


def _printed_number(outcome: Outcome, name: str) -> str:
    decimals = outcome.decimals[("estimate", "ci_low", "ci_high").index(name)]
    return f"{100 * getattr(outcome, name):.{decimals}f}"


def news(evidence: Evidence, results: Sequence[Result], found: Mapping[str, Entry]) -> Table:
    """What changed in the rates with new studies, and which rules say that the conclusions change."""
    meaning = {r.rule: r.meaning.replace("{}", f"{r.margin:g}") for r in evidence.news_margins.itertuples()}
    short = evidence.meaning("news")
    rows = [
        {
            "Rate": outcome_name(r.outcome),
            "Published": in_cell(of_rate(found, r.outcome, "published")),
            "Updated": in_cell(of_rate(found, r.outcome, "updated")),
            "Recommended method": in_cell(of_rate(found, r.outcome, "recommended.available")),
            "Change": f"{100 * (r.updated.estimate - r.outcome.estimate):+.1f}",
            "Width": f"{_width_change(r):+.0f}%" if r.outcome.ci_high > r.outcome.ci_low else "",
            "Conclusions change": ", ".join(short[rule] for rule in r.news) or "no",
        }
        for r in results
    ]
    rules = "; ".join(meaning.values())
    note = (
        "Rates in % (95% CI). Published, updated: by the review's method. Recommended method: a logistic model on the"
        " studies with available responder counts alone, original and new; a dash: fewer than two. Change: updated less"
        " published rate, in percentage points. Width: change of the width of the interval, in percent. The conclusions"
        f" change, if {rules}."
    )
    numeric = ["Published", "Updated", "Recommended method", "Change", "Width"]
    return Table(pd.DataFrame(rows, dtype=object), "What changed", note, numeric)


def rules_of_change(evidence: Evidence) -> str:
    """Explain in Markdown when an update changes the conclusions, and what repeated updates do to such rules."""
    rules = [r.meaning.replace("{}", f"{r.margin:g}") for r in evidence.news_margins.itertuples()]
    return (
        "An update changes the conclusions on a rate if at least one of these is true:\n\n"
        + "\n".join(f"- {plain(rule)};" for rule in rules[:-1])
        + f"\n- {plain(rules[-1])}.\n\n"
        "The margins are this project's own choice. Each edition compares the current rate with the rate that the 2019"
        " review published, not with the edition before, and makes no test of significance. So small changes add up and"
        " are not missed. But a rate that is updated repeatedly can meet a rule by chance, most of all where the"
        " published studies are few and differ widely. No correction is made for this: a change is a reason to look at"
        " the new studies and not a finding by itself. The table below shows how often to expect a false alarm."
    )


def _width_change(result: Result) -> float:
    before = result.outcome.ci_high - result.outcome.ci_low
    return 100 * ((result.updated.ci_high - result.updated.ci_low) / before - 1)


_NEWEST = 60
"""Studies of which `in_short` gives the findings."""


def in_short(evidence: Evidence, edition: str) -> list[str]:
    """Give the main finding of each study of an edition, in a line of Markdown: in words, then its counts.

    The words are those of `findings`; the counts are of every arm of the study, whole or by a body site, whether pooled
    or compared. Of very many studies only the newest are given, and the number of the others.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    edition : {"original", "update"}
        Whose studies.

    Returns
    -------
    list of str
        A line for each study.
    """
    rows = evidence.counts()
    rows = rows[(rows.poolable != "no") & (rows.subtype == "") & (rows.site != "other")]
    counted = _by(rows[rows.threshold.isin(THRESHOLDS)], "study")
    finding = dict(zip(evidence.findings.study, evidence.findings.finding, strict=True))
    studies = evidence.included(edition).drop_duplicates("study")
    shown = studies if len(studies) <= _NEWEST else studies.nlargest(_NEWEST, "year")
    lines = []
    for study in shown.itertuples():
        counts = _counts_in_words(evidence, counted.get((study.study,), []))
        words = [plain(finding[study.study])] if study.study in finding else []
        lines.append(f"- **{plain(study.label)}.** {' '.join([*words, counts])}")
    return [*lines, f"- and {len(studies) - len(shown)} more"] if len(shown) < len(studies) else lines


def _counts_in_words(evidence: Evidence, rows: list) -> str:
    """State the counts of a study in a sentence, the strongest response first, all arms of one together."""
    if not rows:
        return "The numbers of responders in its arms are not available, so it enters no pooled rate."
    together: dict[tuple[str, str], list] = {}
    strongest = THRESHOLDS[::-1]
    for row in sorted(rows, key=lambda r: (r.site != "all", strongest.index(r.threshold))):
        together.setdefault((row.threshold, row.site), []).append(row)
    parts = []
    for (threshold, site), arms in together.items():
        where = "" if site == "all" else f" on the {GROUP_NAMES[site].lower()}"
        arms.sort(key=lambda r: r.role == "comparator")
        counts = [f"{r.events:g} of {r.n:g} {r.unit} with {plain(_arm_in_words(r))}" for r in arms]
        counts[1:] = [text.replace(f" {r.unit}", "", 1) for text, r in zip(counts[1:], arms[1:], strict=True)]
        parts.append(f"Repigmentation {THRESHOLD_NAMES[threshold]}{where}: {', '.join(counts)}")
    basis, used = evidence.meaning("basis"), {r.basis for r in rows} - {"stated"}
    how = [text for code, text in basis.items() if code in used]
    sure = [code for code in evidence.meaning("confidence") if code in {r.confidence for r in rows}]
    text = "; ".join(parts[:1] + [part[0].lower() + part[1:] for part in parts[1:]])
    return f"{text} (counts {', '.join(how)}; confidence {' or '.join(sure)})." if how else f"{text}."


def _arm_in_words(arm) -> str:
    name = arm.drug if " or " in arm.drug else arm.arm
    words = {"NBUVB": "NB-UVB", "EL": "excimer light"}
    return " and ".join(words.get(part, part) for part in name.split("+"))


def coverages(outcomes: Sequence[Outcome]) -> Table:
    """For how much of every rate responder counts are available."""
    rows = [
        {
            "Response": THRESHOLD_NAMES[outcome.threshold],
            "Studies": f"{outcome.available_studies} of {outcome.studies:g}",
            "Participants": f"{outcome.available_patients} of {outcome.patients:g}"
            if outcome.patients == outcome.patients
            else "",
            "Without counts": ", ".join(dict.fromkeys(outcome.missing.label)),
        }
        for outcome in outcomes
    ]
    frame = pd.DataFrame(rows, index=pd.Index(map(_row_name, outcomes), name="group"))
    detail = "Without counts"
    note = "Below each rate: studies without available responder counts at this threshold; some have them at another."
    title = "Available responder counts by rate"
    return Table(frame, title, note, numeric=["Studies", "Participants"], detail=detail, folded=True)


def without_available_counts(outcomes: Sequence[Outcome]) -> tuple[list[str], list[str]]:
    """Name the studies of a review of which responder counts are not available.

    Returns
    -------
    none : list of str
        Those without counts for any rate.
    partly : list of str
        Those with counts for some rates, with the rates for which they are missing: ``Kanwar 2004 (TCI monotherapy,
        total: ≥25%; TCI monotherapy, children: ≥25%)``.
    """
    missing = _missing_rates(outcomes)
    partly = {study for outcome in outcomes for study in outcome.available.study}
    labels = {
        study: label
        for outcome in outcomes
        for study, label in zip(outcome.missing.study, outcome.missing.label, strict=True)
    }
    return (
        [labels[study] for study in missing if study not in partly],
        [f"{labels[study]} ({rates})" for study, rates in missing.items() if study in partly],
    )


def _missing_rates(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return for each study the rates for which its counts are not available, as text."""
    found: dict[str, dict[str, list[str]]] = {}
    for outcome in outcomes:
        for study in dict.fromkeys(outcome.missing.study):
            found.setdefault(study, {}).setdefault(_row_name(outcome), []).append(THRESHOLD_NAMES[outcome.threshold])
    return {
        study: "; ".join(f"{row}: {', '.join(sorted(thresholds))}" for row, thresholds in rows.items())
        for study, rows in found.items()
    }


_WANTED = ((2.0, "First"), (0.5, "Next"), (-np.inf, "Others"))
"""Groups of the most wanted: least narrowing in percentage points, and name."""


def bounds(evidence: Evidence) -> Table:
    """What reports print that bounds a count they do not give."""
    rows = evidence.bounds
    kinds = evidence.meaning("bound")
    frame = pd.DataFrame(
        {
            "Study": labels(evidence, rows.study),
            "Arm": rows.arm,
            "Site": _words(evidence, "site", rows.site),
            "Response": rows.threshold.map(THRESHOLD_NAMES),
            "Bound": [
                kinds[r.kind].replace("this percentage", f"{r.value:g}%").replace("this", f"{r.value:g}")
                for r in rows.itertuples()
            ],
            "Source": rows.source,
            "Why": rows.reason.str.capitalize(),
        }
    )
    return Table(frame, f"Bounds of counts: {count(len(rows), 'bound')}", detail="Why")


def wanted(evidence: Evidence, ranked: pd.DataFrame, outcomes: Sequence[Outcome]) -> Table:
    """The studies whose counts are wanted, the most wanted first, and where their reports are."""
    rows, groups = [], []
    missing, partly = _missing_rates(outcomes), {study for outcome in outcomes for study in outcome.available.study}
    for place, study in enumerate(ranked.itertuples(), start=1):
        where = evidence.studies[evidence.studies.study == study.study].iloc[0]
        regimen, group, threshold = study.most
        most = ", ".join(filter(None, [REGIMEN_NAMES[regimen], GROUP_NAMES[group].lower()]))
        groups.append(next(name for least, name in _WANTED if study.narrowing >= least))
        rows.append(
            {
                "": place,
                "Study": study.label,
                "Rates": study.rates,
                "Counts": "some" if study.study in partly else "none",
                "Narrows by": f"{study.narrowing:.1f}",
                "Source": _address(evidence, study.study),
                "detail": f"{_citation(evidence, study.study)} Most for {most}, {THRESHOLD_NAMES[threshold]}."
                + (f" Missing: {missing[study.study]}." if study.study in partly and study.study in missing else "")
                + f" Country: {where.country or 'not reported'}.",
            }
        )
    note = (
        "Rates: published rates that the study is part of and for which its counts are missing. Counts: whether the"
        " study has available responder counts for other rates. Narrows by: percentage points by which the 95% ranges"
        " of those rates, pooled on the logit scale, would narrow in all if the counts were known. Neighbours in this"
        " order may change places with other imputations; the groups remain."
    )
    frame = pd.DataFrame(rows, index=pd.Index(groups, name="group"))
    return Table(frame, "Most wanted", note, numeric=["Rates", "Narrows by"], detail="detail")


def _address(evidence: Evidence, study: str) -> str:
    entry = evidence.references.entries.get(study)
    fields = entry.fields if entry else {}
    return f"doi:{fields['doi']}" if "doi" in fields else f"pmid:{fields['pmid']}" if "pmid" in fields else ""


def _citation(evidence: Evidence, study: str) -> str:
    """What was seen of a study's citation; a field that was not seen stays out."""
    entry = evidence.references.entries.get(study)
    if entry is None:
        return "Citation not seen."
    fields = {name: str(Text.from_latex(value)) for name, value in entry.fields.items()}
    names = [str(Text.from_latex(" ".join(p.last_names))) for p in entry.persons.get("author", ())]
    authors = ", ".join("et al" if name == "others" else name for name in names)
    journal = " ".join(filter(None, [fields.get("journal"), fields.get("year")]))
    where = ":".join(filter(None, [fields.get("volume"), fields.get("pages", "").replace("--", "–")]))
    parts = [authors.replace(", et al", " et al"), fields.get("title", ""), f"{journal};{where}" if where else journal]
    return ". ".join(part.rstrip(".") for part in parts if part) + "."


def _alone(found: Mapping[str, Entry], outcome: Outcome, kind: str) -> str:
    """Return the rate in the original or the new studies with counts; their sums where they cannot be pooled."""
    if entry := of_rate(found, outcome, kind):
        return in_cell(entry)
    rows = outcome.new if kind == "new" else outcome.available
    return f"{rows.events.sum():g}/{rows.n.sum():g}, not pooled" if len(rows) else ""


def mechanism(evidence: Evidence) -> Table:
    """Table 1 of the review, by group of action."""
    rows = evidence.mechanism
    frame = pd.DataFrame(
        {
            "action": _words(evidence, "action", rows.action),
            "Study": rows.label,
            "Setting": rows.setting,
            "Drug": rows.drug.str.replace(";", ", "),
            "In short": rows.conclusion,
            "Finding": rows.finding,
        }
    ).set_index("action")
    return Table(frame, "Mechanisms of action", detail="Finding")


def maintenance(evidence: Evidence) -> Table:
    """The maintenance trial by analysis and unit."""
    rows = evidence.maintenance
    frame = pd.DataFrame(
        {
            "Analysis": rows.analysis,
            "Unit": rows.unit,
            "Arm": rows.arm,
            "Lost pigment/n": [
                f"{r.depigmented:g}/{r.n:g}" if r.depigmented == r.depigmented else f"?/{r.n:g}"
                for r in rows.itertuples()
            ],
            "Share": [
                percent(r.depigmented / r.n, 1) if r.depigmented == r.depigmented else "" for r in rows.itertuples()
            ],
            "Remark": rows.note,
        }
    )
    months = " or ".join(f"{month:g}" for month in rows.months.unique())
    return Table(frame, f"Any loss of pigment over {months} months", numeric=["Share"], detail="Remark")


def adverse_events(evidence: Evidence) -> Table:
    """Adverse events with a count, by what the arm was."""
    rows = evidence.adverse_events
    order = list(evidence.meaning("ae_role"))
    rows = rows.sort_values("role", key=lambda s: s.map(order.index), kind="stable")
    frame = pd.DataFrame(
        {
            "role": _words(evidence, "ae_role", rows.role),
            "Study": labels(evidence, rows.study)
            + evidence.is_included(rows.study).map({True: "", False: " (not included)"}),
            "Arm": rows.arm,
            "Events/n": [f"{r.events:g}/{r.n:g}" for r in rows.itertuples()],
            "Source": rows.source,
            "Event": rows.event.str.capitalize(),
        }
    ).set_index("role")
    return Table(frame, "Adverse events reported with a count", numeric=["Events/n"], detail="Event")


def labels(evidence: Evidence, keys: pd.Series) -> pd.Series:
    """Return the label of each study or record."""
    return keys.map(_label_by_key(evidence))


def _label_by_key(evidence: Evidence) -> dict[str, str]:
    named = pd.concat([evidence.screening, evidence.studies])
    return dict(zip(named.study, named.label, strict=True))


def _with_labels(evidence: Evidence, texts: pd.Series) -> pd.Series:
    """Put labels in the place of the keys by which a remark refers to other studies."""
    named = _label_by_key(evidence)
    return texts.map(lambda text: re.sub(r"\w*\d\w*", lambda word: named.get(word[0], word[0]), text))


def screening(evidence: Evidence, decision: str) -> Table:
    """Records identified since the original search with one decision, each with its reason."""
    rows = evidence.screening[evidence.screening.decision == decision]
    frame = pd.DataFrame(
        {
            "Record": rows.label,
            "Published": rows.published,
            "Regimen": _words(evidence, "role", rows.regimen),
            "Enrolled": rows.enrolled,
            "Source": [f"doi:{r.doi}" if r.doi else f"pmid:{r.pmid}" if r.pmid else "" for r in rows.itertuples()],
            "Why": _with_labels(evidence, rows.reason),
        }
    )
    if decision == "excluded":
        kinds = list(evidence.meaning("exclusion"))
        frame = frame.drop(columns="Enrolled").assign(kind=rows.exclusion)
        frame = frame.sort_values("kind", key=lambda s: s.map(kinds.index), kind="stable")
        frame["kind"] = _words(evidence, "exclusion", frame.kind)
        frame = frame.set_index("kind")
    title = evidence.meaning("decision")[decision].capitalize()
    return Table(frame, f"{title}: {count(len(rows), 'record')}", numeric=["Enrolled"], detail="Why")


def without_counts(evidence: Evidence, edition: str, regimen: str = "") -> Table:
    """Results reported in a form that cannot be pooled, of one regimen or of all arms."""
    original = set(evidence.studies.study[evidence.studies.edition == "original"])
    rows = evidence.reported_without_counts
    rows = rows[rows.study.isin(original) == (edition == "original")]
    if regimen:
        rows = rows[rows.role == regimen]
    frame = pd.DataFrame(
        {
            "Study": labels(evidence, rows.study),
            "Arm": rows.arm,
            "Site": [r.site_detail or evidence.meaning("site")[r.site] for r in rows.itertuples()],
            "n": rows.n,
            "What is reported": rows.reported,
            "Source": rows.source,
        }
    )
    caption = f"Reported without a number of responders that can be pooled: {count(len(rows), 'result')}"
    return Table(frame, caption, numeric=["n"], folded=True, detail="What is reported")


def later_reviews(evidence: Evidence) -> Table:
    """Pooled results of later reviews."""
    rows = evidence.later_reviews
    frame = pd.DataFrame(
        {
            "Review": rows.label,
            "Comparison": rows.comparison,
            "Outcome": rows.outcome,
            "Measure": _words(evidence, "measure", rows.measure),
            "Estimate (95% CI)": [
                f"{100 * r.estimate:.0f}% ({100 * r.ci_low:.0f}–{100 * r.ci_high:.0f}%)"
                if r.measure == "rate"
                else f"{r.estimate:.2f} ({r.ci_low:.2f}–{r.ci_high:.2f})"
                for r in rows.itertuples()
            ],
            "Studies": rows.studies,
            "Source": rows.source,
        }
    )
    return Table(frame, "Pooled results of later reviews", numeric=["Estimate (95% CI)", "Studies"])


def dictionary(evidence: Evidence, table: str) -> Table:
    """The data dictionary of one table."""
    rows = evidence.dictionary[evidence.dictionary.table == table]
    types = evidence.meaning("type")

    def allowed(row) -> str:
        if row.allowed and row.type in ("code", "codes"):
            return ("one or more of: " if row.type == "codes" else "") + ", ".join(evidence.meaning(row.allowed))
        return types[row.type]

    frame = pd.DataFrame(
        {
            "Column": rows.column + rows.key.map({"yes": " *", "": ""}),
            "Required": rows.required,
            "Unit": rows.unit,
            "Found in": rows.refers_to,
            "detail": [f"{row.meaning}. Allowed: {allowed(row)}." for row in rows.itertuples()],
        }
    )
    meaning = evidence.meaning("table")[table]
    note = "* part of the key: no two rows have the same." if (rows.key == "yes").any() else ""
    return Table(frame, f"{table}.csv: {meaning}", note, detail="detail")


def codes(evidence: Evidence, code_list: str) -> Table:
    """One code list."""
    rows = evidence.codes[evidence.codes["list"] == code_list]
    return Table(pd.DataFrame({"Code": rows.code, "Meaning": rows.meaning}), f"Codes: {code_list}")


def searches(evidence: Evidence) -> Table:
    """The searches behind the edition."""
    rows = evidence.searches
    frame = pd.DataFrame({"Date": rows.date, "Kind": rows.kind, "Searched": rows.sources, "Remark": rows.note})
    return Table(frame, "Searches")
