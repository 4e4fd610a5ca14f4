"""Retractions are looked up, entered, decided upon, and shown wherever a study is named."""

import csv
import datetime as dt
import shutil

import pytest
from bs4 import BeautifulSoup
from small_data import small_data

from answering_server import Answers, answering
from conftest import ROOT, run
from lib.__main__ import main
from lib.evidence import DataError, check, check_with_warnings, load
from lib.records import retractions
from lib.records.importing import Origin, import_files
from lib.records.retractions import Identifiers, Notice
from lib.records.saving import Change, save
from lib.records.searching.client import SearchError
from lib.records.searching.search import Setting
from lib.report.chapters import study_records
from lib.report.tables import included
from lib.report.tables.names import label_by_key
from searched import TODAY, rows

STUDY = "kanwar2004"
DOI = "10.1111/j.1365-2230.2004.01632.x"


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def setting(answers):
    with answering(answers) as address:
        yield Setting({}, {code: address(code) for code in ("crossref", "pubmed")}, TODAY, lambda seconds: None)


@pytest.fixture
def small(tmp_path):
    """A small data folder that cites one study, by its DOI and a made-up PubMed number."""
    folder = small_data(tmp_path / "data")
    fields = f"title = {{Made-up title}},\n  year = {{2004}},\n  doi = {{{DOI}}},\n  pmid = {{99000000}}"
    (folder / "references.bib").write_text(f"@misc{{{STUDY},\n  {fields},\n}}\n", encoding="utf-8")
    return folder


def append(folder, row):
    with (folder / "retractions.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(row)


def watched(data, setting, **options):
    said = []
    number = retractions.watch(data, setting=setting, say=said.append, **options)
    return number, said


def update(kind, doi="10.5555/made-up.notice", source="publisher"):
    return {"DOI": doi, "type": kind, "label": kind.title(), "source": source, "record-id": 1}


def test_every_reference_with_an_identifier_is_asked_about(data, answers, setting):
    known = retractions.identifiers(data)
    number, said = watched(data, setting)
    assert number == 0 and rows(data, "retractions") == []
    asked = [parameters for _, parameters in answers.requests]
    dois = {doi.removeprefix("doi:") for p in asked if "filter" in p for doi in p["filter"].split(",")}
    pmids = {pmid for p in asked if "id" in p for pmid in p["id"].split(",")}
    assert (dois, pmids) == (set(known.doi.values()), set(known.pmid.values()))
    assert known.doi[STUDY] == DOI and len(dois) > 50
    assert f"Asked Crossref about {len(dois)} DOIs and PubMed about {len(pmids)} numbers: 0 notices" in said[0]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("retraction", "retraction"),
        ("Retraction", "retraction"),
        ("partial_retraction", "partial_retraction"),
        ("withdrawal", "withdrawal"),
        ("removal", "withdrawal"),
        ("expression-of-concern", "expression_of_concern"),
        ("correction", ""),
        ("erratum", ""),
        ("new_version", ""),
    ],
)
def test_what_crossref_calls_an_update(small, answers, setting, kind, expected):
    answers.retractions[DOI] = [update(kind), update(kind, source="retraction-watch")]
    notices = retractions.look_up(small, Identifiers({STUDY: DOI}, {}), setting).notices
    assert notices == ([Notice(STUDY, expected, "doi:10.5555/made-up.notice")] if expected else [])


@pytest.mark.parametrize(
    ("stated", "kind", "notice"),
    [
        ([("type", "Retracted Publication")], "retraction", ""),
        ([("type", "Retracted Publication"), ("RetractionIn", "99000001")], "retraction", "99000001"),
        ([("ExpressionOfConcernIn", "99000002")], "expression_of_concern", "99000002"),
        ([("ErratumIn", "99000003"), ("Cites", "99000004"), ("CommentIn", "99000005")], "", ""),
    ],
)
def test_what_pubmed_states_of_an_article(small, answers, setting, stated, kind, notice):
    answers.retracted["99000000"] = stated
    notices = retractions.look_up(small, Identifiers({}, {STUDY: "99000000"}), setting).notices
    assert notices == ([Notice(STUDY, kind, f"pmid:{notice or '99000000'}")] if kind else [])


def test_a_retraction_fails_the_check_until_somebody_has_decided(small, answers, setting, capsys):
    answers.retractions[DOI] = [update("retraction")]
    assert watched(small, setting)[0] == 1
    assert main(["check", "--root", str(small.parent)]) == 1
    said = capsys.readouterr().err
    assert "retractions.csv, row 2, column decision: must be given: kanwar2004 was retracted" in said
    assert said.count(".csv, row ") == 1
    # A second look changes nothing, and keeps the decision.
    decided = {"decision": "kept", "reason": "Made-up reason."}
    save(small, [Change("retractions", {"reference": STUDY}, decided)])
    assert check(small) == [] and watched(small, setting)[0] == 0
    assert rows(small, "retractions")[0]["reason"] == "Made-up reason."


