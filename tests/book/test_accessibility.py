"""Pages for readers with a screen reader or a keyboard: the rules of axe-core, and a focus that is always visible."""

import pytest

from axe_core import AXE, RULES_OF_COLOUR, violations
from conftest import ROOT, import_extension
from lib.engine.build import chapters

# All rules but those of level AAA, which ask for a contrast of 7 and a purpose of links out of context, and those that
# axe-core calls experimental.
_RULES = "axe.getRules().filter(r => !r.tags.some(t => ['wcag2aaa', 'experimental'].includes(t))).map(r => r.ruleId)"
# Checking contrast takes a time that grows with the square of the elements. A part of the page that has the same
# elements with the same styles as three before it tells nothing new of colours; all other rules see every part.
_SHORTEN = """() => {
  const styles = ["class", "style", "fill", "stroke", "font-size", "font-weight", "open"];
  // Each column, and every other row and item, may have colours of its own.
  const place = element => element.cellIndex
    ?? (element.matches("tr, li") && [...element.parentElement.children].indexOf(element) % 2);
  const own = element => [element.tagName, place(element), ...styles.map(name => element.getAttribute(name))].join(" ");
  const path = element => element ? `${path(element.parentElement)}>${own(element)}` : "";
  const form = element => [path(element), ...[...element.querySelectorAll("*")].map(own)].join();
  const cut = elements => {
    const numbers = new Map();
    for (const element of elements) {
      // It may have been in a part that is cut.
      if (!element.isConnected) continue;
      const key = form(element), number = (numbers.get(key) ?? 0) + 1;
      numbers.set(key, number);
      if (number > 3) element.remove();
    }
  };
  cut(document.querySelectorAll("article :is(tr, li, p, dl, .review-record, .citation, .cell_output > *)"));
  cut(document.querySelectorAll("body :not(:has(*))"));
}"""
# It takes two thirds of the time of all rules that do not depend on colours. On a phone it sees all targets, which are
# no larger and no farther apart there than on a wide screen; on that, it sees the page without the repeated parts.
_SIZE = "target-size"
_RESIZED = 400
"""Milliseconds after which the theme has seen a change of width, and made what scrolls reachable."""
_SETTLED = "*, *::before { transition: none !important; content-visibility: visible !important; }"

accessibility = import_extension("accessibility")


def test_what_the_theme_leaves_unclear_is_mended():
    page = (
        '<div id="pst-primary-sidebar" class="a"><th class="b" scope="col"></th><th><p></p></th><th>Name</th>'
        '<div role="list" class="citation-list"><div class="citation" id="c" role="doc-biblioentry">'
    )
    assert accessibility.accessible(page) == (
        '<div id="pst-primary-sidebar" role="complementary" aria-label="This book" class="a">'
        '<td class="b"></td><td></td><th>Name</th><div class="citation-list"><div class="citation" id="c">'
    )


@pytest.fixture(scope="module")
def tab(browser):
    """A tab that has axe-core on every page, for all pages: what they load is loaded once."""
    context = browser.new_context()
    context.add_init_script(path=AXE)
    return context.new_page()


@pytest.mark.book
@pytest.mark.browser
@pytest.mark.parametrize("name", [*chapters(ROOT), "search"])
def test_no_page_breaks_a_rule_of_axe(tab, address, name):
    """Every rule is applied at both widths, and the rules that depend on colours in both schemes, too."""
    found = {}

    def look(scheme, width, rules):
        tab.emulate_media(color_scheme=scheme)
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        if rules != RULES_OF_COLOUR:
            tab.wait_for_timeout(_RESIZED)
        found[scheme, width, len(rules)] = violations(tab, rules)

    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(f"{address}/{name}.html", wait_until="load")
    tab.add_style_tag(content=_SETTLED)
    others = sorted(set(tab.evaluate(_RULES)) - set(RULES_OF_COLOUR))
    assert len(others) > 80
    assert _SIZE in others
    look("light", 1280, [rule for rule in others if rule != _SIZE])
    look("light", 360, others)
    tab.evaluate(_SHORTEN)
    for scheme, width in (("light", 360), ("dark", 360), ("dark", 1280)):
        look(scheme, width, RULES_OF_COLOUR)
    look("light", 1280, [*RULES_OF_COLOUR, _SIZE])
    assert len(found) == 6
    assert {form: broken for form, broken in found.items() if broken} == {}


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
