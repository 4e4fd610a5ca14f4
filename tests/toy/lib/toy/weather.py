"""The inputs of the toy project: a few tables of measurements, read with the standard library alone."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from lib.caching.shared_results import READ, ask

TABLES = {"stations": "metres", "rain": "value", "wind": "value", "limits": "value"}
"""Each table's column of numbers."""
LOADED: set[tuple[str, str]] = set()
"""Data folders and dates of the editions that this process has loaded."""
_REGIONS = ("north", "south")
_Rows = list[dict[str, str]]


class DataError(Exception):
    """The tables have faults."""

    def __init__(self, faults: list[str]):
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, eq=False)
class Weather:
    """What was measured until the date of an edition: everywhere, or in the region of a view."""

    tables: dict[str, _Rows]
    edition: tuple[str, str]
    view: str = ""

    def rows(self, name: str) -> _Rows:
        READ.add((self.view, name))
        return self.tables[name]

    def total(self, name: str) -> int:
        return sum(int(row[TABLES[name]]) for row in self.rows(name))

    def only(self, view: str) -> Weather:
        places = {row["station"] for row in self.tables["stations"] if row["region"] == view}
        kept = {
            name: [row for row in rows if row.get("station") in {*places, None}] for name, rows in self.tables.items()
        }
        return Weather(kept, self.edition, view)

    def fingerprints(self) -> dict[str, dict[str, str]]:
        return {
            weather.view: {
                name: hashlib.sha256(repr(rows).encode()).hexdigest() for name, rows in weather.tables.items()
            }
            for weather in (self, *map(self.only, _REGIONS))
        }


def load(folder: str | Path, as_of: str = "") -> Weather:
    """Read and check the tables, and return the edition of a date."""
    edition = (str(Path(folder).resolve()), as_of)
    LOADED.add(edition)
    return ask(edition) or _load(Path(folder), edition)


def _load(folder: Path, edition: tuple[str, str]) -> Weather:
    tables, faults = {}, []
    for name, numbers in TABLES.items():
        try:
            with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError:
            faults.append(f"{name}.csv: the file does not exist")
            continue
        faults += [
            f"{name}.csv, row {number}: {row[numbers]!r}: must be a whole number"
            for number, row in enumerate(rows, 2)
            if not row[numbers].isdecimal()
        ]
        tables[name] = [row for row in rows if row.get("date", "") <= (edition[1] or "9")]
    if faults:
        raise DataError(faults)
    return Weather(tables, edition)
