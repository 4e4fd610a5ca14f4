"""Is the evidence fit to be built on? Every fault of the tables, each with its place and its rule.

Knows the form of the files (encoding, separators, headers) and the rules between tables; what a column
may hold it reads from ``data/dictionary.csv`` and ``data/codes.csv``, which the book prints as its data
dictionary, so that the two cannot drift. Knows nothing of statistics, and does not judge whether a count
is the right one.
"""

from __future__ import annotations

import csv
import datetime as dt
import difflib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
from pybtex.database import BibliographyData, parse_string
from pybtex.exceptions import PybtexError

from lib.evidence.vocabulary import ALL_THRESHOLDS

META = ("dictionary", "codes")
"""The tables that say what the others may hold: they are read before them."""

ASSESSMENT = ["study", "arm", "site", "site_detail", "population", "subtype", "months"]
"""Columns of the responses that say who was assessed, where and when: counts that differ in none of them are of
the same people, by several degrees of repigmentation."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the data, said so that it can be found and mended.

    Attributes
    ----------
    file : str
        File name within the data folder.
    row : int or None
        Row as a spreadsheet numbers it (the header is row 1); None where the whole file is meant.
    column : str
        Column name; empty where the whole row or file is meant.
    value : str
        The value found; empty where it is the lack of one that is wrong.
    rule : str
        What is allowed.
    """

    file: str
    row: int | None
    column: str
    value: str
    rule: str

    def __str__(self) -> str:
        place = [self.file]
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column:
            place.append(f"column {self.column}")
        found = f" {self.value!r}:" if self.value else ""
        return f"{', '.join(place)}:{found} {self.rule}"


class DataError(ValueError):
    """The data folder has faults; ``faults`` lists all of them."""

    def __init__(self, faults: list[Fault]):
        self.faults = faults
        super().__init__("\n".join(map(str, faults)))


# --- Files -----------------------------------------------------------------------------------------------


def _decode(path: Path) -> str | Fault:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Fault(path.name, None, "", "", "the file is not there")
    except OSError as error:
        return Fault(path.name, None, "", "", f"the file cannot be read: {error.strerror}")
    if not raw.strip(b"\xef\xbb\xbf \t\r\n"):
        return Fault(path.name, None, "", "", "the file is empty")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Fault(path.name, None, "", "UTF-16", "is not allowed: save the file as CSV UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        word = re.split(rb"[,;\r\n]", raw[: error.start])[-1] + re.split(rb"[,;\r\n]", raw[error.start :])[0]
        shown = word.decode("latin-1").strip()
        return Fault(path.name, line, "", shown, "is not UTF-8: save the file as CSV UTF-8")


def read_table(path: Path, columns: list[str]) -> tuple[pd.DataFrame, list[Fault]]:
    """Read one CSV file as text, forgiving what a spreadsheet leaves behind.

    A byte-order mark, CRLF line ends, blank lines, empty trailing columns and spaces around a value are
    dropped without a word; nothing else is.

    Parameters
    ----------
    path : Path
        The file.
    columns : list of str
        The columns that it must have, in any order.

    Returns
    -------
    frame : DataFrame
        All values as stripped text, the index being the row as a spreadsheet numbers it; columns as given.
        Empty if the file has a fault.
    faults : list of Fault
        What is wrong with the file's form or header.
    """
    nothing = pd.DataFrame(columns=columns, dtype=str)
    text = _decode(path)
    if isinstance(text, Fault):
        return nothing, [text]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        records = [[outcome.strip() for outcome in record] for record in reader]
    except csv.Error as error:
        rule = f"the file is not well-formed CSV from this line on: {error}"
        return nothing, [Fault(path.name, reader.line_num, "", "", rule)]
    start = next((i for i, record in enumerate(records) if any(record)), 0)
    header = records[start]
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) < len(columns) and separator in "".join(header):
            return nothing, [
                Fault(path.name, 1, "", "", f"values are separated by {name}: save with commas between them")
            ]
    width = max((i + 1 for i, outcome in enumerate(header) if outcome), default=0)
    too_long = [
        Fault(path.name, row, "", outcome, f"stands behind the last of the {width} columns: is a comma not in quotes?")
        for row, record in enumerate(records[start + 1 :], start=start + 2)
        for outcome in record[width:]
        if outcome
    ]
    if too_long:
        return nothing, too_long
    header = header[:width]
    faults = list(_header_faults(path.name, header, columns))
    if faults:
        return nothing, faults
    rows = {
        number: (record + [""] * width)[:width]
        for number, record in enumerate(records[start + 1 :], start=start + 2)
        if any(record)
    }
    if not rows:
        return nothing, [Fault(path.name, None, "", "", "the file has a header but no rows")]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=header, dtype=str)
    return frame[columns], []


