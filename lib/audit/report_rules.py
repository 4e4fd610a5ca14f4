"""Check the review's claims on single studies against their reports and against its own definitions, rule by rule.

Belongs here: rules that compare Table 2 with the text, with the report and the title of each study, and with the
criteria by which the review uses a study for a rate. They use only the part of a report that was entered in the tables,
mostly its abstract, so that a report may contain facts that they do not know. They name no study, reference or
published number.
Does not belong here: rules of arithmetic (`published_rules`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from lib.audit.findings import Finding, finding, rule
from lib.audit.review import Review, ranges, references, studies_in_words
from lib.evidence import REGIMENS, THRESHOLDS

# --- Table 2 and the text -----------------------------------------------------------------------------------


@rule("duration", "The median and the range of the duration of treatment follow from Table 2.")
def _duration(review: Review) -> Iterator[Finding]:
    rows = review.treated.dropna(subset="duration_months")
    durations = [r.drop_duplicates("study").duration_months for r in (rows, rows[rows.role == REGIMENS[0]])]
    for quantity in ("median_duration_months", "shortest_duration_months", "longest_duration_months"):
        statistic = {"median": "median", "shortest": "min", "longest": "max"}[quantity.partition("_")[0]]
        of_all, of_first = (months.agg(statistic) for months in durations)
        detail = f"Table 2 gives {of_all:g} months for the {len(durations[0])} studies of treatment response and"
        detail += f" {of_first:g} months for the {len(durations[1])} of {review.meaning('role')[REGIMENS[0]]}."
        for n in review.values(quantity).unique():
            yield finding(
                n in (of_all, of_first), *review.subject(quantity), f"{n:g} months", f"{of_all:g} months", detail
            )


@rule("studies counted", "Tables 1 and 2 have as many studies of each kind as the text reports, and the same ones.")
def _studies_counted(review: Review) -> Iterator[Finding]:
    table2 = review.table2
    refs = {role: frozenset(table2.review_ref[table2.role == role].astype(int)) for role in (*REGIMENS, "maintenance")}
    refs["efficacy"] = refs["monotherapy"] | refs["phototherapy"]
    refs["mechanism"] = frozenset(review.evidence.mechanism.review_ref.astype(int))
    for kind, rows in table2.query("role == 'phototherapy'").groupby("phototherapy"):
        refs[f"phototherapy_{kind.lower()}"] = frozenset(rows.review_ref.astype(int))
    counted = {f"{kind}_studies": in_tables for kind, in_tables in refs.items()}
    counted["studies_included"] = frozenset().union(*refs.values())
    for quantity, in_tables in counted.items():
        published, listed = review.values(quantity), review.refs(quantity) or in_tables
        if len(published):
            shown = "; ".join(map(studies_in_words, published.unique()))
            detail = f"Counted in the tables: {len(in_tables)}."
            if listed != in_tables:
                detail += f" In the list or the table only: {review.cite(listed ^ in_tables)}."
            ok = set(published) == {len(in_tables)} and listed == in_tables
            nearest = f"{studies_in_words(len(in_tables))}: {ranges(in_tables)}"
            yield finding(ok, *review.subject(quantity), shown, nearest, detail)


@rule("one study", "What the text reports of single studies agrees with Table 2.")
def _one_study(review: Review) -> Iterator[Finding]:
    for row in review.numbers.itertuples():
        refs, unit = references(row.refs), row.quantity.rpartition("_")[2]
        arms = review.table2[review.table2.review_ref.isin(refs)]
        if len(refs) != 1 or arms.empty or unit not in ("patients", "months", "weeks"):
            continue
        if unit == "patients":
            named = arms[[drug in row.quantity for drug in arms.drug]]
            arms = named if len(named) else arms[arms.role != "comparator"]
            ok = row.value in {*arms.enrolled, *arms.completed}
            nearest = "; ".join(f"{a.enrolled:g} enrolled, {a.completed:g} completed" for a in arms.itertuples())
        else:
            ok = all(_same_duration(row.value, unit, months) for months in arms.duration_months)
            nearest = f"{arms.duration_months.iloc[0]:g} months"
        subject = *review.subject(row.quantity, row.place), f"{row.value:g} {unit}"
        yield finding(ok, *subject, nearest, f"Table 2 on {review.cite(refs)}: {nearest}.")


def _same_duration(value: float, unit: str, months: float) -> bool:
    """Return whether a duration equals a number of months, of four weeks or of the calendar."""
    return value == months if unit == "months" else value / 4.5 <= months <= value / 4


@rule("design", "A study has the arms that its design requires, and arms with the same patients have the same size.")
def _design(review: Review) -> Iterator[Finding]:
    fitting = 0
    for _, arms in review.table2.groupby(["study", "part"], sort=False):
        row, is_comparison = arms.iloc[0], len(arms) > 1
        one_size = len(arms[["enrolled", "completed"]].drop_duplicates()) == 1
        ok = is_comparison == (row.design != "SA") and (one_size or row.design != "WP")
        fitting += ok
        if not ok:
            detail = "; ".join(f"{a.arm}: {a.enrolled:g}/{a.completed:g}" for a in arms.itertuples())
            yield finding(False, "Table 2", f"{row.label}: design", row.design, "", f"Enrolled/completed: {detail}.")
    if fitting:
        yield finding(True, "Table 2", "design", f"{fitting} rows")


@rule("one cohort once", "No two studies have the same patients, because duplicate reports were excluded.")
def _one_cohort(review: Review) -> Iterator[Finding]:
    columns = ["country", "design", "drug", "concentration", "frequency", "duration_months", "enrolled", "completed"]
    arms = review.treated
    doubled = arms[arms.groupby(columns).study.transform("nunique") > 1]
    for _, rows in doubled.groupby(columns):
        detail = (
            "Country, drug, dose, duration and numbers are the same. This may be chance: it does not prove that the"
            " patients are the same."
        )
        yield finding(None, "Table 2", " and ".join(rows.label), f"{len(rows)} studies", "", detail)
    others = arms.study.nunique() - doubled.study.nunique()
    yield finding(True, "Table 2", "studies that resemble no other", f"{others} studies")


# --- The review's own criteria ------------------------------------------------------------------------------


@rule("eligibility", "A study that the review uses meets its eligibility criteria.")
def _eligibility(review: Review) -> Iterator[Finding]:
    arms, least = review.treated, review.value("minimum_per_arm")
    small = arms[arms.enrolled < least]
    detail = f"The methods ask for {least:g} participants or patches in an arm."
    for row in small.itertuples():
        claim, unknown = f"{row.label}: enrolled, {row.arm}", f"{detail} The number of patches is unknown."
        yield finding(None, "Table 2", claim, row.enrolled, "", unknown)
    if small.empty and least == least:
        yield finding(True, "Table 2", "size of the arms", f"{arms.enrolled.min():g} or more enrolled", "", detail)
    for row in arms[arms.given_with != ""].itertuples():
        detail = "Whether what was given with it is another intervention is a matter of definition."
        yield finding(None, "Table 2", f"{row.label}: {row.arm} alone", row.given_with, "", detail)
    excludes_refractory = review.evidence.flow.set_index("step").n.get("excluded_refractory", 0) > 0
    for fact in review.facts.query("field == 'refractory'").itertuples():
        detail = f"Refractory by its own report: {fact.value}. The review excludes refractory vitiligo."
        ok = not (excludes_refractory and fact.value == "yes")
        yield finding(ok, "Table 2", f"{fact.label}: not refractory", "included", "excluded", detail, [fact.source])


SITE_WORDS = {
    "face_neck": ("face", "facial", "neck", "head"),
    "trunk_extremities": ("trunk", "extremit", "limb"),
    "hands_feet": ("hand", "feet", "foot"),
}
"""Words by which reports name each of the body sites of the review."""


@rule(
    "definition of an outcome",
    "A study used for a regimen, an age group, a body site or the whole body fits that definition.",
)
def _definition(review: Review) -> Iterator[Finding]:
    for group in dict.fromkeys(c.group for c in review.lists):
        lists = [c for c in review.lists if c.group == group]
        name = next((c.name for c in lists if not c.threshold), lists[0].name)
        reasons: dict[str, list[int]] = {}
        for ref in sorted(frozenset().union(*(c.refs for c in lists))):
            facts = review.facts[review.facts.review_ref == ref]
            verdicts = list(_fits(review.table2[review.table2.review_ref == ref], facts, *group))
            if wrong := [detail for ok, detail in verdicts if ok is False]:
                place = review.places(c.place for c in lists if ref in c.refs)
                detail = f"{review.cite([ref])}: {'; '.join(wrong)}."
                sources = facts.source if "own report" in detail else ()
                yield finding(
                    False, place, name, f"includes reference {ref}", f"the list without {ref}", detail, sources
                )
            else:
                reasons.setdefault("; ".join(detail for _, detail in verdicts), []).append(ref)
        place = review.places(c.place for c in lists)
        for detail, refs in reasons.items():
            shown = f"{review.cite(refs)}: {detail or 'no disagreement in what is available'}."
            used = f"includes reference{'' if len(refs) == 1 else 's'} {ranges(refs)}"
            yield finding(None if detail else True, place, name, used, "", shown)


def _fits(rows: pd.DataFrame, facts: pd.DataFrame, regimen: str, people: str, site: str) -> Iterator[tuple]:
    """Yield the reasons why a study does not belong to an outcome (with False), or why this is unknown (with None)."""
    if not (rows.role == regimen).any():
        yield False, "Table 2 has no such arm of it"
        return
    study, ages = rows.iloc[0], {_age(value) for value in facts.value[facts.field == "population"]}
    if people != "all" and (ages or study.population) not in ({people}, people):
        if not ages and study.population == "ND":
            yield None, "age not determined, by Table 2"
        else:
            yield False, f"age by {'its own report' if ages else 'Table 2'}: {', '.join(ages) or study.population}"
    sites = facts[facts.field == "site"].value
    if site == "all":
        if "total" not in study.assessment.split(";"):
            yield False, "assessed by individual patches and not in total, by Table 2"
        yield from ((False, f"treated, by its own report: {where}") for where in sites if "only" in where)
        return
    is_treated = _treats(facts, site)
    if is_treated is False:
        yield False, f"treated, by its own report: {'; '.join(sites)}"
    elif is_treated is None and "individual" not in study.assessment.split(";"):
        yield None, "assessed in total and not by individual patches, by Table 2"


def _treats(facts: pd.DataFrame, site: str) -> bool | None:
    """Return whether a study treated lesions of a site, by its own report; None if not reported."""
    named = facts[facts.field.str.contains("site|involve")]
    sites = named.value.where(named.field == "site", named.field)
    for clause in ", ".join(sites).split(","):
        if any(word in clause for word in SITE_WORDS[site]):
            return not re.search(r"\b(no|none|without)\b", clause)
        if "only" in clause.split():
            return False
    return None


def _age(text: str) -> str:
    return text.removesuffix("s")  # adults


@rule("none left out", "The row of an age group lists every study of that age group that assessed the whole body.")
def _none_left_out(review: Review) -> Iterator[Finding]:
    table2 = review.table2
    for row in review.rows:
        regimen, people, _ = row.group
        if people == "all":
            continue
        group = table2[(table2.role == regimen) & (table2.population == people)]
        missing = frozenset(group.review_ref[group.assessment.str.contains("total")].astype(int)) - row.refs
        others = row.refs - frozenset(group.review_ref)
        nearest = f"the row with {ranges(missing)}" + (f", perhaps in the place of {ranges(others)}" if others else "")
        detail = f"Table 2 also has {review.cite(missing)}." if missing else "Table 2 has no other."
        yield finding(not missing, review.places([row.place]), row.name, ranges(row.refs), nearest, detail)


# --- Table 2 and the reports of the studies -----------------------------------------------------------------

ELSEWHERE = ("refractory", "site", "discontinued", "unit of", "patients with")
"""First words of the facts for which Table 2 has no column, and which other rules check."""


@rule("own report", "Table 2 agrees with the study's own report.")
def _own_report(review: Review) -> Iterator[Finding]:
    for fact in review.facts.itertuples():
        if fact.field.startswith(ELSEWHERE):
            continue
        published, ok, detail = _compare_with_table2(fact, review.table2[review.table2.study == fact.study])
        if ok is not None and not ok and fact.inferred == "yes":
            ok, detail = None, "The fact is inferred and not stated, so it does not contradict the review"
        claim = ", ".join(filter(None, [f"{fact.label}: {fact.field.replace('_', ' ')}", fact.arm]))
        remarks = [f"Its report: {fact.value}" + (f" ({fact.note})" if fact.note else ""), detail]
        detail = ". ".join(filter(None, remarks)) + "."
        yield finding(ok, "Table 2", claim, published, fact.value, detail, [fact.source])


def _compare_with_table2(fact, rows: pd.DataFrame) -> tuple[str, bool | None, str]:
    """Return Table 2's version of a fact, whether the two agree, and the reason if that cannot be judged."""
    study, kind = rows.iloc[0], fact.field.partition("_")[0]
    named = rows if fact.arm in ("", "both arms") else rows[[_same_arm(fact.arm, arm) for arm in rows.arm]]
    if kind in ("enrolled", "completed"):
        sizes = [named[kind].sum()] if fact.arm == "both arms" else list(named[kind].unique())
        if len(sizes) == 1:
            ok, note = sizes[0] == float(fact.value), "; ".join(filter(None, named.note.unique()))
            # A number of Table 2 that was itself entered from the report, as its note says, confirms nothing.
            return f"{sizes[0]:g}", None if ok and note else ok, f"Table 2: {note}" if note else ""
        return "", None, "No arm of Table 2, or more than one, matches it"
    if kind == "duration":
        months = study.duration_months
        return f"{months:g} months", _same_duration(float(fact.value), fact.field.partition("_")[2], months), ""
    if kind == "population" and study.population != "ND":
        return study.population, _age(fact.value) == study.population, ""
    if kind == "subtype" and study.subtype:
        words = {"NSV": r"nonsegmental|generali[sz]ed|vulgaris|acrofacial", "SV": r"\bsegmental"}
        reported = {code for code, pattern in words.items() if re.search(pattern, fact.value)}
        return study.subtype.replace(";", ", "), reported == set(study.subtype.split(";")) if reported else None, ""
    if kind in ("population", "subtype"):
        return "not determined", None, "Table 2 does not determine it"
    if kind == "unit":
        return study.assessment.replace(";", ", "), "individual" in study.assessment.split(";"), ""
    if kind == "concentration":
        doses, published = set(re.findall(r"[\d.]+%", fact.value)), named.concentration.unique()
        ok, detail = (doses == set(published), "") if len(doses) == 1 else (None, "It gives both")
        return "; ".join(published), ok, detail
    if kind in ("blinding", "randomised"):
        code = getattr(study, kind)
        reported = {code_meant for pattern, code_meant in FACT_WORDS[kind].items() if re.search(pattern, fact.value)}
        known = code and len(reported) == 1
        detail = "" if known else "The reports differ" if len(reported) > 1 else "Table 2 does not determine it"
        return code or "not determined", {code} == reported if known else None, detail
    if kind == "comparator":
        drugs = rows.drug[rows.role == "comparator"]
        return "; ".join(drugs), True if fact.value in set(drugs) else None, "The wording differs"
    return "", None, "Table 2 has no such column"


