"""What pages load: the theme's unused icons, styles and scripts are left out."""

import re

import pytest

from conftest import import_extension

page_weight = import_extension("page_weight")

MOST_BYTES = 700_000
"""Largest number of bytes, uncompressed, that a first visit to a page may load."""


def test_the_last_icon_of_a_name_is_taken_as_the_solid_one():
    script = "".join(
        f'"{name}":[10,20,[],"f0c9","outline"],{name}x:[1,1,[],"f","other"],"{name}":[30,40,[1,"a"],"f0c9","M0 {i}z"],'
        for i, name in enumerate(page_weight.ICONS)
    )
    rules = page_weight.icon_rules(script)
    for i, name in enumerate(page_weight.ICONS):
        (rule,) = re.findall(rf"^\.fa-{name} \{{.*\}}", rules, re.MULTILINE)
        assert "0 0 30 40" in rule.replace("%22", '"')
        assert f"M0 {i}z" in rule


def test_an_icon_that_the_theme_no_longer_has_is_named():
    with pytest.raises(ValueError, match=r"no 'angle-left': name another one in page_weight\.py"):
        page_weight.icon_rules("")


def test_rules_of_elements_that_no_page_has_are_left_out():
    style = "a{x:1}.b,.c d{x:2}@media print{.e.f{x:3}.b:not(.g){x:4}}.h:is(.i,.b){x:5}@keyframes k{to{x:6}}"
    assert page_weight.used_rules(style, {"b", "e"}) == (
        "a{x:1}.b,.c d{x:2}@media print{.b:not(.g){x:4}}@keyframes k{to{x:6}}"
    )


def test_rules_of_the_icon_font_are_left_out():
    style = '@font-face{font-family:"Font Awesome 6";src:url(webfonts/a.woff2)}.fa-bars:before{content:"x"}.fa-lg{y:1}'
    assert page_weight.used_rules(style, {"fa-bars", "fa-lg"}) == ".fa-lg{y:1}"


def test_a_page_keeps_one_viewport_and_what_it_uses():
    page = (
        '<meta name="viewport" content="a"><meta name="viewport" content="b">'
        '<link href="_static/sphinx-design.min.css"><script src="searchindex.js"></script>'
        '<script defer src="_static/scripts/fontawesome.js?d=1"></script><p>Text</p>'
    )
    assert page_weight.lighter(page, is_search=False) == '<meta name="viewport" content="a"><p>Text</p>'
    code = (
        '<link href="_static/pygments.css?v=1"><script src="_static/clipboard.min.js"></script>'
        '<script src="_static/togglebutton.js"></script><style>table.review.review th{x:1}</style>'
    )
    assert page_weight.lighter(code + "<p>Text</p>", is_search=False) == "<p>Text</p>"
    with_code = page_weight.lighter(code + '<div class="highlight">1</div>', is_search=False)
    assert "pygments" in with_code and "clipboard" in with_code and "togglebutton" not in with_code
    assert "togglebutton" in page_weight.lighter(code + '<div class="admonition dropdown">', is_search=False)
    kept = page_weight.lighter(page + '<p class="sd-card">', is_search=True)
    assert "searchindex.js" in kept
    assert "sphinx-design" in kept
    assert "fontawesome" not in kept


def loaded(page):
    """Return the page and the files of the site that it loads."""
    text = page.read_text(encoding="utf-8")
    names = re.findall(r'<(?:link|script|img)[^>]*(?:src|href)="([^":?#]+\.(?:css|js|svg|png|woff2))', text)
    return {page, *((page.parent / name).resolve() for name in names)}


def test_a_first_visit_to_a_page_loads_little(book, ev):
    # The records of studies grow with the studies; what is out of sight of them is not laid out.
    studies = len({*ev.studies.study, *ev.screening.study})
    most = {"study-records.html": max(MOST_BYTES, 6_000 * studies)}
    site = (book / "_build/html").resolve()
    weight = {page.name: sum(path.stat().st_size for path in loaded(page)) for page in site.glob("book/*.html")}
    assert len(weight) > 25
    assert {name: size for name, size in weight.items() if size > most.get(name, MOST_BYTES)} == {}


def test_every_icon_on_a_page_has_a_picture(book):
    for page in (book / "_build/html").resolve().rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        names = set(re.findall(r'class="[^"]*\bfa[srb]?(?:-solid)? +fa-([\w-]+)', text)) - {"lg"}
        assert names <= set(page_weight.ICONS), page.name
        assert "fontawesome" not in text
