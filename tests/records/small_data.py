"""A small data folder: the tables that hold records, with the rules about them, and nothing of trials.

The check of the whole folder takes ten times as long; tests that need its other tables copy it (fixture ``data``).
"""

from __future__ import annotations

import csv
from pathlib import Path

DATA = Path(__file__).parents[2] / "data"
TABLES = (
    *("dictionary", "codes", "settings", "drugs", "change_criteria", "queries", "searches", "records", "refused"),
    *("duplicates", "decisions", "candidates", "retractions", "editions"),
)
"""Tables that refer to no others, except for the references."""
ROWS = 4
"""Rows of each table of records and settings."""


def small_data(folder: Path) -> Path:
    """Make the folder; its rows are the first of the project's tables, and the check finds no fault in it."""
    folder.mkdir()
    kept: dict[str, list[dict[str, str]]] = {}
    for name in TABLES:
        with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            rows = list(table)
            header = list(table.fieldnames or ())
        if name == "dictionary":
            rows = [row for row in rows if row["table"] in TABLES]
            lists = {row["allowed"] for row in rows} | {"table"}
        elif name == "codes":
            rows = [row for row in rows if row["list"] in lists and (row["list"] != "table" or row["code"] in TABLES)]
        elif name == "duplicates":
            rows = []
        elif name in ("decisions", "candidates"):
            rows = [row for row in rows if row["record"] in {row["record"] for row in kept["records"]}]
        elif name not in ("settings", "queries", "searches", "editions"):
            rows = rows[:ROWS]
        kept[name] = rows
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, header, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    entry = "@misc{made_up_2020,\n  title = {Made-up reference},\n  year = {2020},\n}\n"
    (folder / "references.bib").write_text(entry, encoding="utf-8")
    return folder
