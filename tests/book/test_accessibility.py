"""Pages for readers with a screen reader or a keyboard: the rules of axe-core, and a focus that is always visible."""

import importlib.util
from pathlib import Path

import axe_playwright_python
import pytest

from conftest import ROOT
from lib.engine.build import chapters

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
RULES_OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""Rules of axe-core whose outcome depends on colours."""
# All rules but those of level AAA, which ask for a contrast of 7 and a purpose of links out of context, and those that
# axe-core calls experimental.
_RULES = "axe.getRules().filter(r => !r.tags.some(t => ['wcag2aaa', 'experimental'].includes(t))).map(r => r.ruleId)"
_RUN = """async rules => {
  const found = await axe.run(document, {resultTypes: ["violations"], runOnly: {type: "rule", values: rules}});
  return found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 120)}`));
}"""
# Checking contrast takes a time that grows with the square of the elements. Rows, records and entries after these have
# the form of those before; all other rules see them all.
_SHORTEN = """() => {
  const cut = (elements, most) => [...elements].slice(most).forEach(element => element.remove());
  document.querySelectorAll("tbody").forEach(body => cut(body.rows, 24));
  document.querySelectorAll(".cell_output").forEach(output => cut(output.children, 60));
  cut(document.querySelectorAll(".review-record"), 12);
  cut(document.querySelectorAll(".citation"), 40);
}"""
_RESIZED = 400
"""Milliseconds after which the theme has seen a change of width, and made what scrolls reachable."""
_SETTLED = "*, *::before { transition: none !important; content-visibility: visible !important; }"

spec = importlib.util.spec_from_file_location("accessibility", ROOT / "book/_ext/accessibility.py")
accessibility = importlib.util.module_from_spec(spec)
spec.loader.exec_module(accessibility)


def test_what_the_theme_leaves_unclear_is_mended():
    page = (
        '<div id="pst-primary-sidebar" class="a"><th class="b" scope="col"></th><th><p></p></th><th>Name</th>'
        '<div role="list" class="citation-list"><div class="citation" id="c" role="doc-biblioentry">'
    )
    assert accessibility.accessible(page) == (
        '<div id="pst-primary-sidebar" role="complementary" aria-label="This book" class="a">'
        '<td class="b"></td><td></td><th>Name</th><div class="citation-list"><div class="citation" id="c">'
    )


@pytest.mark.book
@pytest.mark.browser
@pytest.mark.parametrize("name", [*chapters(ROOT), "search"])
def test_no_page_breaks_a_rule_of_axe(browser, address, name):
    """Every rule at both widths, and the rules that depend on colours in both schemes, too."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    tab.goto(f"{address}/{name}.html", wait_until="load")
    tab.add_style_tag(content=_SETTLED)
    tab.add_script_tag(path=AXE)
    tab.wait_for_timeout(_RESIZED)
    rules = sorted(set(tab.evaluate(_RULES)) - set(RULES_OF_COLOUR))
    violations = {("all rules", 1280): tab.evaluate(_RUN, rules)}
    tab.set_viewport_size({"width": 360, "height": 900})
    tab.wait_for_timeout(_RESIZED)
    violations["all rules", 360] = tab.evaluate(_RUN, rules)
    tab.evaluate(_SHORTEN)
    for scheme, width in (("light", 360), ("dark", 360), ("dark", 1280), ("light", 1280)):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        violations[scheme, width] = tab.evaluate(_RUN, RULES_OF_COLOUR)
    tab.close()
    assert {form: found for form, found in violations.items() if found} == {}


@pytest.mark.book
@pytest.mark.browser
@pytest.mark.parametrize("name", ["abstract", "monotherapy", "explore", "included-studies"])
def test_the_focus_of_the_keyboard_is_always_visible(browser, address, name):
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(f"{address}/book/{name}.html", wait_until="load")
    focused = """() => {
      const element = document.activeElement, style = getComputedStyle(element);
      const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
      return [element.tagName, outlined, element.outerHTML.slice(0, 120)];
    }"""
    seen, hidden = set(), []
    for _ in range(150):
        tab.keyboard.press("Tab")
        tag, outlined, element = tab.evaluate(focused)
        if tag == "BODY":
            break
        seen.add(element)
        if not outlined:
            hidden.append(element)
    tab.close()
    assert len(seen) > 40
    assert hidden == []
