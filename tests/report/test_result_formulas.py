"""The formulas of the registered results: each result has one, and names, sources and links are those of the code."""

import inspect
import pkgutil
import re
import sys
from collections import Counter

import pytest
from bs4 import BeautifulSoup
from docutils.nodes import make_id

from lib import evidence, published, stats
from lib.report.chapters.all_results import Results, method_text
from lib.report.chapters.library_reference import reference
from lib.report.chapters.result_formulas import FORMULAS, Formulas, formula_of, library_address
from lib.report.registry import every_result
from lib.report.tables.names import label_by_key


def modules_of(row) -> list:
    """Return the modules in which the functions of a row are defined."""
    return [sys.modules[pkgutil.resolve_name(name).__module__] for name in row.functions]


def test_every_result_has_one_row_and_every_row_has_results(ev):
    used = Counter(formula_of(entry.method).code for entry in every_result(ev).values())
    assert [*used] and {*used} == {row.code for row in FORMULAS}


def test_a_method_without_a_row_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="'made-up method' matches 0 rows of FORMULAS"):
        formula_of("made-up method")


@pytest.mark.parametrize("row", FORMULAS, ids=lambda row: row.code)
def test_functions_exist_and_cite_the_sources(row):
    assert all(callable(pkgutil.resolve_name(name)) for name in row.functions)
    # A line break in a docstring may stand within a citation.
    texts = [" ".join(inspect.getsource(module).split()) for module in modules_of(row)]
    for source, doi in row.sources:
        author, year = re.split("[ ,]", source)[0], source[-4:]
        # Between the author and the DOI stands no other DOI.
        no_doi = "(?:(?!doi:).)"
        citation = re.compile(rf"{author}\b{no_doi}{{0,60}}{year}{no_doi}{{0,150}}doi:{re.escape(doi)}")
        near = [text for text in texts if f"doi:{doi}" in text]
        assert near, f"{doi} is in no module of {row.functions}"
        assert any(citation.search(text) for text in near), f"{source} is not the citation of {doi}"


def test_a_result_taken_from_a_review_is_the_only_one_without_a_function():
    assert [row.code for row in FORMULAS if not row.functions] == ["published", "later"]


def test_links_to_the_library_lead_to_its_sections():
    rooms = {room.__name__: room for room in (stats, evidence, published)}
    headings = [
        (room, name)
        for room, module in rooms.items()
        for name in re.findall(r"^### (\w+)$", reference(module).data, re.MULTILINE)
    ]
    # Of several headings with the same id, Sphinx gives it to the first.
    first = {make_id(name): f"{room}.{name}" for room, name in reversed(headings)}
    names = {name for row in FORMULAS for name in row.functions}
    linked = {name: library_address(name) for name in names if library_address(name)}
    assert len(linked) > 15
    assert {name: first.get(address.partition("#")[2]) for name, address in linked.items()} == {
        name: name for name in linked
    }


def test_every_method_on_the_page_leads_to_its_row(ev):
    page = BeautifulSoup(Results(ev)._repr_html_() + Formulas()._repr_html_(), "html.parser")
    rows, names = page.find_all("tr", id=re.compile("^f-")), label_by_key(ev)
    assert [row["id"] for row in rows] == [row.anchor for row in FORMULAS]
    for key, entry in every_result(ev).items():
        link = page.find("tr", id=f"result-{key}").find_next_sibling("tr").find("a", href=re.compile("^#f-"))
        assert link["href"] == f"#{formula_of(entry.method).anchor}"
        assert link.get_text() == method_text(entry.method, names)
    wilson = page.find("tr", id="f-wilson").find_next_sibling("tr")
    assert " ".join(wilson.get_text().split()) == "Source: Wilson 1927. Computed by lib.stats.proportion_interval."
    assert [link["href"] for link in wilson.find_all("a")] == [
        "https://doi.org/10.1080/01621459.1927.10502953",
        "library.html#proportion-interval",
    ]