def _header_faults(file: str, header: list[str], columns: list[str]) -> Iterator[Fault]:
    missing = [c for c in columns if c not in header]
    for name in dict.fromkeys(header):
        if not name:
            yield Fault(file, 1, "", "", "a column with values has no name in the header")
        elif header.count(name) > 1:
            yield Fault(file, 1, name, "", "the column is there more than once")
        elif name not in columns:
            near = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.7)
            if near:
                missing.remove(near[0])
                yield Fault(file, 1, "", name, f"is a misspelt header: {near[0]!r} is meant")
            else:
                yield Fault(file, 1, "", name, "is not a column of this table (see the data dictionary)")
    for name in missing:
        yield Fault(file, 1, name, "", "the column is missing")


def read_references(path: Path) -> tuple[BibliographyData, list[Fault]]:
    """Read the BibTeX file of references.

    Returns
    -------
    references : pybtex.database.BibliographyData
        Empty if the file cannot be parsed.
    faults : list of Fault
        What is wrong with the file, a DOI or a PubMed number.
    """
    text = _decode(path)
    if isinstance(text, Fault):
        return BibliographyData(), [text]
    try:
        references = parse_string(text, "bibtex")
    except PybtexError as error:
        return BibliographyData(), [Fault(path.name, None, "", "", f"cannot be read as BibTeX: {error}")]
    faults = [
        Fault(path.name, None, f"{key}, {field}", entry.fields[field], f"must be {_FORMS[field][1]}")
        for key, entry in references.entries.items()
        for field in ("doi", "pmid")
        if field in entry.fields and not _FORMS[field][0](entry.fields[field])
    ]
    return references, faults


# --- Values ----------------------------------------------------------------------------------------------


def _matches(pattern: str):
    return re.compile(pattern).fullmatch


def period_end(text: str) -> dt.date:
    """Return the last day that a date given as YYYY, YYYY-MM or YYYY-MM-DD can mean.

    Raises
    ------
    ValueError
        If the text has another form or is no day of the calendar.
    """
    if not re.fullmatch(r"[1-9][0-9]{3}(-[0-9]{2}(-[0-9]{2})?)?", text):
        raise ValueError(f"{text!r} is not a date of the form YYYY, YYYY-MM or YYYY-MM-DD")
    year, month, day = ([int(p) for p in text.split("-")] + [None, None])[:3]
    if day is not None:
        return dt.date(year, month, day)
    first_of_next = dt.date(year + 1, 1, 1) if month in (None, 12) else dt.date(year, month + 1, 1)
    return first_of_next - dt.timedelta(days=1)


def _is_past_date(text: str) -> bool:
    try:
        period_end(text)
    except ValueError:
        return False
    # Somewhere it is tomorrow already.
    return text <= (dt.date.today() + dt.timedelta(days=1)).isoformat()[: len(text)]


def reference_numbers(text: str) -> list[int]:
    """Return the numbers in a printed reference list such as ``"7, 8, 22-43"``.

    Raises
    ------
    ValueError
        If the text is no such list, or a range runs backwards.
    """
    numbers = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*([0-9]+)(?:-([0-9]+))?\s*", item)
        if not match or (match[2] and int(match[2]) <= int(match[1])):
            raise ValueError(f"{text!r} is not a list of reference numbers and ranges")
        numbers.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
    return numbers


def _is_refs(text: str) -> bool:
    try:
        return bool(reference_numbers(text))
    except ValueError:
        return False


_is_doi = _matches(r"10\.[0-9]{4,9}/[^\s\"<>]+")
_is_pmid = _matches(r"[1-9][0-9]{0,7}")


def _is_source(text: str) -> bool:
    prefix, _, rest = text.partition(":")
    form = {"doi": _is_doi, "pmid": _is_pmid}.get(prefix.lower())
    return form is None or bool(form(rest))


