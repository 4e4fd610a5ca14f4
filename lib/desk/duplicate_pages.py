"""Serve the page on which a person decides whether two records are the same report.

Belongs here: the pairs side by side, and which of two records is kept. Does not belong here: which pairs are alike, and
what a rule decides (`lib.records.deduplication`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lib.desk.page import Page
from lib.desk.screening import duplicates, screening
from lib.desk.screening_pages import record_values
from lib.desk.workspace import Refusal, Workspace, from_tables, refusal
from lib.records.comparing import item
from lib.records.deduplication import DUPLICATE, ERRATUM, RULE, Proposal, Proposals, changes, propose
from lib.records.saving import SaveError, save

_SHOWN = ("title", "authors", "published", "journal", "volume", "issue", "pages", "kind", "doi", "pmid", "registry")
_NAMES = {"doi": "DOI", "pmid": "PubMed number"}
_LAST = 10
"""Number of the last decisions that the page lists."""


async def proposals(desk: Workspace) -> Proposals:
    """Return the pairs that are alike among the records as they are now, and are not decided.

    The records are compared when their table has changed, and not after each decision about a pair.
    """
    compared = await desk.in_background(lambda: desk.derived("proposals", ("records",), lambda: _compare(desk)))
    rows = duplicates(desk)
    decided = {frozenset((row["record"], row["same_as"])) for row in rows}
    merged = {row["record"] for row in rows if row["relation"] == DUPLICATE}

    def is_open(pair: Proposal) -> bool:
        return frozenset((pair.record, pair.same_as)) not in decided and not {pair.record, pair.same_as} & merged

    return replace(
        compared, decided=list(filter(is_open, compared.decided)), maybes=list(filter(is_open, compared.maybes))
    )


def _erratum_first(key: dict[str, str], records: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the pair with the erratum as ``record``."""
    errata = [record for record in key.values() if item(records[record]).kind == "erratum"]
    if len(errata) != 1:
        raise Refusal("Of an erratum and its report, one is an erratum by kind or title. Correct records.csv first.")
    (report,) = set(key.values()) - set(errata)
    return {"record": errata[0], "same_as": report}


def _compare(desk: Workspace) -> Proposals:
    screened = {*desk.table("decisions").record, *desk.table("candidates").record}
    return propose(desk.table("records").to_dict("records"), duplicates(desk), screened)


class Duplicates(Page):
    """The first undecided pair, and the last decisions."""

    async def get(self) -> None:
        """Show the pair and the decisions."""
        self.require_reviewer()
        undecided = await proposals(self.desk)
        records = _records_by_key(self.desk)
        pair = undecided.maybes[0] if undecided.maybes else None
        both = [records[key] for key in (pair.same_as, pair.record)] if pair else []
        rows = [
            {"name": _NAMES.get(name) or name.capitalize(), "values": [record[name] for record in both]}
            for name in _SHOWN
            if any(record[name] for record in both)
        ]
        last = [row for row in duplicates(self.desk) if row["decided_by"] != RULE][-_LAST:]
        self.show(
            "duplicates.html",
            pair=pair,
            both=[record_values(self.desk, record) for record in both],
            rows=rows,
            left=len(undecided.maybes),
            by_rule=len(undecided.decided),
            last=[
                row | {"titles": [records[row[name]]["title"] for name in ("record", "same_as")]}
                for row in reversed(last)
            ],
            meanings=self.desk.codes("relation"),
        )

    async def post(self) -> None:
        """Let the decision about a pair, or its deletion, wait to be saved."""
        reviewer = self.require_reviewer()
        key = {name: self.get_argument(name, "") for name in ("record", "same_as")}
        relation = self.get_argument("relation", "")
        decisions = [row for row in duplicates(self.desk) if {row["record"], row["same_as"]} == set(key.values())]
        if relation == "undo":
            if not decisions or decisions[0]["decided_by"] == RULE:
                raise Refusal("There is no such decision of a person any more.")
            self.desk.outbox.delete("duplicates", {name: decisions[0][name] for name in key})
            self.go_to("/duplicates", "The decision was taken back.")
            return
        records = _records_by_key(self.desk)
        if not set(key.values()) <= records.keys() or key["record"] == key["same_as"]:
            raise Refusal("There is no such pair of records: open the list again.")
        if relation not in self.desk.codes("relation"):
            raise Refusal("Choose: the same report, two reports of one study, separate, or an erratum and its report.")
        if decisions:
            decision = f"{decisions[0]['decided_by']}: {self.desk.codes('relation')[decisions[0]['relation']]}"
            raise Refusal("This pair was decided meanwhile. Nothing was saved; this decision stands:", [decision])
        if relation == DUPLICATE:
            key = self.main_record_last(key)
        elif relation == ERRATUM:
            key = _erratum_first(key, records)
        why = self.text("why") or "Compared by a person at the desk."
        row = {**key, "relation": relation, "decided_by": reviewer, "why": why, "date": self.desk.today}
        self.desk.outbox.add("duplicates", row)
        self.go_to("/duplicates")

    def main_record_last(self, key: dict[str, str]) -> dict[str, str]:
        """Return the pair with the main record as ``same_as``: one with decisions, and no duplicate itself."""
        main_by_duplicate = {
            row["record"]: row["same_as"] for row in duplicates(self.desk) if row["relation"] == DUPLICATE
        }
        screened = {record for record, _ in screening(self.desk).decisions}
        pair = [main_by_duplicate.get(key[name], key[name]) for name in ("record", "same_as")]
        if pair[0] in screened and pair[1] in screened:
            raise Refusal(
                "Both records were screened already. Take the decisions on one of them back first, or enter them as two"
                " reports of one study."
            )
        if pair[0] in screened or pair[0] in main_by_duplicate.values():
            pair.reverse()
        if pair[0] in main_by_duplicate.values():
            raise Refusal("Both records have duplicates already: take those decisions back first.")
        return {"record": pair[0], "same_as": pair[1]}


class DuplicatesByRule(Page):
    """The form that enters the pairs that a rule decides."""

    async def post(self) -> None:
        """Save the pairs."""
        self.require_reviewer()

        def work() -> int:
            compared = _compare(self.desk)
            try:
                save(self.desk.folder, changes(compared))
            except SaveError as error:
                raise refusal(error) from None
            return len(compared.decided)

        number = await self.desk.in_background(work)
        self.go_to("/duplicates", f"{number} pairs were entered, decided by rule.")


@from_tables("records")
def _records_by_key(desk: Workspace) -> dict[str, dict[str, Any]]:
    return {row["record"]: row for row in desk.table("records").to_dict("records")}