def _same_arm(named: str, arm: str) -> bool:
    """Return whether a report and Table 2 name the same arm; Table 2 may add the frequency of treatment."""
    named, arm = (re.sub(r"[\s-]", "", t.lower().replace("excimer laser", "el")) for t in (named, arm))
    return arm.startswith(named) and "+" not in arm.removeprefix(named)


FACT_WORDS = {
    "blinding": {r"double.blind": "DB", r"single.blind": "SB", r"\bopen\b": "OL"},
    "randomised": {r"\brandomi[sz]ed": "yes", r"\bnon-?randomi[sz]ed": "no"},
}
"""Codes of each column of Table 2, by the words of a fact that was entered from a report."""

TITLE_WORDS = {
    "population": {r"\bchild(hood|ren)?\b": "children", r"\badults?\b": "adult"},
    "blinding": {r"double.blind": "DB", r"\bopen\b": "OL"},
    "randomised": {r"randomi[sz]ed": "yes"},
    "subtype": {r"\bnonsegmental\b": "NSV", r"\bsegmental\b": "SV"},
}
"""Codes of each column of Table 2, by the words of a title."""


@rule("title", "Table 2 agrees with the title of the study's report.")
def _title(review: Review) -> Iterator[Finding]:
    known = set(zip(review.facts.study, review.facts.field, strict=True))
    for row in review.evidence.included("original").drop_duplicates("study").itertuples():
        report = review.evidence.references.entries[row.study].fields
        title = re.sub(r"[{}\\]", "", report.get("title", "")).lower()
        for column, patterns in TITLE_WORDS.items():
            stated = [code for pattern, code in patterns.items() if re.search(pattern, title)]
            if len(stated) != 1 or (row.study, column) in known:
                continue  # The rule "own report" compares this fact.
            published = getattr(row, column).replace("ND", "")
            meaning = review.meaning("yes_no" if column == "randomised" else column)
            shown = ", ".join(meaning[code] for code in published.split(";") if code) or "not determined"
            detail = f"The title of its report says {column}: {meaning[stated[0]]}."
            detail += "" if published else " Table 2 does not determine it."
            source = f"doi:{report['doi']}" if "doi" in report else f"title of {row.label}"
            ok = stated[0] == published if published else None
            yield finding(ok, "Table 2", f"{row.label}: {column}", shown, meaning[stated[0]], detail, [source])


