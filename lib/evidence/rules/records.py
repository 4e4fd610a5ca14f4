"""Rules for the records of searches: each entry is accounted for, each record is decided on once, and counts add up.

Belongs here: the tables ``searches``, ``records``, ``refused``, ``duplicates``, ``decisions`` and ``candidates`` among
themselves, and the published flow of records. Does not belong here: whether the facts of a study agree with its record
(`agreement`), and the state of each record (`lib.records`).
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, needs, with_numbers
from lib.evidence.screening import STAGES, standing

_OTHER = "other."
"""How the key of a record begins that no search found."""


@needs("searches", "records", "refused")
def entries_are_records_or_refused(tables: Tables) -> Iterator[Fault]:
    """For each search that states its entries, every entry is a record or was refused."""
    counts = {name: tables[name].search.value_counts() for name in ("records", "refused")}
    for row in with_numbers(tables["searches"], "entries").dropna(subset=["entries"]).itertuples():
        records, refused = (int(counts[name].get(row.search, 0)) for name in ("records", "refused"))
        difference = int(row.entries) - records - refused
        if difference:
            text = f"{abs(difference)} {'missing' if difference > 0 else 'too many'}"
            rule = (
                f"must be the number of rows of this search: it has {records} in records.csv and {refused} in"
                f" refused.csv, so {text}; import the file again, or correct the number"
            )
            yield Fault("searches.csv", row.Index, "entries", f"{row.entries:g}", rule)


@needs("searches", "records", "refused")
def positions_are_unique(tables: Tables) -> Iterator[Fault]:
    """Each position of a search has at most one record or refused entry, and none is after its last entry."""
    rows = pd.concat(
        [tables[name][["search", "position"]].assign(file=f"{name}.csv") for name in ("records", "refused")]
    )
    rows = with_numbers(rows[(rows.search != "") & (rows.position != "")], "position").rename_axis("row").reset_index()
    first = rows.drop_duplicates(["search", "position"]).set_index(["search", "position"])
    for row in rows[rows.duplicated(["search", "position"])].itertuples():
        other = first.loc[(row.search, row.position)]
        rule = f"is the position of {other.file}, row {other.row}, too: an entry of a search is one record"
        yield Fault(row.file, row.row, "position", f"{row.position:g}", rule)
    searches = with_numbers(tables["searches"], "entries").drop_duplicates("search").set_index("search")
    last = rows.search.map(searches.entries)
    for row in rows[rows.position > last].itertuples():
        rule = f"is beyond the last entry of this search ({searches.entries[row.search]:g} in searches.csv)"
        yield Fault(row.file, row.row, "position", f"{row.position:g}", rule)


@needs("records")
def record_keys_name_their_entry(tables: Tables) -> Iterator[Fault]:
    """The key of a record is its search and position; one that no search found has neither."""
    records = tables["records"]
    in_a_search = records.search != ""
    for row in records[in_a_search & (records.record != records.search + "." + records.position)].itertuples():
        rule = f"must be the search, a full stop and the position: {row.search}.{row.position or '(position missing)'}"
        yield Fault("records.csv", row.Index, "record", row.record, rule)
    for row in records[~in_a_search & ((records.position != "") | ~records.record.str.startswith(_OTHER))].itertuples():
        rule = f"has no search: begin its key with {_OTHER} and leave position empty, or enter its search"
        yield Fault("records.csv", row.Index, "record", row.record, rule)


@needs("searches")
def search_periods_are_in_order(tables: Tables) -> Iterator[Fault]:
    """The period searched does not end before it begins, and not after the search."""
    for row in tables["searches"].itertuples():
        if row.since and row.until and row.until < row.since:
            yield Fault("searches.csv", row.Index, "until", row.until, f"is before since ({row.since}): correct one")
        if row.until and row.until > row.date:
            yield Fault("searches.csv", row.Index, "until", row.until, f"is after the search ({row.date}): correct one")


@needs("duplicates")
def duplicates_are_of_one_record(tables: Tables) -> Iterator[Fault]:
    """A record duplicates at most one other, which is not itself a duplicate; a pair of records has one relation."""
    rows = tables["duplicates"]
    for row in rows[rows.record == rows.same_as].itertuples():
        yield Fault("duplicates.csv", row.Index, "same_as", row.same_as, "is the record itself: name the other record")
    rows = rows[rows.record != rows.same_as]
    first_by_pair: dict[frozenset[str], int] = {}
    for row in rows.itertuples():
        first = first_by_pair.setdefault(frozenset((row.record, row.same_as)), row.Index)
        if first != row.Index:
            rule = f"is compared with {row.record} in row {first} already: keep one of the two rows"
            yield Fault("duplicates.csv", row.Index, "same_as", row.same_as, rule)
    rows = rows[rows.relation == "duplicate"]
    first_row = {record: row for row, record in reversed(list(rows.record.items()))}
    for row in rows.itertuples():
        if first_row[row.record] != row.Index:
            rule = f"is a duplicate by row {first_row[row.record]} already: a record is the duplicate of one other"
            yield Fault("duplicates.csv", row.Index, "record", row.record, rule)
        elif row.same_as in first_row:
            rule = (
                f"is itself a duplicate (row {first_row[row.same_as]}): name the record that is kept, which is the"
                " duplicate of no other"
            )
            yield Fault("duplicates.csv", row.Index, "same_as", row.same_as, rule)


@needs("duplicates", "decisions", "candidates")
def duplicates_are_not_screened(tables: Tables) -> Iterator[Fault]:
    """Decisions and studies are not about a record that is a duplicate, but about the record that is kept."""
    rows = tables["duplicates"]
    rows = rows[rows.relation == "duplicate"].drop_duplicates("record")
    original_by_record = dict(zip(rows.record, rows.same_as, strict=True))
    for name in ("decisions", "candidates"):
        for row in tables[name][tables[name].record.isin(original_by_record)].itertuples():
            rule = f"is a duplicate of {original_by_record[row.record]} (duplicates.csv): name that record instead"
            yield Fault(f"{name}.csv", row.Index, "record", row.record, rule)


@needs("decisions")
def exclusions_have_reasons(tables: Tables) -> Iterator[Fault]:
    """A decision has a kind of reason for exclusion if, and only if, it excludes."""
    decisions = tables["decisions"]
    for row in decisions[(decisions.decision == "exclude") != (decisions.reason != "")].itertuples():
        rule = 'must be given if the decision is "exclude", and empty otherwise'
        yield Fault("decisions.csv", row.Index, "reason", row.reason, rule)


@needs("decisions")
def full_texts_were_included_before(tables: Tables) -> Iterator[Fault]:
    """A decision about a full text follows an inclusion on title and abstract."""
    decisions = tables["decisions"]
    decided = standing(decisions)
    included = decided.record[(decided.stage == STAGES[0]) & (decided.decision == "include")]
    for row in decisions[(decisions.stage == STAGES[1]) & ~decisions.record.isin(included)].itertuples():
        rule = (
            f'needs the decision "include" at {STAGES[0]}, on which all reviewers agree or which resolves their'
            " disagreement: enter it, or remove this row"
        )
        yield Fault("decisions.csv", row.Index, "stage", row.stage, rule)


@needs("decisions")
def resolutions_resolve(tables: Tables) -> Iterator[Fault]:
    """A resolution is the only one of its record and stage, and reviewers differ or its note records the consensus."""
    decisions = tables["decisions"]
    keys = ["record", "stage"]
    resolutions = decisions[decisions.role == "resolution"]
    for row in resolutions[resolutions.duplicated(keys)].itertuples():
        rule = "is the second resolution of this record and stage: keep one of them"
        yield Fault("decisions.csv", row.Index, "role", row.role, rule)
    decision_counts = decisions[decisions.role == "reviewer"].groupby(keys).decision.nunique()
    differ = pd.MultiIndex.from_frame(resolutions[keys]).isin(decision_counts.index[decision_counts > 1])
    for row in resolutions[~differ & (resolutions.note == "")].itertuples():
        rule = "resolves nothing, because no two reviewers differ: remove it, or say in note how consensus was reached"
        yield Fault("decisions.csv", row.Index, "role", row.role, rule)


@needs("candidates", "decisions")
def candidates_are_decided(tables: Tables) -> Iterator[Fault]:
    """The record of a study that is considered has a decision, and the last one has its reason in words."""
    decisions, candidates = tables["decisions"], tables["candidates"]
    for row in candidates[~candidates.record.isin(decisions.record)].itertuples():
        rule = "has no decision in decisions.csv: enter one, or remove the study from candidates.csv"
        yield Fault("candidates.csv", row.Index, "record", row.record, rule)
    decided = standing(decisions[decisions.record.isin(candidates.record)])
    last = decided.sort_values("stage", key=lambda stages: stages.map(STAGES.index), kind="stable")
    last = last.drop_duplicates("record", keep="last")
    for row in last[last.note == ""].itertuples():
        rule = "must be given: the reason for the last decision on a study, in words"
        yield Fault("decisions.csv", int(row.row), "note", "", rule)


@needs("candidates", "decisions", "duplicates", "studies")
def included_records_are_entered(tables: Tables) -> Iterator[Fault]:
    """A record that is included on its full text is that of a study in ``studies.csv``, or another report of one."""
    # A warning only: between the decision and the entry of its data, a study awaits classification.
    decided, candidates = standing(tables["decisions"]), tables["candidates"]
    known = set(candidates.record[candidates.study.isin(tables["studies"].study)])
    reports = tables["duplicates"][tables["duplicates"].relation.isin(("same_study", "erratum"))]
    known |= set(reports.record[reports.same_as.isin(known)]) | set(reports.same_as[reports.record.isin(known)])
    included = decided[(decided.stage == STAGES[1]) & (decided.decision == "include")]
    for row in included[~included.record.isin(known)].itertuples():
        rule = (
            "is included on its full text, and its trial is not entered yet: enter it (make desk), or say in"
            " duplicates.csv of which record it is another report (same_study) or an erratum"
        )
        yield Fault("decisions.csv", int(row.row), "record", row.record, rule)


@needs("flow", "studies", "mechanism")
def published_flow_adds_up(tables: Tables) -> Iterator[Fault]:
    """The published numbers of records add up, and the studies included are those of the original review."""
    flow = with_numbers(tables["flow"], "n").drop_duplicates("step")
    n = dict(zip(flow.step, flow.n, strict=True))
    rows = dict(zip(flow.step, flow.index, strict=True))
    if not {"identified", "removed", "assessed", "included"} <= n.keys():
        return
    excluded = sum(number for step, number in n.items() if step.startswith("excluded_"))
    studies = tables["studies"]
    original = len({*studies.study[studies.edition == "original"], *tables["mechanism"].study})
    for step, number, formula in (
        ("assessed", n["identified"] - n["removed"], "identified - removed"),
        ("included", n["assessed"] - excluded, "assessed - all excluded with a reason"),
        ("included", original, "studies of the original review in studies.csv and mechanism.csv"),
    ):
        if n[step] != number:
            rule = f"must be {number:g} ({formula}): correct the number that is wrong"
            yield Fault("flow.csv", rows[step], "n", f"{n[step]:g}", rule)


@needs("records", "duplicates")
def records_with_one_identifier_are_compared(tables: Tables) -> Iterator[Fault]:
    """Two records with the same DOI or PubMed number are compared in ``duplicates.csv``."""
    records, pairs = tables["records"], tables["duplicates"]
    compared = set(pairs.record) | set(pairs.same_as)
    for field, name in (("doi", "DOI"), ("pmid", "PubMed number")):
        values = records[field].str.casefold()
        repeated = records[(values != "") & values.duplicated() & ~records.record.isin(compared)]
        first = values[values != ""].drop_duplicates()
        row_by_value = dict(zip(first, first.index, strict=True))
        for row in repeated.itertuples():
            value = getattr(row, field)
            place = f"records.csv, row {row_by_value[value.casefold()]}"
            rule = f"is the {name} of {place}, too: say in duplicates.csv whether the two are the same report"
            yield Fault("records.csv", row.Index, field, value, rule)
