"""Link an erratum with the report that it corrects, as MEDLINE and Crossref state it.

Belongs here: what a statement of a source means, and the rows of ``duplicates.csv``. Does not belong here: errata whose
source states no identifier, which are found by their titles and are a question for a person (`deduplication`).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence

from lib.records.deduplication import ERRATUM, RULE
from lib.records.readers import values
from lib.records.record import Record
from lib.records.saving import Change

_STATEMENT = re.compile(r"\s*(?:erratum|corrigendum|correction) (in|for|of)\b(.*)", re.IGNORECASE | re.DOTALL)
_PMID = re.compile(r"PMID:?\s*([1-9][0-9]{0,7})\b", re.IGNORECASE)


def erratum_changes(
    new: Sequence[tuple[str, Record]], records: Iterable[Mapping[str, str]], decided: Iterable[Mapping[str, str]]
) -> list[Change]:
    """Return the rows of ``duplicates.csv`` that link errata with the reports that they correct.

    A link needs both records, and a source that states the PubMed number or the DOI of the other one. Nothing is
    merged, and a pair that was decided about is left alone.

    Parameters
    ----------
    new : sequence of (str, Record)
        The new records by their keys.
    records : iterable of mapping of str to str
        The rows of ``records.csv`` so far.
    decided : iterable of mapping of str to str
        The rows of ``duplicates.csv`` so far.

    Examples
    --------
    >>> erratum = Record(2, pmid="2", links=("erratum for: Made-up J. 2020;1:2. PMID: 1",))
    >>> change, = erratum_changes([("a.2", erratum)], [{"record": "b.1", "pmid": "1", "doi": ""}], [])
    >>> change.values["record"], change.values["relation"], change.values["same_as"]
    ('a.2', 'erratum', 'b.1')
    """
    stated = [
        (key, record, match) for key, record in new for link in record.links if (match := _STATEMENT.fullmatch(link))
    ]
    if not stated:
        return []
    key_by_name: dict[str, str] = {}
    for row in (*records, *({"record": key, "pmid": record.pmid, "doi": record.doi} for key, record in new)):
        for name in filter(None, (row["pmid"], row["doi"].lower())):
            key_by_name.setdefault(name, row["record"])

    def first(*names: str) -> str:
        return next((key_by_name[name] for name in names if name in key_by_name), "")

    pairs = {frozenset((row["record"], row["same_as"])) for row in decided}
    today, changes = dt.date.today().isoformat(), []
    for key, record, match in stated:
        pmid = _PMID.search(match[2])
        # Of a record that comes again, the first one is linked.
        stating = first(record.pmid, record.doi.lower()) or key
        other = first(pmid[1] if pmid else "", values.doi(match[2]).lower())
        pair = frozenset((stating, other))
        if not other or stating == other or pair in pairs:
            continue
        pairs.add(pair)
        erratum, report = (other, stating) if match[1].lower() == "in" else (stating, other)
        row = {"record": erratum, "same_as": report, "relation": ERRATUM, "decided_by": RULE, "date": today}
        changes.append(Change("duplicates", values=row | {"why": f"stated by the source of {key}"}))
    return changes
