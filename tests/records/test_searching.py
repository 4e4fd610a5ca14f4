"""Searches of the databases, against a server that answers and fails as they do."""

import argparse
import datetime as dt
import errno
import hashlib
import json
import logging
from urllib.parse import quote

import filelock
import httpx
import pytest
from small_data import small_data

from answering_server import Answers, MadeUp, answering, made_up
from lib.commands.search import add_to, run_search
from lib.evidence import DataError, check
from lib.records.importing import raw_records
from lib.records.searching import client as client_module
from lib.records.searching import clinicaltrials, crossref, europe_pmc, openalex, pubmed
from lib.records.searching.client import LONGEST_WAIT, Client, RawAnswers, Request, SearchError
from lib.records.searching.search import SOURCES, Setting, contents_of, search
from searched import SECRETS, TODAY, Searched, make_folder, make_pages_small, rows

SINCE = dt.date(2026, 11, 1)
FOUND = 25
"""Records of each database, which are three pages, or two of PubMed: tests make the pages small."""
NAMES = ("pubmed", "europe-pmc", "clinicaltrials-gov", "crossref", "openalex")
KEYS = {code: f"{name}-2026-11-26" for code, name in zip(SOURCES, NAMES, strict=True)}
"""Keys of a first search by database."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the tables of searches; what the rules say of a whole folder is tested elsewhere."""
    monkeypatch.setattr("lib.records.saving.check", lambda folder: [])
    make_pages_small(monkeypatch.setattr)
    return make_folder(tmp_path / "data")


@pytest.fixture
def answers():
    return Answers(made_up(FOUND, SINCE, TODAY))


@pytest.fixture
def address(answers):
    with answering(answers) as address:
        yield address


def numbers(folder):
    return sorted(int(row["title"].removesuffix(".").split()[2]) for row in rows(folder, "records"))


def balanced(folder):
    """Return whether the entries of each search are its records and refused entries, numbered without a gap."""
    for search_row in rows(folder, "searches"):
        if search_row["entries"]:
            of_search = [
                r for t in ("records", "refused") for r in rows(folder, t) if r["search"] == search_row["search"]
            ]
            if sorted(int(r["position"]) for r in of_search) != list(range(1, int(search_row["entries"]) + 1)):
                return False
    return True


@pytest.mark.parametrize("code", SOURCES)
def test_a_search_of_several_pages_imports_each_record_once(folder, answers, address, code):
    searched = Searched(folder, address, code)
    assert (searched.status, searched.warned) == (0, [])
    assert numbers(folder) == list(range(1, FOUND + 1))
    search_row = rows(folder, "searches")[-1]
    assert search_row["search"] == KEYS[code]
    assert search_row["kind"] == ("registry search" if code == "clinicaltrials" else "database search")
    assert (search_row["found"], search_row["entries"], search_row["since"]) == (f"{FOUND}", f"{FOUND}", "2026-11-01")
    assert search_row["query"] == f"{code}_made_up" and search_row["file"] == f"{KEYS[code]}.json"
    assert balanced(folder)
    assert not list((folder / ".raw").glob("unfinished*"))


FACTS = {
    "pubmed": {"title": "Made-up trial 7", "authors": "Made-Up AB; Made-Up Group", "journal": "J Made Up"},
    "europe_pmc": {
        "title": "Made-up trial 7.",
        "authors": "Made-Up AB",
        "url": "https://europepmc.org/article/MED/90000007",
    },
    "clinicaltrials": {"title": "Made-up trial 7 of a made-up ointment", "registry": "NCT99000007"},
    "crossref": {"title": "Made-up trial 7", "authors": "Made-Up AB", "url": "https://doi.org/10.5555/made-up.7"},
    "openalex": {"title": "Made-up trial 7", "authors": "Made-Up AB", "url": "https://openalex.org/W9900000007"},
}