_FORMS = {
    "key": (_matches(r"[a-z0-9_]+"), "lower-case letters, digits and underscores"),
    "text": (lambda text: "\x00" not in text, "text"),
    "count": (_matches(r"[0-9]{1,9}"), "a whole number, 0 or more, in digits only"),
    "number": (_matches(r"-?[0-9]+(\.[0-9]+)?"), "a number with a decimal point"),
    "percent": (
        lambda text: bool(re.fullmatch(r"[0-9]+(\.[0-9]+)?", text)) and float(text) <= 100,
        "a number from 0 to 100",
    ),
    "year": (
        lambda text: bool(re.fullmatch(r"[0-9]{4}", text)) and 1900 <= int(text) <= dt.date.today().year,
        "a year from 1900 to this one",
    ),
    "day": (
        lambda text: len(text) == 10 and _is_past_date(text),
        "a day of the calendar as YYYY-MM-DD, not in the future",
    ),
    "date": (_is_past_date, "a day of the calendar as YYYY, YYYY-MM or YYYY-MM-DD, not in the future"),
    "refs": (_is_refs, "reference numbers and ranges, such as 7, 8, 22-43"),
    "source": (_is_source, "the name of a source; after doi: or pmid: a DOI or PubMed number of right form"),
    "doi": (_is_doi, "a DOI such as 10.1001/jamadermatol.2019.0696, without a prefix"),
    "pmid": (_is_pmid, "a PubMed number of 1 to 8 digits"),
}


def _dictionary_faults(dictionary: pd.DataFrame) -> Iterator[Fault]:
    """Faults by which the dictionary could not be read as rules."""
    known = {(row.table, row.column) for row in dictionary.itertuples()} | {
        ("references", column) for column in ("key", "doi", "pmid")
    }
    for row in dictionary.itertuples():
        if row.type not in {*_FORMS, "code", "codes"}:
            rule = f"must be one of: {', '.join([*_FORMS, 'code', 'codes'])}"
            yield Fault("dictionary.csv", row.Index, "type", row.type, rule)
        for target in filter(None, map(str.strip, row.refers_to.split("|"))):
            table, _, columns = target.partition(".")
            if any((table, column) not in known for column in columns.split("+")):
                yield Fault("dictionary.csv", row.Index, "refers_to", target, "there is no such table or column")


def _schema(columns: pd.DataFrame, codes: pd.DataFrame) -> pa.DataFrameSchema:
    """Build the pandera schema of one table from its rows of the dictionary."""

    def column(row) -> pa.Column:
        checks = []
        if row.required == "yes":
            checks.append(pa.Check(lambda text: text != "", error="a value is required"))
        if row.type in ("code", "codes"):
            allowed = list(codes.loc[codes["list"] == row.allowed, "code"])
            rule = f"must be {'one or more' if row.type == 'codes' else 'one'} of: {', '.join(allowed)}"

            def fits(text, several=row.type == "codes", allowed=frozenset(allowed)):
                parts = [part.strip() for part in text.split(";")] if several else [text]
                return allowed.issuperset(parts)

        else:
            fits, form = _FORMS[row.type]
            rule = f"must be {form}"
        checks.append(pa.Check(lambda text: text == "" or bool(fits(text)), element_wise=True, error=rule))
        return pa.Column(checks=checks)

    return pa.DataFrameSchema({row.column: column(row) for row in columns.itertuples()})


def _value_faults(file: str, frame: pd.DataFrame, schema: pa.DataFrameSchema) -> Iterator[Fault]:
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        for case in errors.failure_cases.itertuples():
            yield Fault(file, int(case.index), str(case.column), str(case.failure_case), str(case.check))


# --- Rules within a table and between tables --------------------------------------------------------------


