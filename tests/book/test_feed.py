"""The Atom feed of the site: valid, stable, escaped, and silent about a single reviewer's decision."""

import csv
import datetime as dt
import re
import uuid
import xml.etree.ElementTree as ET
from types import SimpleNamespace
from urllib.parse import urljoin

import pytest
from bs4 import BeautifulSoup

from conftest import ROOT, import_extension

page_metadata = import_extension("page_metadata")
feed = import_extension("feed")

ATOM = "{http://www.w3.org/2005/Atom}"
TABLES = ("editions", "searches", "records", "decisions", "codes")


def rows(name):
    with (ROOT / f"data/{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def tables():
    return {name: rows(name) for name in TABLES}


def texts(parent, name):
    return [element.text for element in parent.findall(f"{ATOM}{name}")]


def check_atom(text, base=""):
    """Demand what RFC 4287 requires of a feed and of each of its entries (sections 4.1.1 and 4.1.2)."""
    root = ET.fromstring(text.encode())
    assert root.tag == f"{ATOM}feed"
    for parent in (root, *root.iter(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            (value,) = texts(parent, name)
            assert value and value.strip(), name
        (identifier,), (updated,) = texts(parent, "id"), texts(parent, "updated")
        assert uuid.UUID(identifier.removeprefix("urn:uuid:"))
        assert dt.datetime.fromisoformat(updated).tzinfo
        alternates = [link for link in parent.findall(f"{ATOM}link") if link.get("rel") == "alternate"]
        assert len(alternates) == 1
        assert alternates[0].get("href").startswith(base)
    assert all(texts(author, "name")[0] for author in root.findall(f"{ATOM}author")) and root.find(f"{ATOM}author")
    identifiers = [texts(entry, "id")[0] for entry in root.iter(f"{ATOM}entry")]
    assert len(identifiers) == len(set(identifiers)) > 0
    times = [texts(entry, "updated")[0] for entry in root.iter(f"{ATOM}entry")]
    assert times == sorted(times, reverse=True)
    assert texts(root, "updated") == [times[0]]
    return root


def test_the_feed_of_the_data_is_valid_atom(tables):
    found = feed.entries(tables, "2026-11-25")
    root = check_atom(
        feed.atom("A made-up review", ["First Author"], "https://example.org/r", found), "https://example.org/r/"
    )
    links = {link.get("rel"): link.get("href") for link in root.findall(f"{ATOM}link")}
    assert links["self"] == "https://example.org/r/feed.xml"
    titles = [texts(entry, "title")[0] for entry in root.iter(f"{ATOM}entry")]
    for row in tables["editions"]:
        assert f"Edition of {row['date']}, version {row['version']}" in titles
    added = sum(int(re.match(r"\d+", title)[0]) for title in titles if "added" in title)
    assert added == len(tables["records"])


def test_without_an_address_links_are_relative(tables):
    root = check_atom(feed.atom("A review", [], "", feed.entries(tables, "2026-11-25")))
    assert {link.get("rel") for link in root.findall(f"{ATOM}link")} == {"alternate"}
    for link in root.iter(f"{ATOM}link"):
        assert not link.get("href").startswith(("/", "http"))
        assert (ROOT / link.get("href")).with_suffix(".ipynb").is_file() or link.get("href") == "index.html"


def test_an_entry_keeps_its_identifier(tables):
    before = {entry["id"]: entry["title"] for entry in feed.entries(tables, "2026-11-25")}
    record = tables["records"][0]
    tables["records"].append({**record, "record": "made-up.1", "title": "Made-up trial 1"})
    tables["editions"][0]["trigger"] = "Other words"
    after = {entry["id"]: entry["title"] for entry in feed.entries(tables, "2026-11-25")}
    assert before.keys() == after.keys()
    assert before != after
    assert feed.identifier("edition", "2026-11-25") == "urn:uuid:" + str(
        uuid.uuid5(feed._NAMESPACE, "edition/2026-11-25")
    )


def test_text_of_the_data_is_harmless(tables):
    tables["editions"][0]["trigger"] = "<script>alert(1)</script> & ]]>"
    tables["records"][0] |= {"title": 'Made-up <b onclick="x">trial</b>', "doi": '10.1000/"><script>'}
    text = feed.atom(
        "A <b>review</b> & more", ["Author & <i>"], "https://example.org", feed.entries(tables, "2026-11-25")
    )
    root = check_atom(text)
    assert texts(root, "title") == ["A <b>review</b> & more"]
    for entry in root.iter(f"{ATOM}entry"):
        (content,) = entry.findall(f"{ATOM}content")
        assert content.get("type") == "html"
        shown = BeautifulSoup(content.text, "html.parser")
        assert {tag.name for tag in shown.find_all()} <= {"p", "ul", "li", "a"}
        assert not [tag for tag in shown.find_all() if "onclick" in tag.attrs]


def test_an_edition_shows_nothing_newer(tables):
    (only,) = feed.entries(tables, "2018-08-06")
    assert only["title"] == "Edition of 2018-08-06, version 2019"
    assert {entry["date"] for entry in feed.entries(tables, "2026-11-24")} == {"2018-08-06", "2026-11-22"}


def test_a_feed_is_limited_to_the_newest_entries(tables):
    row = tables["editions"][-1]
    tables["editions"] = [{**row, "date": f"20{year:02}-01-01"} for year in range(10, 99)]
    found = feed.entries(tables, "2100-01-01")
    assert len(found) == feed.MOST_ENTRIES
    assert found[0]["date"] == "2098-01-01"


def test_a_long_list_of_titles_is_cut(tables):
    record = tables["records"][0]
    tables["records"] = [{**record, "record": f"made-up.{n}", "title": f"Made-up trial {n}"} for n in range(70)]
    (entry,) = (entry for entry in feed.entries(tables, "2026-11-25") if entry["title"].startswith("70 records"))
    assert entry["html"].count("<li>") == 50
    assert "And 20 more." in entry["html"]


def decision(reviewer, decided, date="2026-12-01", role="reviewer", stage="full_text"):
    return {
        "record": "made-up.1",
        "stage": stage,
        "reviewer": reviewer,
        "role": role,
        "decision": decided,
        "date": date,
    }


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([decision("A", "include")], []),
        ([decision("A", "include"), decision("A", "include")], []),
        ([decision("A", "include"), decision("B", "exclude")], []),
        ([decision("A", "include"), decision("B", "include", "2026-12-02")], [("include", "2026-12-02")]),
        (
            [
                decision("A", "include"),
                decision("B", "exclude"),
                decision("C", "exclude", "2026-12-03", role="resolution"),
            ],
            [("exclude", "2026-12-03")],
        ),
        ([decision("not recorded", "include")], [("include", "2026-12-01")]),
        (
            [decision("A", "include"), decision("B", "include"), decision("A", "exclude", stage="title_abstract")],
            [("include", "2026-12-01")],
        ),
    ],
)
def test_a_single_reviewers_decision_is_not_published(decisions, expected):
    assert [(row["decision"], row["date"]) for row in feed.standing_decisions(decisions)] == expected


@pytest.mark.parametrize(("earlier", "href"), [(False, "../feed.xml"), (True, "../../../feed.xml")])
def test_a_page_links_to_the_feed_of_the_newest_edition(tmp_path, earlier, href):
    source = tmp_path / ("editions/2018-08-06/stage" if earlier else "_build/stage")
    context = {"metatags": "<meta />", "theme_extra_footer": "<p>Edition</p>"}
    app = SimpleNamespace(srcdir=str(source), config=SimpleNamespace(html_title='A "review"'))
    feed._link(app, "book/safety", "page.html", context, None)
    (link,) = BeautifulSoup(context["metatags"], "html.parser").find_all("link")
    assert (link["rel"], link["type"], link["href"]) == (["alternate"], feed.TYPE, href)
    assert link["title"] == 'New in: A "review"'
    assert BeautifulSoup(context["theme_extra_footer"], "html.parser").a["href"] == href
    site = "https://example.org/" + ("editions/2018-08-06/" if earlier else "")
    assert urljoin(f"{site}book/safety.html", link["href"]) == "https://example.org/feed.xml"


@pytest.mark.parametrize("earlier", [False, True])
def test_the_site_of_an_earlier_edition_has_no_feed_of_its_own(tmp_path, earlier):
    source = tmp_path / ("editions/2018-08-06/stage" if earlier else "_build/stage")
    (source / "data").mkdir(parents=True)
    for name in (*TABLES, "settings"):
        (source / f"data/{name}.csv").write_bytes((ROOT / f"data/{name}.csv").read_bytes())
    out = tmp_path / "out"
    out.mkdir()
    builder, config = SimpleNamespace(name="html"), SimpleNamespace(html_title="A review")
    page_metadata.facts.cache_clear()
    feed._write(SimpleNamespace(builder=builder, srcdir=str(source), outdir=str(out), config=config), None)
    assert (out / "feed.xml").is_file() is not earlier
    if not earlier:
        check_atom((out / "feed.xml").read_text(encoding="utf-8"))


def test_every_page_of_the_book_leads_to_its_feed(book):
    site = (book / "_build/html").resolve()
    check_atom((site / "feed.xml").read_text(encoding="utf-8"))
    for path in site.glob("book/*.html"):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        (link,) = page.find_all("link", rel="alternate")
        assert (path.parent / link["href"]).resolve() == site / "feed.xml", path.name