def test_what_was_removed_because_of_a_retraction_must_be_removed(data):
    append(data, [STUDY, "retraction", "doi:10.5555/made-up.notice", "2026-11-26", "removed", "Made-up reason."])
    assert {fault.file for fault in check(data)} == {"responses.csv"}


def test_a_retraction_without_a_decision_stops_no_import(data, edit, tmp_path):
    edit("retractions", lambda table: table.append([STUDY, "retraction", "doi:10.5555/made-up.notice", TODAY, "", ""]))
    export = tmp_path / "export.ris"
    export.write_text("TY  - JOUR\nTI  - Made-up study\nPY  - 2023\nER  - \n", encoding="utf-8")
    (imported,) = import_files(data, [export], Origin("Made-up database"))
    assert imported.is_new and rows(data, "records")[-1]["title"] == "Made-up study"
    done = run(data.parent, "duplicates", "--root", str(data.parent), "--dry-run")
    assert done.returncode == 0, done.stderr
    # Any other fault does.
    edit("retractions", lambda table: table[1].__setitem__(4, "made_up"))
    with pytest.raises(DataError, match="'made_up'"):
        import_files(data, [export], Origin("Made-up database"))


def test_an_expression_of_concern_is_a_warning(small, answers, setting):
    answers.retractions[DOI] = [update("expression_of_concern")]
    watched(small, setting)
    faults, warnings = check_with_warnings(small)
    assert faults == []
    assert any("there is an expression of concern about kanwar2004" in str(warning) for warning in warnings)


def test_a_dry_run_writes_nothing(small, answers, setting):
    answers.retractions[DOI] = [update("retraction")]
    before = (small / "retractions.csv").read_bytes()
    number, said = watched(small, setting, dry_run=True)
    assert number == 1 and "kanwar2004: retraction, doi:10.5555/made-up.notice" in said
    assert (small / "retractions.csv").read_bytes() == before


def test_what_the_databases_do_not_know_is_named(small, answers, setting):
    answers.unknown = {DOI, "99000000"}
    found = retractions.look_up(small, Identifiers({STUDY: DOI, "a": "10.5555/made,up"}, {"b": "99000000"}), setting)
    assert found.unknown == [f"doi:{DOI}", "doi:10.5555/made,up", "pmid:99000000"]


def test_nothing_is_written_if_a_database_cannot_be_asked(small, answers, setting):
    answers.retractions[DOI] = [update("retraction")]
    answers.faults, answers.always = [None], "500"
    with pytest.raises(SearchError, match="could not be read after"):
        watched(small, setting)
    assert rows(small, "retractions") == []


@pytest.fixture(scope="module")
def retracted(ev, tmp_path_factory):
    """Evidence in which a study was retracted on the day of the last entry; the retraction is made up."""
    folder = tmp_path_factory.mktemp("retracted") / "data"
    shutil.copytree(ROOT / "data", folder)
    append(
        folder, [STUDY, "retraction", "doi:10.5555/made-up.notice", ev.as_of.isoformat(), "kept", "Made-up <reason>."]
    )
    return load(folder)


def test_a_retracted_study_says_so_wherever_it_is_named(ev, retracted):
    assert label_by_key(ev)[STUDY] == "Kanwar 2004"
    assert label_by_key(retracted)[STUDY] == "Retracted: Kanwar 2004"
    assert "Retracted: Kanwar 2004" in included.studies(retracted, "original")._repr_html_()
    # An earlier edition stays as it was, and later ones do not mark twice.
    assert label_by_key(retracted.earlier(dt.date(2018, 8, 6)))[STUDY] == "Kanwar 2004"
    again = retracted.earlier(retracted.as_of)
    assert label_by_key(again)[STUDY] == "Retracted: Kanwar 2004"


def test_the_record_of_a_retracted_study_has_a_banner(retracted):
    shown = study_records.Records(retracted, [STUDY, "lepe2003"])._repr_html_()
    page = BeautifulSoup(shown, "html.parser")
    (banner,) = page.find_all(class_="review-notice")
    assert banner.find_parent("section")["id"] == f"study-{STUDY}"
    assert banner.a["href"] == "https://doi.org/10.5555/made-up.notice"
    assert banner.text.startswith("Retraction. Notice: DOI, found on ")
    assert "Decision: its results stay in use" in banner.text and "Made-up <reason>." in banner.text


def test_a_retraction_makes_an_edition(ev, data):
    today = dt.date.today().isoformat()
    expected = max(ev.as_of.isoformat(), today)
    append(data, [STUDY, "retraction", "pmid:99000001", today, "kept", "Made up."])
    assert load(data).as_of.isoformat() == expected
