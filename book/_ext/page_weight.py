"""Remove from finished pages the scripts, styles and icons of the theme that they do not use.

The extension `finished_pages` calls these functions.

The theme's icons come with a script of 1.5 MB that holds thousands of them, of which a page shows a dozen: those become
rules of the style sheet. The rules for elements that no page has, the search index on pages other than the search, and
the styles of components that a page does not contain are left out as well.
"""

import re
from pathlib import Path
from urllib.parse import quote

ICONS = (
    "angle-left",
    "angle-right",
    "arrow-up",
    "bars",
    "circle-half-stroke",
    "download",
    "expand",
    "file",
    "file-pdf",
    "list",
    "magnifying-glass",
    "moon",
    "sun",
    "xmark",
)
"""Icons of the theme that pages of this book show."""

_ICON_BASE = """
.fa-solid, .fas { display: inline-block; width: 1.25em; height: 1em; vertical-align: -0.125em; background: currentColor;
  -webkit-mask: var(--icon) center / contain no-repeat; mask: var(--icon) center / contain no-repeat; }
.fa-lg { font-size: 1.25em; vertical-align: -0.075em; }
.bd-search .fa-solid.fa-magnifying-glass { position: static; }
"""
# Rules of the theme's icon font, which no page loads.
_ICON_FONT = re.compile(r"Font ?Awesome|webfonts|\.fa-[\w-]+::?(?:before|after)|--fa-")
_SEARCH_SCRIPTS = re.compile(r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>')
_ICON_SCRIPT = re.compile(r'\s*<script defer src="[^"]*fontawesome\.js[^"]*"></script>')
_COMPONENTS = re.compile(r"\s*<(?:link|script)[^>]*(?:sphinx-design|design-tabs)[^>]*>(?:</script>)?")
# Buttons that open what is folded by a class, for which this book uses elements of HTML, and that run code in the page.
_BUTTONS = re.compile(r"\s*<(?:link|script)[^>]*(?:togglebutton|sphinx-thebe)\.[^>]*>(?:</script>)?")
_OF_CODE = re.compile(r"\s*<(?:link|script)[^>]*(?:clipboard|copybutton|pygments)\.[^>]*>(?:</script>)?")
# The style of tables for JupyterLab; the book's style sheet has the same rules.
_TABLE_STYLE = re.compile(r"<style>table\.review\.review.*?</style>", re.DOTALL)
_VIEWPORT = re.compile(r'\s*<meta name="viewport"[^>]*>')


def icon_rules(script):
    """Return the rules of the style sheet for the icons, from the text of Font Awesome's script."""
    rules = [_ICON_BASE]
    # The script holds brands, then outlines, then solid icons; the theme shows solid ones.
    icon = rf'(?<![\w-])"?({"|".join(ICONS)})"?:\[(\d+),(\d+),\[[^\]]*\],"\w+","([^"]+)"\]'
    picture_by_name = {name: picture for name, *picture in re.findall(icon, script)}
    for name in ICONS:
        if name not in picture_by_name:
            raise ValueError(f"the theme's icons have no {name!r}: name another one in {Path(__file__).name}")
        width, height, path = picture_by_name[name]
        picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><path d="{path}"/></svg>'
        rules.append(f'.fa-{name} {{ --icon: url("data:image/svg+xml,{quote(picture, safe=" /:=")}"); }}\n')
    return "".join(rules)


def used_rules(style, words):
    """Return a style sheet without the rules whose selectors all need a class that is not among some words."""

    def rule_if_used(rule):
        if _ICON_FONT.search(rule[0]):
            return ""
        selectors, _, _ = rule[0].partition("{")
        # What is within parentheses may be an alternative or a negation: it does not decide.
        plain = re.sub(r"/\*.*?\*/|\([^()]*(?:\([^()]*\)[^()]*)*\)", "", selectors, flags=re.DOTALL)
        classes = (re.findall(r"\.(-?[_a-zA-Z][\w-]*)", selector) for selector in plain.split(","))
        return rule[0] if any(words.issuperset(needed) for needed in classes) else ""

    return re.sub(r"[^{}]*\{[^{}]*\}", rule_if_used, style)


def lighter(page, is_search):
    """Return a page without the scripts and styles that it does not use, and with one viewport."""
    page = _TABLE_STYLE.sub("", _ICON_SCRIPT.sub("", page))
    if not is_search:
        page = _SEARCH_SCRIPTS.sub("", page)
    if not re.search(r'class="[^"]*\bsd-', page):
        page = _COMPONENTS.sub("", page)
    if not re.search(r'class="(?:[^"]*\badmonition\b[^"]*\bdropdown\b|(?:[^"]* )?toggle[ "])', page):
        page = _BUTTONS.sub("", page)
    if not re.search(r'class="[^"]*\bhighlight\b', page):
        page = _OF_CODE.sub("", page)
    first = _VIEWPORT.search(page)
    return page[: first.end()] + _VIEWPORT.sub("", page[first.end() :]) if first else page


def lighten_static_files(static, words):
    """Remove from the folder of static files what no page uses; ``words`` are the classes that pages have."""
    icons = icon_rules((static / "scripts/fontawesome.js").read_text(encoding="utf-8"))
    for unused in {*static.glob("scripts/fontawesome*"), *static.rglob("*.map"), *static.glob("vendor/**/*.*")}:
        unused.unlink()
    scripts = (path.read_text(encoding="utf-8") for path in static.rglob("*.js"))
    words = words.union(*(re.findall(r"[\w-]+", script) for script in scripts))
    for path in [*static.glob("styles/*.css"), *static.glob("mystnb*.css")]:
        path.write_text(used_rules(path.read_text(encoding="utf-8"), words), encoding="utf-8")
    theme = static / "styles/pydata-sphinx-theme.css"
    theme.write_text(theme.read_text(encoding="utf-8") + icons, encoding="utf-8")