@pytest.mark.parametrize("code", SOURCES)
def test_an_entry_becomes_a_row_of_bibliographic_facts(folder, answers, address, code):
    answers.records = [MadeUp(7, dt.date(2026, 11, 5))]
    assert Searched(folder, address, code).status == 0
    (row,) = rows(folder, "records")
    expected = FACTS[code] | {"published": "2026-11-05", "record": f"{KEYS[code]}.1"}
    assert {name: row[name] for name in expected} == expected
    assert row["entered"] == dt.date.today().isoformat()
    if code == "clinicaltrials":
        assert (row["kind"], row["doi"], row["authors"]) == ("registry_record", "", "")
    else:
        assert (row["kind"], row["doi"]) == ("article", "10.5555/made-up.7")
        assert (row["volume"], row["issue"], row["pages"]) == ("7", "2", "1-9")
    if code in ("pubmed", "europe_pmc", "openalex"):
        assert row["pmid"] == "90000007"
        again = raw_records(folder, rows(folder, "searches")[-1]["sha256"])
        assert again is not None and again.records[0].abstract.startswith("Made up")
    assert "for a test" not in (folder / "records.csv").read_text(encoding="utf-8"), "no table has an abstract"


@pytest.mark.parametrize("code", ["pubmed", "crossref"])
def test_an_erratum_is_linked_with_the_report_that_its_source_states(folder, answers, address, code):
    day = dt.date(2026, 11, 5)
    answers.records = [MadeUp(7, day), MadeUp(8, day, corrects=7), MadeUp(9, day, corrects=77)]
    assert Searched(folder, address, code).status == 0
    (row,) = rows(folder, "duplicates")
    assert (row["record"], row["same_as"], row["relation"]) == (f"{KEYS[code]}.2", f"{KEYS[code]}.1", "erratum")


@pytest.mark.parametrize("code", SOURCES)
def test_a_search_without_results_is_noted(folder, answers, address, code):
    answers.records = []
    assert Searched(folder, address, code).status == 0
    assert rows(folder, "searches")[-1]["entries"] == "0"
    assert rows(folder, "records") == []


@pytest.mark.parametrize("code", ["pubmed", "europe_pmc"])
@pytest.mark.parametrize(
    "fault", ["500", "503", "429", "timeout", "cut off", "web page", "nothing", "other form", "connection lost"]
)
def test_what_fails_in_passing_is_asked_again(folder, answers, address, code, fault):
    answers.faults = [fault, None, fault, None, fault]
    searched = Searched(folder, address, code, timeout=0.3 if fault == "timeout" else 20.0)
    assert (searched.status, searched.warned) == (0, [])
    assert numbers(folder) == list(range(1, FOUND + 1))


@pytest.mark.parametrize("code", SOURCES)
@pytest.mark.parametrize(
    ("fault", "said"), [("500", "status 500"), ("cut off", "cut off"), ("web page", "a web page came in place of")]
)
def test_what_cannot_be_fetched_is_named_and_nothing_is_imported(folder, answers, address, code, fault, said):
    answers.faults, answers.always = [None, None], fault
    before = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    searched = Searched(folder, address, code)
    assert searched.status == 1
    (warning,) = searched.warned
    assert said in warning and SOURCES[code].name in warning and "goes on where it stopped" in warning
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == before
    answers.always = ""
    assert Searched(folder, address, code).status == 0
    assert numbers(folder) == list(range(1, FOUND + 1))
    assert balanced(folder)


def test_one_source_that_fails_does_not_stop_the_others(folder, answers, address):
    answers.faults = ["500"] * client_module.ATTEMPTS
    searched = Searched(folder, address)
    assert searched.status == 1 and len(searched.warned) == 1 and "PubMed" in searched.warned[0]
    assert [row["search"] for row in rows(folder, "searches")[1:]] == list(KEYS.values())[1:]


@pytest.mark.parametrize(("stated", "wait"), [("7", 7.0), ("date", 2.0), ("", 1.0)])
def test_the_wait_that_a_database_asks_for_is_kept(folder, answers, address, stated, wait):
    answers.faults, answers.wait = ["429"], stated
    searched = Searched(folder, address, "crossref")
    assert searched.status == 0
    if stated == "7":
        assert "Crossref: status 429; trying again in 7 seconds" in searched.said
    assert any(wait - 1.01 <= waited <= wait * 1.25 for waited in searched.waits)