def _numbers(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return frame.assign(**{c: pd.to_numeric(frame[c], errors="coerce") for c in columns})


def _duplicates(tables: dict[str, pd.DataFrame], dictionary: pd.DataFrame) -> Iterator[Fault]:
    for name, frame in tables.items():
        key = list(dictionary.loc[(dictionary.table == name) & (dictionary.key == "yes"), "column"])
        if not key:
            continue
        numeric = dictionary[(dictionary.table == name) & dictionary.type.isin(["count", "number"])].column
        alike = _numbers(frame, *(column for column in key if column in set(numeric)))
        first = alike.reset_index().groupby(key, sort=False, dropna=False)["index"].transform("first")
        first = first.set_axis(frame.index)
        for row in frame.index[first != frame.index]:
            shown = ", ".join(v for v in frame.loc[row, key] if v)
            yield Fault(f"{name}.csv", row, " + ".join(key), shown, f"stands already in row {first[row]}")


def _unknown_keys(tables: dict[str, pd.DataFrame], dictionary: pd.DataFrame) -> Iterator[Fault]:
    for rule in dictionary[dictionary.refers_to != ""].itertuples():
        if rule.table not in tables:
            continue
        frame = tables[rule.table]
        targets = [target.strip().split(".") for target in rule.refers_to.split("|")]
        targets = [(table, columns.split("+")) for table, columns in targets]
        if any(table not in tables for table, _ in targets):
            continue
        own = targets[0][1] if len(targets[0][1]) > 1 else [rule.column]
        known = {key for table, columns in targets for key in tables[table][columns].itertuples(index=False, name=None)}
        heads = {key[0] for key in known}
        for row, key in zip(frame.index, frame[own].itertuples(index=False, name=None), strict=True):
            if not key[0] or key in known:
                continue
            at = next((i for i in range(1, len(key)) if key[0] in heads), 0)
            where = " or ".join(table + (".bib" if table == "references" else ".csv") for table, _ in targets)
            what = f"is unknown: there is no such {own[at]} in {where}"
            yield Fault(f"{rule.table}.csv", row, own[at], key[at], what + (f" for {key[0]}" if at else ""))


def _more_than(frame, file, small, large, rule) -> Iterator[Fault]:
    numbers = _numbers(frame, small, large)
    for row in frame.index[numbers[small] > numbers[large]]:
        yield Fault(file, row, small, frame.at[row, small], f"{rule} ({large} = {frame.at[row, large]})")


def _counts_in_bounds(tables) -> Iterator[Fault]:
    for name, small in (("responses", "events"), ("adverse_events", "events"), ("maintenance", "depigmented")):
        if name not in tables:
            continue
        file, frame = f"{name}.csv", tables[name]
        yield from _more_than(frame, file, small, "n", "more with the event than there are")
        for row in frame.index[pd.to_numeric(frame["n"], errors="coerce") == 0]:
            yield Fault(file, row, "n", "0", "at least one must have been observed")
    if "arms" in tables:
        yield from _more_than(tables["arms"], "arms.csv", "completed", "enrolled", "more completed than enrolled")


def _threshold_order(tables) -> Iterator[Fault]:
    if "responses" not in tables:
        return
    frame = _numbers(tables["responses"], "events", "n").dropna(subset=["events", "n"])
    frame = frame[frame.threshold.isin(ALL_THRESHOLDS)]
    frame = frame.iloc[frame.threshold.map(ALL_THRESHOLDS.index).argsort(kind="stable")]
    before: dict[tuple, Any] = {}
    for row in frame.itertuples():
        people = tuple(getattr(row, column) for column in ASSESSMENT)
        weaker = before.get(people)
        if weaker is not None and row.events > weaker.events and row.threshold != weaker.threshold:
            yield Fault(
                "responses.csv",
                row.Index,
                "events",
                f"{row.events:g}",
                f"more reached {row.threshold} than reached the weaker {weaker.threshold}"
                f" ({weaker.events:g} in row {weaker.Index})",
            )
        before[people] = row


def _analysed_within_enrolled(tables) -> Iterator[Fault]:
    """Patients analysed may not outnumber those enrolled, by the review's table or the study's own report."""
    if not {"responses", "arms", "report_facts"} <= tables.keys():
        return
    arms = _numbers(tables["arms"], "enrolled").drop_duplicates(["study", "arm"])
    enrolled = arms.set_index(["study", "arm"])["enrolled"]
    facts = tables["report_facts"]
    facts = _numbers(facts[facts.field.isin(["enrolled", "completed"])], "value")
    reported = facts.groupby("study")["value"].max()
    rows = _numbers(tables["responses"], "n")
    for row in rows[rows.unit == "patients"].itertuples():
        limits = [enrolled.get((row.study, row.arm)), reported.get(row.study)]
        limit = max((known for known in limits if known == known and known is not None), default=float("inf"))
        if row.n > limit:
            yield Fault(
                "responses.csv", row.Index, "n", f"{row.n:g}", f"more analysed than enrolled (enrolled = {limit:g})"
            )


def _intervals(tables) -> Iterator[Fault]:
    for name in ("published_rates", "later_reviews"):
        if name in tables:
            file, frame = f"{name}.csv", tables[name]
            yield from _more_than(frame, file, "ci_low", "estimate", "the interval begins above the estimate")
            yield from _more_than(frame, file, "estimate", "ci_high", "the interval ends below the estimate")


def _reasons_given(tables) -> Iterator[Fault]:
    if "responses" in tables:
        frame, codes = tables["responses"], tables["codes"]
        allowed = ", ".join(codes.code[codes["list"] == "why_not"])
        for row in frame.index[(frame.poolable != "yes") != (frame.why_not != "")]:
            rule = f"is required where poolable is not yes, and only there; one of: {allowed}"
            yield Fault("responses.csv", row, "why_not", frame.at[row, "why_not"], rule)
    if "screening" in tables:
        frame = tables["screening"]
        for row in frame.index[(frame.decision == "excluded") != (frame.exclusion != "")]:
            value = frame.at[row, "exclusion"]
            yield Fault(
                "screening.csv", row, "exclusion", value, "is required where the decision is excluded, and only there"
            )


def _bounds_and_margins(tables) -> Iterator[Fault]:
    if "bounds" in tables:
        frame = _numbers(tables["bounds"], "value")
        for row in frame[frame.kind.isin(["percent", "at_most_percent"]) & (frame.value > 100)].itertuples():
            yield Fault("bounds.csv", row.Index, "value", f"{row.value:g}", "a percentage must be from 0 to 100")
        for row in frame[frame.value < 0].itertuples():
            yield Fault("bounds.csv", row.Index, "value", f"{row.value:g}", "must not be negative")
        if "arms" in tables:
            enrolled = _numbers(tables["arms"], "enrolled").groupby(["study", "arm"]).enrolled.max()
            for row in frame[frame.kind == "at_least"].itertuples():
                most = enrolled.get((row.study, row.arm), float("nan"))
                if row.value > most:
                    rule = f"more than are enrolled (enrolled = {most:g})"
                    yield Fault("bounds.csv", row.Index, "value", f"{row.value:g}", rule)
        key = ["study", "arm", "site", "threshold"]
        limits = frame.pivot_table("value", key, "kind", aggfunc="first")
        if {"at_least", "at_most"} <= set(limits.columns):
            for row in frame[frame.kind == "at_least"].itertuples():
                most = limits.at_most[tuple(getattr(row, name) for name in key)]
                if row.value > most:
                    rule = f"more than the count can be at most ({most:g})"
                    yield Fault("bounds.csv", row.Index, "value", f"{row.value:g}", rule)
    if "news_margins" in tables:
        frame = tables["news_margins"]
        needs = frame.meaning.str.contains("{}", regex=False)
        for row in frame.index[needs != (frame.margin != "")]:
            rule = "a margin is required where the meaning has {} in its place, and only there"
            yield Fault("news_margins.csv", row, "margin", frame.at[row, "margin"], rule)


_OF_AN_OUTCOME = {
    "comparison": {"question", "threshold"},
    "rate": {"regimen", "threshold"},
    "maintenance": set(),
    "safety": set(),
}
"""Kind of a rated outcome -> the columns of outcomes.csv that it needs; the other two are empty."""
_MOST_LEVELS = 2
RANDOMISED_TOOL, OTHER_TOOL = "rob2_2019", "robins_i_2016"
"""The tool for randomised trials (Sterne et al. 2019, doi:10.1136/bmj.l4898), and that for other studies (Sterne et al.
2016, doi:10.1136/bmj.i4919)."""


def _outcomes_are_complete(tables) -> Iterator[Fault]:
    """An outcome names what its kind needs and nothing else; a domain lowers the certainty by at most two levels."""
    for row in tables["outcomes"].itertuples() if "outcomes" in tables else ():
        needed = _OF_AN_OUTCOME.get(row.kind)
        for column in ("question", "regimen", "threshold") if needed is not None else ():
            value = getattr(row, column)
            if column in needed and not value:
                yield Fault("outcomes.csv", row.Index, column, "", f"a value is required for the kind {row.kind}")
            elif value and column not in needed:
                yield Fault("outcomes.csv", row.Index, column, value, f"must be empty for the kind {row.kind}")
    if "certainty" in tables:
        frame = _numbers(tables["certainty"], "levels")
        for row in frame[frame.levels > _MOST_LEVELS].itertuples():
            yield Fault("certainty.csv", row.Index, "levels", f"{row.levels:g}", "must be one of: 0, 1, 2")


def _bias_is_judged_by_the_tool(tables) -> Iterator[Fault]:
    """A study has the tool of its design, all domains of it, and an overall judgement that follows from them."""
    if not {"risk_of_bias", "studies", "codes"} <= tables.keys():
        return
    codes, studies = tables["codes"], tables["studies"]
    of_list = codes.groupby("list", sort=False).code.agg(list)
    randomised = set(studies.study[studies.randomised == "yes"])
    others = set(studies.study[studies.randomised != "yes"])
    for (study, tool), rows in tables["risk_of_bias"].groupby(["study", "tool"], sort=False):
        if tool not in (RANDOMISED_TOOL, OTHER_TOOL):
            continue
        first = rows.index[0]
        if study in randomised | others and study not in (randomised if tool == RANDOMISED_TOOL else others):
            design = "is not randomised" if tool == RANDOMISED_TOOL else "is randomised"
            other = OTHER_TOOL if tool == RANDOMISED_TOOL else RANDOMISED_TOOL
            yield Fault("risk_of_bias.csv", first, "tool", tool, f"does not fit: {study} {design}; use {other}")
        domains, judgements = of_list.get(f"{tool}_domain", []), of_list.get(f"{tool}_judgement", [])
        for column, allowed in (("domain", domains), ("judgement", judgements)):
            for row in rows.index[~rows[column].isin(["", *allowed])]:
                rule = f"must be one of: {', '.join(allowed)} (for {tool})"
                yield Fault("risk_of_bias.csv", row, column, rows.at[row, column], rule)
        missing = [domain for domain in domains if domain not in set(rows.domain)]
        for domain in missing:
            yield Fault("risk_of_bias.csv", first, "domain", domain, f"has no row for {study} ({tool})")
        if not missing and rows.judgement.isin(judgements).all():
            yield from _overall_follows(rows, tool, judgements)


def _overall_follows(rows: pd.DataFrame, tool: str, judgements: list[str]) -> Iterator[Fault]:
    """Compare the overall judgement of one study with its domains; judgements go from the best to no information."""
    *ranked, unknown = judgements
    overall = rows[rows.domain == "overall"].index[0]
    found = rows.judgement[overall]
    domains = rows[rows.domain != "overall"]
    known = domains[domains.judgement != unknown]
    worst = max(map(ranked.index, known.judgement), default=0)
    open_ones = list(domains.domain[domains.judgement == unknown])
    rule = ""
    if found == unknown:
        if tool == RANDOMISED_TOOL:
            rule = f"RoB 2 has an overall judgement in every case: must be one of: {', '.join(ranked)}"
        elif not open_ones or worst >= ranked.index("serious"):
            rule = f"must be at least {ranked[worst]}: the domains decide it"
    elif ranked.index(found) < worst:
        by = ", ".join(known.domain[known.judgement == ranked[worst]])
        rule = f"is better than the worst domain ({ranked[worst]}: {by})"
    elif ranked.index(found) == 0 and open_ones:
        rule = f"must be at least {ranked[1]}: there is no information on {', '.join(open_ones)}"
    if rule:
        yield Fault("risk_of_bias.csv", overall, "judgement", found, rule)


def _update_is_screened(tables) -> Iterator[Fault]:
    if not {"studies", "screening"} <= tables.keys():
        return
    studies, screening = tables["studies"], tables["screening"].drop_duplicates("study").set_index("study")
    for row in studies[studies.edition == "update"].itertuples():
        if row.study not in screening.index:
            rule = "a study of the update needs a row in screening.csv"
            yield Fault("studies.csv", row.Index, "study", row.study, rule)
        elif row.year != screening.at[row.study, "published"][:4]:
            rule = f"differs from the date in screening.csv ({screening.at[row.study, 'published'] or 'none'})"
            yield Fault("studies.csv", row.Index, "year", row.year, rule)
    entered = set(studies.study)
    for row in tables["screening"].itertuples():
        if row.decision == "included" and row.study not in entered:
            rule = "an included study needs a row in studies.csv"
            yield Fault("screening.csv", row.Index, "study", row.study, rule)


def _identifiers_agree(tables) -> Iterator[Fault]:
    if not {"screening", "references"} <= tables.keys():
        return
    references = tables["references"].set_index("key")
    for row in tables["screening"].itertuples():
        for field in ("doi", "pmid"):
            here, there = getattr(row, field), references[field].get(row.study, "")
            if here and there and here.lower() != there.lower():
                yield Fault("screening.csv", row.Index, field, here, f"differs from references.bib ({there})")


def _editions_are_apart(tables) -> Iterator[Fault]:
    """A study is of the original review if that refers to it, and of the update if it was screened later."""
    if not {"studies", "screening", "searches"} <= tables.keys():
        return
    studies, screening = tables["studies"], tables["screening"]
    for row in studies[(studies.edition == "original") != (studies.review_ref != "")].itertuples():
        rule = "a study of the original review has its reference number in review_ref, and no other has"
        yield Fault("studies.csv", row.Index, "edition", row.edition, rule)
    original = set(studies.study[studies.edition == "original"])
    for row in screening[screening.study.isin(original)].itertuples():
        yield Fault("screening.csv", row.Index, "study", row.study, "is a study of the original review")
    first = min(filter(_is_past_date, tables["searches"].date), default="")
    for row in screening[(screening.decision == "included") & (screening.published != "")].itertuples():
        if row.published < first[: len(row.published)]:
            rule = f"an included record must have appeared after the original search ({first})"
            yield Fault("screening.csv", row.Index, "published", row.published, rule)


def _pooled_once(tables) -> Iterator[Fault]:
    """What is pooled is of an included study, and no participant is pooled twice."""
    if not {"responses", "arms", "studies", "screening"} <= tables.keys():
        return
    screening = tables["screening"]
    out = set(screening.study[screening.decision != "included"])
    pooled = tables["responses"][tables["responses"].poolable != "no"]
    for row in pooled[pooled.study.isin(out)].itertuples():
        rule = "must be no: the study is not included"
        yield Fault("responses.csv", row.Index, "poolable", row.poolable, rule)
    arms = {(arm.study, arm.arm): arm for arm in tables["arms"].drop_duplicates(["study", "arm"]).itertuples()}
    design = {(row.study, row.part): row.design for row in tables["studies"].itertuples()}
    seen: dict[tuple, int] = {}
    for row in pooled[pooled.poolable == "yes"].drop_duplicates([*ASSESSMENT, "threshold"]).itertuples():
        arm = arms.get((row.study, row.arm))
        if arm is None:
            continue
        if row.unit == "patches" and arm.completed == "":
            rule = "patches can be pooled only if arms.csv says how many patients completed"
            yield Fault("responses.csv", row.Index, "unit", row.unit, rule)
        shared = design.get((row.study, arm.part)) == "WP" and arm.role != "comparator"
        key = (row.study, arm.role if shared else row.arm, row.site, row.site_detail, row.subtype, row.threshold)
        if key in seen:
            rule = f"the same patients are pooled already in row {seen[key]}"
            yield Fault("responses.csv", row.Index, "poolable", row.poolable, rule)
        seen.setdefault(key, row.Index)


def _what_the_book_counts_on(tables) -> Iterator[Fault]:
    if "published_rates" in tables:
        frame = tables["published_rates"]
        for column in ("studies", "refs"):
            for row in frame.index[frame.place.isin(["table3", "results"]) & (frame[column] == "")]:
                yield Fault("published_rates.csv", row, column, "", "a value is required in Table 3 and the results")
    if {"flow", "codes"} <= tables.keys():
        steps = tables["codes"].code[tables["codes"]["list"] == "flow_step"]
        for step in steps[~steps.isin(tables["flow"].step)]:
            yield Fault("flow.csv", None, "step", step, "the step has no row")
    if "later_reviews" in tables:
        frame = _numbers(tables["later_reviews"], "ci_high")
        for row in frame.index[(frame.measure == "rate") & (frame.ci_high > 1)]:
            value = tables["later_reviews"].at[row, "ci_high"]
            yield Fault("later_reviews.csv", row, "ci_high", value, "a rate is a proportion from 0 to 1")


def _labels_are_distinct(tables) -> Iterator[Fault]:
    """A study has one name in all tables, and no other study has the same."""
    first: dict[str, tuple[str, str, int]] = {}
    names: dict[str, str] = {}
    for name in ("studies", "mechanism", "screening"):
        for row in tables[name].itertuples() if name in tables else ():
            study, file, at = first.setdefault(row.label, (row.study, f"{name}.csv", row.Index))
            if study != row.study:
                rule = f"is the label of {study} too ({file}, row {at}): two studies must not share one"
                yield Fault(f"{name}.csv", row.Index, "label", row.label, rule)
            elif row.label != names.setdefault(row.study, row.label):
                rule = f"differs from the label that {row.study} has elsewhere ({names[row.study]})"
                yield Fault(f"{name}.csv", row.Index, "label", row.label, rule)
    reviews: dict[str, str] = {}
    for row in tables["later_reviews"].itertuples() if "later_reviews" in tables else ():
        if reviews.setdefault(row.label, row.review) != row.review:
            rule = f"is the label of {reviews[row.label]} too: two reviews must not share one"
            yield Fault("later_reviews.csv", row.Index, "label", row.label, rule)


def _findings_are_stated(tables) -> Iterator[Fault]:
    """Each included study of the update has its main finding, which repeats no count of the responses."""
    if not {"findings", "studies", "screening", "responses"} <= tables.keys():
        return
    findings, studies, screening = tables["findings"], tables["studies"], tables["screening"]
    update = set(studies.study[studies.edition == "update"])
    out = set(screening.study[screening.decision != "included"])
    stated = set(findings.study)
    for row in studies[studies.study.isin(update - out - stated)].drop_duplicates("study").itertuples():
        rule = "an included study of the update needs its main finding in findings.csv"
        yield Fault("studies.csv", row.Index, "study", row.study, rule)
    for row in findings[~findings.study.isin(update - out)].itertuples():
        rule = "must be an included study of the update"
        yield Fault("findings.csv", row.Index, "study", row.study, rule)
    counts = _numbers(tables["responses"], "events", "n").dropna(subset=["events", "n"])
    counts = counts[counts.n > 0]
    for row in findings.itertuples():
        for count in counts[counts.study == row.study].drop_duplicates(["events", "n"]).itertuples():
            share = {f"{100 * count.events / count.n:.{decimals}f}" for decimals in (0, 1, 2)}
            written = rf"\b{count.events:g} ?(?:/|of) ?{count.n:g}\b|\b(?:{'|'.join(map(re.escape, share))})%"
            if match := re.search(written, row.finding):
                rule = f"the book adds this from responses.csv, row {count.Index}: leave it out"
                yield Fault("findings.csv", row.Index, "finding", match[0], rule)
                break


RULES = (
    _labels_are_distinct,
    _findings_are_stated,
    _editions_are_apart,
    _pooled_once,
    _what_the_book_counts_on,
    _counts_in_bounds,
    _threshold_order,
    _analysed_within_enrolled,
    _intervals,
    _outcomes_are_complete,
    _bias_is_judged_by_the_tool,
    _reasons_given,
    _bounds_and_margins,
    _update_is_screened,
    _identifiers_agree,
)


# --- All together -----------------------------------------------------------------------------------------


def _columns_of_meta(name: str) -> list[str]:
    if name == "codes":
        return ["list", "code", "meaning"]
    return ["table", "column", "type", "required", "key", "allowed", "refers_to", "unit", "meaning"]


def read_tables(folder: str | Path) -> tuple[dict[str, pd.DataFrame], BibliographyData, pd.DataFrame]:
    """Read and check every table of a data folder.

    Parameters
    ----------
    folder : str or Path
        Folder with the CSV files that ``dictionary.csv`` describes, and ``references.bib``.

    Returns
    -------
    tables : dict of str to DataFrame
        Every table by name, all values as text.
    references : pybtex.database.BibliographyData
        The references.
    dictionary : DataFrame
        The data dictionary, all values as text.

    Raises
    ------
    DataError
        With every fault found, if there is any.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError([Fault(str(folder), None, "", "", "the data folder is not there")])
    tables: dict[str, pd.DataFrame] = {}
    faults: list[Fault] = []
    for name in META:
        tables[name], found = read_table(folder / f"{name}.csv", _columns_of_meta(name))
        faults += found
    if faults:
        raise DataError(faults)
    dictionary, codes = tables["dictionary"], tables["codes"]
    described = dict.fromkeys(dictionary.table)
    faults += _dictionary_faults(dictionary)
    if faults:
        raise DataError(faults)
    for name in META:
        faults += _value_faults(f"{name}.csv", tables[name], _schema(dictionary[dictionary.table == name], codes))
    if faults:
        raise DataError(faults)
    for name in described:
        if name in META:
            continue
        columns = dictionary[dictionary.table == name]
        frame, found = read_table(folder / f"{name}.csv", list(columns.column))
        if found:
            faults += found
            continue
        tables[name] = frame
        faults += _value_faults(f"{name}.csv", frame, _schema(columns, codes))
    known = {f"{name}.csv" for name in described}
    for path in sorted(folder.glob("*.csv")):
        if path.name not in known and not path.name.startswith("."):
            faults.append(Fault(path.name, None, "", "", "the data dictionary does not know this file"))
    references, found = read_references(folder / "references.bib")
    faults += found
    if not references.entries and not found:
        faults.append(Fault("references.bib", None, "", "", "the file has no entries"))
    if references.entries:
        tables["references"] = pd.DataFrame(
            [(k, e.fields.get("doi", ""), e.fields.get("pmid", "")) for k, e in references.entries.items()],
            columns=["key", "doi", "pmid"],
        )
    faults += _duplicates(tables, dictionary)
    faults += _unknown_keys(tables, dictionary)
    for rule in RULES:
        faults += rule(tables)
    if faults:
        order = {f"{name}.csv": i for i, name in enumerate(described)}
        raise DataError(sorted(faults, key=lambda f: (order.get(f.file, len(order)), f.row or 0)))
    tables.pop("references", None)
    return tables, references, dictionary


def check(folder: str | Path) -> list[Fault]:
    """Return every fault of a data folder, an empty list if there is none."""
    try:
        read_tables(folder)
    except DataError as error:
        return error.faults
    return []


def convert(frame: pd.DataFrame, types: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Turn checked text into numbers where the dictionary says so.

    Parameters
    ----------
    frame : DataFrame
        A table as `read_tables` returns it.
    types : iterable of (column, type)
        The types of the dictionary.

    Returns
    -------
    DataFrame
        A copy: counts, years and numbers numeric (missing: NaN), the rest text (missing: "").
    """
    numeric = [column for column, kind in types if kind in ("count", "number", "percent", "year")]
    return frame.assign(**{column: pd.to_numeric(frame[column]) for column in numeric}).reset_index(drop=True)
