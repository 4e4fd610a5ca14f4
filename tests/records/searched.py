"""What the tests of searches need: a folder with the tables that a search changes, and a search against a server."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from lib.records.searching.search import SOURCES, Setting, search

TODAY = dt.date(2026, 11, 26)
DATA = Path(__file__).parents[2] / "data"
TABLES = ("queries", "searches", "records", "refused", "duplicates")
QUERIES = "".join(f"{code}_made_up,{code},vitiligo,made up for a test\n" for code in SOURCES)
REVIEW = "review-2018-08-06,2018-08-06,database search,MEDLINE,,,,,,,,,,\n"
SECRETS = {"NCBI_API_KEY": "Zq7+made/up", "OPENALEX_API_KEY": "Xw8-made-up", "SEARCH_EMAIL": "made.up@example.org"}


def make_folder(folder: Path) -> Path:
    """Make a folder with the tables of searches alone; the check of whole data folders has its own tests."""
    folder.mkdir(exist_ok=True)
    shutil.copy(DATA / "dictionary.csv", folder)
    for name in TABLES:
        header = (DATA / f"{name}.csv").read_text(encoding="utf-8").partition("\n")[0]
        rows = {"queries": QUERIES, "searches": REVIEW}.get(name, "")
        (folder / f"{name}.csv").write_text(f"{header}\n{rows}", encoding="utf-8")
    return folder


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def make_pages_small(set_attribute: Callable[[ModuleType, str, object], object]) -> None:
    """Let each database give out ten records in a page, PubMed 20: as many pages come of a tenth of the records."""
    for source in SOURCES.values():
        module = sys.modules[source.__module__]
        set_attribute(module, "PAGE", module.PAGE // 10)


class Searched:
    """The outcome of a search: its status, its messages and the waits that were asked for."""

    def __init__(
        self,
        folder: Path,
        address: Callable[[str], str],
        *sources: str,
        since: dt.date | None = dt.date(2026, 11, 1),
        environment: dict[str, str] | None = None,
        timeout: float = 20.0,
        **options: object,
    ):
        self.waits: list[float] = []
        self.said: list[str] = []
        self.warned: list[str] = []
        addresses = {code: address(code) for code in SOURCES}
        setting = Setting(environment or {}, addresses, TODAY, self.waits.append, timeout)
        say = {"say": self.said.append, "warn": self.warned.append}
        self.status = search(folder, sources, since, setting=setting, **say, **options)  # type: ignore[arg-type]