def test_a_wait_that_is_too_long_ends_the_search(folder, answers, address):
    answers.faults, answers.wait = ["429"], "86400"
    searched = Searched(folder, address, "pubmed")
    assert searched.status == 1 and max(searched.waits, default=0) <= LONGEST_WAIT
    assert "asks us to wait 86400 seconds" in searched.warned[0]


@pytest.mark.parametrize("code", SOURCES)
def test_a_page_that_comes_twice_is_asked_again(folder, answers, address, code):
    answers.repeats = 1
    assert Searched(folder, address, code).status == 0
    assert numbers(folder) == list(range(1, FOUND + 1))


@pytest.mark.parametrize("code", SOURCES)
def test_a_page_that_comes_again_and_again_ends_the_search(folder, answers, address, code):
    answers.repeats = 1000
    searched = Searched(folder, address, code)
    assert searched.status == 1 and "the same page came more than once" in searched.warned[0]
    assert rows(folder, "records") == []


@pytest.mark.parametrize("code", ["europe_pmc", "crossref", "openalex"])
def test_a_total_that_changes_ends_the_search(folder, answers, address, code):
    answers.grows = True
    searched = Searched(folder, address, code)
    assert searched.status == 1 and "the number of records changed from" in searched.warned[0]
    assert rows(folder, "records") == []


@pytest.mark.parametrize("code", sorted(SOURCES.keys() - {"pubmed"}))
def test_records_that_are_stated_and_do_not_come_end_the_search(folder, answers, address, code):
    answers.withheld = {17}
    searched = Searched(folder, address, code)
    said = f"{FOUND} records were stated, and {FOUND - 1} different ones came"
    assert searched.status == 1 and said in searched.warned[0]
    assert rows(folder, "records") == []


def test_a_record_that_pubmed_lists_and_does_not_deliver_is_named(folder, answers, address):
    answers.withheld = {17}
    assert Searched(folder, address, "pubmed").status == 0
    (refused,) = rows(folder, "refused")
    assert refused["reason"] == "PubMed lists this record but does not deliver it (90000017)"
    assert numbers(folder) == sorted(set(range(1, FOUND + 1)) - {17}) and balanced(folder)


def test_a_request_that_is_rejected_is_not_sent_again(folder, answers, address):
    answers.always = "400"
    searched = Searched(folder, address, "openalex")
    assert searched.status == 1 and len(answers.requests) == 1
    assert "rejects the request with status 400 (check the query in queries.csv)" in searched.warned[0]


def test_pages_and_results_are_no_larger_than_the_databases_allow():
    """Limits as their documentation states them."""
    assert (pubmed.PAGE, pubmed.PubMed.most) == (200, 9_999)
    assert max(europe_pmc.PAGE, clinicaltrials.PAGE, crossref.PAGE) <= 1000 and openalex.PAGE <= 100
    assert openalex.OpenAlex().most == 10_000 and openalex.OpenAlex("", {"api_key": "made-up"}).most == 0
    assert all(source().most == 0 for code, source in SOURCES.items() if code not in ("pubmed", "openalex"))


def test_a_window_with_more_records_than_are_given_out_is_split(folder, answers, address, monkeypatch):
    monkeypatch.setattr(pubmed.PubMed, "most", FOUND - 1)
    assert Searched(folder, address, "pubmed").status == 0
    assert numbers(folder) == list(range(1, FOUND + 1)) and balanced(folder)
    assert rows(folder, "searches")[-1]["found"] == f"{FOUND}"
    searches = [parameters["term"] for path, parameters in answers.requests if "esearch" in path]
    assert len(searches) == 3, "the window, and its halves"