@rule(
    "denominator",
    "A count refers to the patients who completed by Table 2, or to patches if these were assessed one by one.",
)
def _denominator(review: Review) -> Iterator[Finding]:
    used = {(c.group[0], c.group[2], ref) for c in review.lists for ref in c.refs}
    counts = review.evidence.reported_counts()
    counts = counts[counts.threshold.isin(THRESHOLDS)]
    counts = counts[[key in used for key in zip(counts.role, counts.site, counts.review_ref, strict=True)]]
    for _, rows in counts.groupby(["study", "arm", "site", "unit"], sort=False):
        row = rows.iloc[0]
        ok = row.n == row.completed if row.site == "all" else row.n <= row.completed
        if row.unit == "patches" and not ok:
            ok = None if "individual" in row.assessment.split(";") else False
        detail = f"Its report counts {row.n:g} {row.unit}."
        published = f"{row.completed:g} completed, assessed by: {row.assessment.replace(';', ', ')}"
        nearest = "individual patches" if row.unit == "patches" else f"{row.n:g}"
        claim = f"{row.label}: {row.arm}, {review.meaning('site')[row.site]}"
        yield finding(ok, "Table 2", claim, published, nearest, detail, rows.source)


# --- Safety -------------------------------------------------------------------------------------------------


@rule("stops", "The number of studies in which side effects ended the treatment agrees with their reports.")
def _stops(review: Review) -> Iterator[Finding]:
    original = review.evidence.included("original").drop_duplicates("study")[["study", "label"]]
    events = review.evidence.adverse_events
    events = events.query("kind == 'stopped for side effects' and role == 'monotherapy' and events > 0")
    events = events.merge(original, on="study")
    facts = review.facts[review.facts.field.str.startswith("discontinued") & (review.facts.value != "0")]
    stops = {r.study: f"{r.label}, {r.arm}: {r.value}" for r in facts.itertuples()}
    stops |= {r.study: f"{r.label}, {r.arm}: {r.events:g} of {r.n:g}" for r in events.itertuples()}
    detail = f"By their own reports: {'; '.join(stops.values())}." if stops else "No available report names one."
    for published in review.values("discontinuation_studies").unique():
        # Reports that are not available can only increase the number of such studies.
        ok = False if len(stops) > published else None
        subject = *review.subject("discontinuation_studies"), published
        yield finding(ok, *subject, f"at least {len(stops)}", detail, [*events.source, *facts.source])


@rule("events", "The review counts at least as many events of a kind as the reports of the studies it lists.")
def _events(review: Review) -> Iterator[Finding]:
    studies, refs = review.evidence.included("original"), review.refs("adverse_event_studies_counting")
    listed = review.evidence.adverse_events.query("role == 'monotherapy'")
    listed = listed[listed.study.isin(studies.study[studies.review_ref.isin(refs)])]
    for row in review.numbers[review.numbers.quantity.str.endswith("_events")].itertuples():
        counted = listed[listed.kind == row.quantity.removesuffix("_events")]
        n = counted.events.sum()
        detail = f"{len(counted)} reports count {n:g}." if len(counted) else "No available report counts it alone."
        ok = n <= row.value if len(counted) else None
        subject = review.subject(row.quantity, row.place)
        yield finding(ok, *subject, row.value, f"at least {n:g}", detail, counted.source)
