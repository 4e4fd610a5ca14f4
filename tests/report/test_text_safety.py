"""Text of any content is harmless in every language that it is put into, and there is one function for each."""

from __future__ import annotations

import csv
import html
import io
import re
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from conftest import ROOT
from lib.report.figures import Drawing, show
from lib.report.figures.picture import Picture
from lib.report.tables import Table
from lib.report.text_safety import for_html, for_latex, for_markdown, for_spreadsheet, whole_characters

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_html_and_xml_hold_the_text_and_nothing_else(text):
    page = f'<p title="{for_html(text)}">{for_html(text)}</p>'
    read = ElementTree.fromstring(page)
    assert not list(read)
    # XML itself turns line ends into line feeds, and those of attributes into spaces.
    lines = whole_characters(text).replace("\r\n", "\n").replace("\r", "\n")
    assert (read.text or "") == lines
    assert read.attrib["title"] == lines.replace("\n", " ").replace("\t", " ")


@given(texts)
def test_markdown_shows_the_text_and_no_markup(text):
    words = " ".join(f"a {for_markdown(text)} z".split())
    (block, inline, *_) = MarkdownIt("commonmark").parse(words)
    assert block.type == "paragraph_open"
    assert {child.type for child in inline.children} <= {"text", "text_special"}
    shown = "".join(child.content for child in inline.children)
    assert shown.split() == f"a {whole_characters(text)} z".split()


@given(texts)
def test_latex_has_no_command_that_we_did_not_write(text):
    ours = r"\\textbackslash\{\}|\\textasciitilde\{\}|\\textasciicircum\{\}|\\[{}$&%#_]"
    assert not set(re.sub(ours, "", for_latex(text))) & set("\\{}$&%#_~^")


@given(texts)
def test_no_cell_is_a_formula(text):
    safe = for_spreadsheet(text)
    assert safe.removeprefix("'") == whole_characters(text).removeprefix("'")
    assert not re.match(r"\s*[=+@]", safe)
    row = io.StringIO()
    csv.writer(row).writerow([safe])
    assert next(csv.reader(io.StringIO(row.getvalue(), newline=""))) == [safe]


@pytest.mark.parametrize("value", ["-5", "-0.25", "0.1%", "≥75%", "2024-02", "a=b"])
def test_numbers_and_plain_texts_stay_as_they_are_in_a_cell(value):
    assert for_spreadsheet(value) == value


def test_a_picture_and_a_table_of_text_with_a_control_character_can_be_read():
    def plot(*, wide: bool) -> Drawing:
        drawing = Drawing(wide, 20, alt="burning\x07")
        drawing.text(0, 10, "burning\x07 & <b>", href='"\x07')
        return drawing

    picture = show(plot, caption="a\x07b")
    assert isinstance(picture, Picture)
    for svg in (picture.wide.svg("wide"), picture.narrow.svg("narrow"), picture.wide.svg_file().partition("?>")[2]):
        assert "burning\N{REPLACEMENT CHARACTER} & <b>" in "".join(ElementTree.fromstring(svg).itertext())
    table = Table(pd.DataFrame({'n\x07 "x"': ["\x07"]}), "caption\x07")
    for shown in (picture._repr_html_(), table._repr_html_()):
        assert "\x07" not in shown
    assert 'n\N{REPLACEMENT CHARACTER} "x"' in html.unescape(table._repr_html_())


def test_there_is_no_second_way():
    others = {
        str(path.relative_to(ROOT))
        for path in [path for room in ("lib/report", "lib/desk", "book/_ext") for path in (ROOT / room).rglob("*.*")]
        if path.name != "text_safety.py"
        and path.suffix in (".py", ".html", ".js")
        and re.search(
            r"html\.escape|escape=|saxutils|markupsafe|&#\{|\|\s*safe\b|innerHTML|&lt;|&amp;",
            path.read_text(encoding="utf-8"),
        )
    }
    assert others == set()
