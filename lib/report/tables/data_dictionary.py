"""Tables of the data dictionary and its code lists.

Belongs here: how the schema of ``data/`` is shown. Does not belong here: the schema, which is data.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from lib.evidence import Evidence
from lib.report.tables.table import Table


def dictionary(evidence: Evidence, table: str) -> Table:
    """List the columns of one table with their content."""
    rows = evidence.dictionary[evidence.dictionary.table == table]
    types = evidence.meaning("type")

    def allowed(row: Any) -> str:
        if row.allowed and row.type in ("code", "codes"):
            return ("one or more of: " if row.type == "codes" else "") + ", ".join(evidence.meaning(row.allowed))
        is_narrower = row.range and not row.range.startswith("none:")
        return types[row.type] + (f"; from {row.range}" if is_narrower else "")

    frame = pd.DataFrame(
        {
            "Column": rows.column + rows.key.map({"yes": " *", "": ""}),
            "Required": rows.required,
            "Unit": rows.unit,
            "Must occur in": rows.refers_to,
            "detail": [f"{row.meaning}. Allowed: {allowed(row)}." for row in rows.itertuples()],
        }
    )
    meaning = evidence.meaning("table")[table]
    note = (
        "* Part of the key: no two rows have the same values in all columns of the key."
        if (rows.key == "yes").any()
        else ""
    )
    return Table(frame, f"{table}.csv: {meaning}", note, detail="detail")


def codes(evidence: Evidence, code_list: str) -> Table:
    """List the codes of one code list with their meanings."""
    rows = evidence.codes[evidence.codes["list"] == code_list]
    return Table(pd.DataFrame({"Code": rows.code, "Meaning": rows.meaning}), f"Codes: {code_list}")
