"""What each page states about itself: citation, description, address, and links to report an error."""

import re
import urllib.parse
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from pybtex.database import parse_string

from conftest import import_extension, parsed

page_metadata = import_extension("page_metadata")

EDITION = {"edition": "2026-11-25", "version": "1.0.0"}
SETTINGS = {"authors": "First Author; Second Author", "doi": "10.1000/example"}


def test_a_page_is_cited_with_authors_edition_and_address():
    text, bibtex, ris = page_metadata.citation(
        "Safety", "A review", EDITION, SETTINGS, "https://example.org/safety.html"
    )
    assert text == (
        "First Author, Second Author. Safety. In: A review. Edition of 2026-11-25, version 1.0.0."
        " https://doi.org/10.1000/example. https://example.org/safety.html."
    )
    (entry,) = parse_string(bibtex, "bibtex").entries.values()
    assert [str(person) for person in entry.persons["author"]] == ["{First Author}", "{Second Author}"]
    assert entry.fields["edition"] == "2026-11-25, version 1.0.0"
    lines = ris.split("\n")
    assert lines[0] == "TY  - CHAP"
    assert lines[-1] == "ER  - "
    assert {"AU  - First Author", "AU  - Second Author", "PY  - 2026", "UR  - https://example.org/safety.html"} < {
        *lines
    }


def test_what_is_not_known_is_left_out_of_a_citation():
    text, bibtex, ris = page_metadata.citation("Safety", "A review", EDITION, {}, "")
    assert text == "Safety. In: A review. Edition of 2026-11-25, version 1.0.0."
    assert not re.search(r"author|doi|url", bibtex)
    assert not re.search(r"^(AU|DO|UR)", ris, re.MULTILINE)


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"repository": "https://example.org/r/"}, "https://example.org/r/issues/new?"),
        ({"contact": "someone@example.org"}, "mailto:someone@example.org?"),
        ({}, "about.html#contact"),
    ],
)
def test_an_error_is_reported_with_the_page_and_the_edition(settings, start):
    links = BeautifulSoup(page_metadata.contact_links("A <b> page", EDITION, settings), "html.parser").find_all("a")
    assert [link.text for link in links] == ["Report an error", "Suggest a trial"]
    assert all(link["href"].startswith(start) for link in links)
    if settings:
        asked = urllib.parse.unquote_plus(links[0]["href"])
        assert "Page: A <b> page" in asked
        assert "2026-11-25, version 1.0.0" in asked


def test_the_head_of_a_page_has_its_description_and_address():
    text = page_metadata.head("Safety", 'About "safety" & <risk>', "https://example.org/safety.html", "A review")
    head = BeautifulSoup(text, "html.parser")
    assert head.find("meta", {"name": "description"})["content"] == 'About "safety" & <risk>'
    assert head.find("link", rel="canonical")["href"] == "https://example.org/safety.html"
    assert head.find("meta", property="og:title")["content"] == "Safety"
    assert "canonical" not in page_metadata.head("Safety", "", "", "A review")


DATES = ["2018-08-06", "2026-11-22", "2026-11-25"]


def test_a_page_of_the_newest_edition_leads_to_the_same_page_of_the_others():
    nav = BeautifulSoup(page_metadata.editions_nav(DATES, DATES[-1], "book/safety"), "html.parser")
    assert [link["href"] for link in nav.find_all("a")] == [
        "../editions/2026-11-22/book/safety.html",
        "../editions/2018-08-06/book/safety.html",
    ]
    assert nav.strong.text == "2026-11-25 (newest)"
    assert "earlier edition" not in nav.text


def test_a_page_of_an_earlier_edition_says_so_and_leads_to_the_newest():
    nav = BeautifulSoup(page_metadata.editions_nav(DATES, DATES[0], "book/safety"), "html.parser")
    assert [link["href"] for link in nav.find_all("a")] == [
        "../../../book/safety.html",
        "../../../editions/2026-11-22/book/safety.html",
    ]
    assert "You are reading an earlier edition." in nav.text


def test_a_page_of_an_earlier_edition_has_an_address_of_its_own():
    settings = {"address": "https://example.org/review/"}
    own = [page_metadata.address_of(settings, "book/safety", date, DATES) for date in DATES]
    assert own == [
        "https://example.org/review/editions/2018-08-06/book/safety.html",
        "https://example.org/review/editions/2026-11-22/book/safety.html",
        "https://example.org/review/book/safety.html",
    ]
    assert page_metadata.address_of({}, "book/safety", DATES[0], DATES) == ""


def test_a_site_of_one_edition_has_no_switch():
    assert page_metadata.editions_nav(DATES[-1:], DATES[-1], "book/safety") == ""


def test_without_the_projects_build_the_newest_edition_is_cited(tmp_path):
    source = str(tmp_path / "source")
    (tmp_path / "source/data").mkdir(parents=True)
    (tmp_path / "source/data/editions.csv").write_text(
        "date,version\n2018-08-06,first\n2026-11-25,newest\n", encoding="utf-8"
    )
    assert page_metadata.edition_of(source) == {"edition": "2026-11-25", "version": "newest"}
    (tmp_path / "results.json").write_text('{"edition": "2026-11-22", "version": "built"}', encoding="utf-8")
    assert page_metadata.edition_of(source) == {"edition": "2026-11-22", "version": "built"}


def test_a_site_with_an_address_has_a_sitemap_of_its_pages(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    (source / "data").mkdir(parents=True)
    out.mkdir()
    (source / "data/settings.csv").write_text("setting,value\naddress,https://example.org/r/\n", encoding="utf-8")
    env = SimpleNamespace(found_docs={"book/safety", "book/a&b"})
    app = SimpleNamespace(builder=SimpleNamespace(name="html"), srcdir=str(source), outdir=str(out), env=env)
    page_metadata._write_sitemap(app, None)
    pages = ET.parse(out / "sitemap.xml").findall(".//{*}loc")
    assert [page.text for page in pages] == [
        "https://example.org/r/book/a&b.html",
        "https://example.org/r/book/safety.html",
    ]
    assert (out / "robots.txt").read_text(encoding="utf-8").endswith("Sitemap: https://example.org/r/sitemap.xml\n")


def test_a_description_is_the_first_paragraph_cut_at_a_word():
    words = " ".join(["word"] * 100)
    document = nodes.section("", nodes.title("", "Title"), nodes.paragraph("", words), nodes.paragraph("", "Second"))
    text = page_metadata.first_paragraph(document)
    assert text.endswith("word …")
    assert len(text) <= 252


def test_every_page_states_its_citation_and_the_edition(book):
    site = (book / "_build/html").resolve()
    pages = sorted(site.glob("book/*.html"))
    assert len(pages) > 25
    for path in pages:
        page = parsed(path)
        cite = page.find("details", class_="review-cite")
        assert page.find("h1").get_text().rstrip("#").strip() in cite.get_text(), path.name
        footer = page.find("footer", class_="bd-footer-content")
        assert "not medical advice" in footer.get_text()
        assert "The contributors of the living review." in footer.get_text()
        assert (path.parent / footer.find("a", string="About this review")["href"]).is_file()
        assert len(page.find_all("meta", {"name": "viewport"})) == 1
        assert page.find("meta", {"name": "description"})["content"]
    assert (site / "robots.txt").read_text(encoding="utf-8").startswith("User-agent: *")
