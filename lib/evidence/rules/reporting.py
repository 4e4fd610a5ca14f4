"""Rules for what the review states about itself: settings, editions and reporting checklists.

Belongs here: the tables ``settings``, ``editions`` and ``checklists``. Does not belong here: whether a page that a
checklist names exists, which a test of the built book checks.
"""

from __future__ import annotations

from collections.abc import Iterator

from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, needs


@needs("settings", "codes")
def settings_are_complete(tables: Tables) -> Iterator[Fault]:
    """Every setting has a row."""
    codes = tables["codes"]
    known = codes.code[codes["list"] == "setting"]
    for setting in known[~known.isin(tables["settings"].setting)]:
        yield Fault("settings.csv", None, "setting", setting, "the setting has no row: add it, with an empty value")


@needs("editions", "searches")
def editions_follow_searches(tables: Tables) -> Iterator[Fault]:
    """The first edition is that of the first search, and editions stand in the order of their dates."""
    editions = tables["editions"]
    first = min(tables["searches"].date, default="")
    previous = ""
    for row in editions.itertuples():
        if not previous and first and row.date != first:
            rule = f"the first edition must be that of the original search ({first})"
            yield Fault("editions.csv", row.Index, "date", row.date, rule)
        elif row.date < previous:
            yield Fault("editions.csv", row.Index, "date", row.date, f"must come after the edition before ({previous})")
        previous = row.date


@needs("checklists")
def open_items_are_explained(tables: Tables) -> Iterator[Fault]:
    """An item of a checklist that is not reported in full has a note."""
    checklists = tables["checklists"]
    for row in checklists[(checklists.state != "reported") & (checklists.note == "")].itertuples():
        rule = f'must be given where the state is "{row.state}": say what is missing, and why'
        yield Fault("checklists.csv", row.Index, "note", "", rule)
