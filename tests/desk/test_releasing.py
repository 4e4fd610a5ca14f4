"""An edition has a checklist, a row in editions.csv and an entry in the changelog: both, or neither."""

import re
import shutil

import pytest

from conftest import ROOT
from desk_client import add_rows, made_up, rows_of, running_desk
from lib.desk.releasing import with_entry
from lib.evidence import check

ADA = "Ada Example"
FORM = {
    "version": "1.2.0",
    "trigger": "A made-up search for a test",
    "authors": "The contributors of the living review",
    "status": "living",
    "changelog": "A made-up trial was found.\n- It changes nothing.",
    "anyway": "yes",
}


@pytest.fixture
def desk(data):
    shutil.copy(ROOT / "CHANGELOG.md", data.parent)
    add_rows(data, "records", [made_up(1)])
    with running_desk(data) as desk:
        yield desk


def test_the_checklist_counts_what_is_left_and_the_edition_is_made_anyway(desk):
    ada, changelog = desk.visitor(ADA), desk.data.parent / "CHANGELOG.md"
    page = ada.get("/edition?changes=yes").text
    assert re.search(r"\d+ of \d+ results changed", page)
    assert "To do. Records without a decision on title and abstract: 1" in page
    assert "Done. Open disagreements: 0" in page and "Done. Faults in the data: 0" in page
    before, old = (desk.data / "editions.csv").read_bytes(), changelog.read_text(encoding="utf-8")
    refused = ada.post("/edition", **(FORM | {"anyway": ""}))
    assert refused.status == 409 and "on title and abstract: 1" in refused.text
    assert (desk.data / "editions.csv").read_bytes() == before
    answer = ada.post("/edition", **FORM)
    assert answer.status == 303, answer.text
    (row,) = rows_of(desk.data, "editions", version="1.2.0")
    assert (row["date"], row["trigger"]) == ("2026-11-26", FORM["trigger"])
    assert (desk.data / "editions.csv").read_bytes().startswith(before)
    new = changelog.read_text(encoding="utf-8")
    entry = "### Edition of 2026-11-26\n\n- A made-up trial was found.\n- It changes nothing.\n"
    assert entry in new and new.replace(new[new.index("### Edition of 2026-11-26") :].split("\n\n", 2)[0], "") != old
    assert check(desk.data) == []
    assert ada.post("/edition", **(FORM | {"version": "1.3.0"})).status == 409


def test_no_edition_of_data_with_faults_or_without_a_changelog(desk):
    ada = desk.visitor(ADA)
    (desk.data.parent / "CHANGELOG.md").unlink()
    assert "CHANGELOG.md is not in" in ada.post("/edition", **FORM).text
    add_rows(desk.data, "concerns", [{"study": "nothing", "concern": "Made up."}])
    answer = ada.post("/edition", **FORM)
    assert answer.status == 409 and "cannot be made before" in answer.text
    assert not rows_of(desk.data, "editions", version="1.2.0")


def test_an_edition_without_a_line_for_readers_is_refused(desk):
    assert "what readers will notice" in desk.visitor(ADA).post("/edition", **(FORM | {"changelog": " \n"})).text


def test_an_entry_joins_the_version_that_is_being_written():
    changelog = "# Changelog\n\n## 1.2.0\n\n### Changed\n\n- Code.\n"
    new = with_entry(changelog, "1.2.0", "2026-11-26", ["Data."])
    assert new == "# Changelog\n\n## 1.2.0\n\n### Edition of 2026-11-26\n\n- Data.\n\n### Changed\n\n- Code.\n"