@pytest.mark.parametrize("code", SOURCES)
def test_a_window_is_split_until_every_part_is_small_enough(folder, answers, address, code, monkeypatch):
    monkeypatch.setattr(Setting, "source", lambda setting, code, source=Setting.source: limited(source(setting, code)))
    assert Searched(folder, address, code).status == 0
    assert numbers(folder) == list(range(1, FOUND + 1)) and balanced(folder)
    manifest = json.loads((folder / ".raw" / rows(folder, "searches")[-1]["sha256"]).read_bytes())
    assert max(part["total"] for part in manifest["parts"]) <= MOST and manifest["found"] == FOUND


MOST = 3


def limited(source):
    """Return a database that gives out few records for one query."""
    source.most = MOST
    return source


def test_a_single_day_with_too_many_records_is_named(folder, answers, address, monkeypatch):
    monkeypatch.setattr(pubmed.PubMed, "most", FOUND - 1)
    answers.records = made_up(FOUND, TODAY, TODAY)
    searched = Searched(folder, address, "pubmed")
    assert searched.status == 1 and f"{FOUND} records of 2026-11-26 alone" in searched.warned[0]
    assert rows(folder, "records") == []


@pytest.mark.parametrize("environment, paging", [({}, "page"), (SECRETS, "cursor")])
def test_openalex_is_asked_with_a_cursor_if_there_is_a_key(folder, answers, address, environment, paging):
    answers.records = made_up(FOUND, TODAY, TODAY)
    assert Searched(folder, address, "openalex", environment=environment).status == 0
    assert len(rows(folder, "records")) == FOUND
    first, *pages = [parameters for _, parameters in answers.requests]
    assert first["per_page"] == "1" and len(pages) == 3
    assert all(parameters.keys() & {"page", "cursor"} == {paging} for parameters in pages)


def test_a_search_reaches_back_before_the_last_one(folder, answers, address):
    answers.records = made_up(30, dt.date(2026, 11, 1), TODAY)
    assert Searched(folder, address, "pubmed").status == 0
    again = Searched(folder, address, "pubmed", since=None)
    assert again.said == ["PubMed: was searched up to today already (pubmed-2026-11-26)."]
    setting = Setting({}, {"pubmed": address("pubmed")}, TODAY + dt.timedelta(days=7), lambda seconds: None)
    answers.records.append(MadeUp(31, TODAY + dt.timedelta(days=3)))
    said: list[str] = []
    assert search(folder, ["pubmed"], setting=setting, say=said.append) == 0
    assert "7 days before the last search with this query, because a record can become searchable" in said[0]
    assert rows(folder, "searches")[-1]["since"] == "2026-11-19"
    of_second = [row for row in rows(folder, "records") if row["search"] == "pubmed-2026-12-03"]
    assert of_second[-1]["title"] == "Made-up trial 31" and len(of_second) < 31


def test_the_first_search_begins_where_the_review_ended(folder, answers, address):
    Searched(folder, address, since=None)
    since = {row["query"]: row["since"] for row in rows(folder, "searches")}
    assert since["pubmed_made_up"] == "2018-07-30" and since["openalex_made_up"] == "2018-05-08"


def test_the_same_window_is_not_searched_twice(folder, answers, address):
    for _ in range(2):
        assert Searched(folder, address, "crossref").status == 0
    assert len(rows(folder, "searches")) == 2 and numbers(folder) == list(range(1, FOUND + 1))
    # Another window of the same day has a key of its own.
    assert Searched(folder, address, "crossref", since=dt.date(2026, 11, 20)).status == 0
    assert rows(folder, "searches")[-1]["search"] == "crossref-2026-11-26-2"


def test_a_dry_run_says_what_would_be_asked_and_writes_nothing(folder, answers, address):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    searched = Searched(folder, address, dry_run=True)
    assert searched.status == 0
    assert sum(f"{FOUND} records found" in line for line in searched.said) == len(SOURCES)
    assert "PubMed: vitiligo" in searched.said
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_phrase_that_pubmed_does_not_find_is_said(folder, answers, address):
    text = (folder / "queries.csv").read_text(encoding="utf-8").replace("pubmed,vitiligo", "pubmed,madeupphrase")
    (folder / "queries.csv").write_text(text, encoding="utf-8")
    assert "PubMed: PubMed did not find 'madeupphrase'" in Searched(folder, address, "pubmed").said


def test_secrets_are_sent_and_neither_stored_nor_shown(folder, answers, address, caplog):
    caplog.set_level(logging.DEBUG)
    answers.faults = ["429", "500", None, "cut off"]
    searched = Searched(folder, address, environment=SECRETS)
    answers.always = "400"
    failed = Searched(folder, address, environment=SECRETS, since=dt.date(2026, 11, 2))
    assert searched.status == 0 and failed.status == 1 and len(failed.warned) == len(SOURCES)
    sent = {value for _, parameters in answers.requests for value in parameters.values()}
    assert set(SECRETS.values()) <= sent
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file()).decode()
    shown = "\n".join([written, *searched.said, *searched.warned, *failed.said, *failed.warned, caplog.text])
    assert "HTTP Request: GET http://127.0.0.1" in caplog.text, "the log is not empty"
    for secret in SECRETS.values():
        for form in (secret, quote(secret, safe=""), str(httpx.QueryParams({"q": secret}))[2:]):
            assert form not in shown


def test_a_redirect_is_not_followed(folder, answers, address):
    answers.always = "302"
    searched = Searched(folder, address, "crossref")
    assert searched.status == 1 and "status 302" in searched.warned[0]


@pytest.mark.parametrize(("environment", "most"), [({}, 3), (SECRETS, 10)])
def test_requests_keep_the_pace_of_the_database(tmp_path, answers, address, environment, most):
    now = [0.0]
    moments = []
    source = Setting(environment, {"pubmed": address("pubmed")}, TODAY).source("pubmed")

    def pause(seconds):
        now[0] += seconds

    with Client("PubMed", RawAnswers(tmp_path), source.per_second, pause=pause, clock=lambda: now[0]) as client:
        for _ in range(12):
            client.ask(Request(f"{address('crossref')}/works", {"filter": "doi:10.5555/1"}), lambda content: None)
            moments.append(now[0])
    assert all(later - earlier >= 1 - 1e-9 for earlier, later in zip(moments, moments[most:], strict=False))
    assert moments[-1] < 12 / most, "no slower than it must be"


def test_raw_answers_are_kept_under_their_hash_before_they_are_read(folder, answers, address):
    answers.faults = [None, "cut off"]
    assert Searched(folder, address, "europe_pmc").status == 0
    kept = [path for path in (folder / ".raw").iterdir() if len(path.name) == 64]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in kept)
    unreadable = []
    for path in kept:
        try:
            json.loads(path.read_bytes())
        except ValueError:
            unreadable.append(path)
    assert len(unreadable) == 1, "the answer that was cut off is kept, too"
    contents = contents_of(folder, rows(folder, "searches")[-1]["sha256"])
    assert contents.entries == FOUND


def test_nothing_breaks_without_the_raw_answers(folder, answers, address):
    assert Searched(folder, address, "crossref").status == 0
    for path in (folder / ".raw").iterdir():
        path.unlink()
    with pytest.raises(SearchError, match="is not in this folder"):
        contents_of(folder, rows(folder, "searches")[-1]["sha256"])
    assert raw_records(folder, rows(folder, "searches")[-1]["sha256"]) is None
    assert Searched(folder, address, "pubmed").status == 0


def test_a_search_goes_on_although_the_database_forgot_the_place(folder, answers, address):
    answers.faults, answers.always = [None, None], "500"
    assert Searched(folder, address, "pubmed").status == 1
    answers.always = ""
    answers.lost = {"MADE_UP_1"}
    searched = Searched(folder, address, "pubmed")
    assert searched.status == 0 and "PubMed: goes on with a search that was stopped" in searched.said
    assert numbers(folder) == list(range(1, FOUND + 1))


def test_the_stored_queries_give_a_data_folder_without_faults(tmp_path, answers, address):
    """All rules about records hold after a search; what is refused is there, too."""
    data = small_data(tmp_path / "data")
    answers.withheld = {17}
    stored = rows(data, "queries")
    assert {row["source"] for row in stored} == set(SOURCES)
    assert all("not of the 2019 review" in row["note"] for row in stored)
    setting = Setting({}, {code: address(code) for code in SOURCES}, dt.date.today(), lambda seconds: None)
    warned: list[str] = []
    assert search(data, ["pubmed"], setting=setting, warn=warned.append, by="A. Made-Up") == 0, warned
    assert check(data) == []
    assert rows(data, "searches")[-1]["searched_by"] == "A. Made-Up" and len(rows(data, "refused")) == 1
    sent = [parameters["term"] for path, parameters in answers.requests if path.endswith("esearch.fcgi")]
    assert all(f"({stored[0]['text']}) AND" in term for term in sent)


def test_a_value_that_a_table_may_not_hold_is_said(folder, answers, address, monkeypatch):
    monkeypatch.setattr(MadeUp, "doi", property(lambda record: "no identifier"))
    answers.records = made_up(12, dt.date(2026, 11, 1), TODAY)
    monkeypatch.setattr(MadeUp, "title", property(lambda record: f"=Made-up trial {record.number}"))
    searched = Searched(folder, address, "europe_pmc")
    assert searched.status == 0 and balanced(folder)
    assert {row["title"][:2] for row in rows(folder, "records")} == {"'="} and len(rows(folder, "records")) == 12
    assert "Europe PMC: and 2 more values that were changed or left out" in searched.said


def test_two_searches_in_one_folder_do_not_mix(folder, answers, address):
    (folder / ".raw").mkdir()
    with filelock.FileLock(folder / ".raw" / "lock"):
        with pytest.raises(SearchError, match="Another search is at work"):
            Searched(folder, address, "pubmed")
    assert answers.requests == []


def test_tables_that_cannot_be_read_are_named(folder, answers, address):
    (folder / "searches.csv").write_bytes(b"search,date\n\xff\n")
    with pytest.raises(DataError, match="searches.csv"):
        Searched(folder, address, "pubmed")
    assert answers.requests == []


def test_a_disk_that_is_full_is_named(folder, answers, address, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device", "records.csv")

    monkeypatch.setattr("lib.records.saving.replace_all", full)
    searched = Searched(folder, address, "pubmed")
    assert searched.status == 1
    assert searched.warned == ["PubMed: records.csv: the disk is full: free some space and start again"]
    monkeypatch.undo()
    monkeypatch.setattr("lib.records.saving.check", lambda folder: [])
    assert Searched(folder, address, "pubmed").status == 0 and numbers(folder) == list(range(1, FOUND + 1))


def parsed(*arguments):
    """Return the options of a command as the command line reads them."""
    parser = argparse.ArgumentParser()
    add_to(parser.add_subparsers(dest="command"))
    return parser.parse_args(arguments)


def test_wrong_usage_is_refused_before_anything_is_asked(folder, answers, address, capsys):
    setting = Setting({}, {code: address(code) for code in SOURCES}, TODAY, lambda seconds: None)
    for options, status in (
        (["--source", "scopus"], 2),
        (["--since", "26.11.2026"], 2),
        (["--since", "2026-11-27"], 2),
    ):
        assert run_search(parsed("search", *options), folder, setting) == status
    (folder / "queries.csv").write_text("query,source,text,note\n", encoding="utf-8")
    assert run_search(parsed("search", "--source", "pubmed"), folder, setting) == 1
    assert capsys.readouterr().err.splitlines() == [
        "--source scopus: there is no such source; choose from pubmed, europe_pmc, clinicaltrials, crossref, openalex.",
        "--since 26.11.2026: is not a day of the form YYYY-MM-DD.",
        "--since 2026-11-27: lies in the future; the window ends today, on 2026-11-26.",
        "queries.csv has no query for PubMed (pubmed): add a row, and search again.",
    ]
    assert answers.requests == []
