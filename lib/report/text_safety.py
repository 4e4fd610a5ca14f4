"""Escape text for the language into which it is inserted, by one function for each language.

Belongs here: escaping for HTML and XML, Markdown, LaTeX and spreadsheets. Text of the data passes one of these
functions on its way to a page of the book or the desk; rooms below this one escape what they display in notebooks by
themselves. Does not belong here: which text the data may hold (`lib.evidence.characters`).
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

_LAST_OF_PLANES = "".join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF))
_NOT_SHOWN = re.compile(
    f"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\ufdd0-\ufdef{_LAST_OF_PLANES}]"
)
"""Characters that XML 1.0 (section 2.2) does not allow or discourages: control characters and noncharacters."""
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def for_html(text: str) -> str:
    r"""Return text for HTML or XML, between tags or in an attribute in quotation marks.

    Examples
    --------
    >>> for_html('<b title="x">&')
    '&lt;b title=&quot;x&quot;&gt;&amp;'
    """
    return html.escape(whole_characters(text))


Html = markupsafe.Markup
"""Text that is already HTML, and that `template` does not escape."""


def template(source: str) -> jinja2.Template:
    """Return a template for HTML, in which every value passes `for_html` unless it is `Html`.

    Examples
    --------
    >>> template("<p>{{ text }}</p>").render(text="a < b")
    '<p>a &lt; b</p>'
    """
    return templates().from_string(source)


def templates(folder: Path | None = None) -> jinja2.Environment:
    """Return the environment of templates for HTML, in which every value passes `for_html` unless it is `Html`.

    Parameters
    ----------
    folder : Path, optional
        Folder of templates that can be extended and imported. With a folder, a name without a value is an error.

    Examples
    --------
    >>> templates().from_string("{{ text }}").render(text="<b>")
    '&lt;b&gt;'
    """

    def harmless(value: Any) -> Html:
        return value if isinstance(value, Html) else Html(for_html(str(value)))

    return jinja2.Environment(
        autoescape=True,
        finalize=harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(folder) if folder else None,
        undefined=jinja2.StrictUndefined if folder else jinja2.Undefined,
    )


def whole_characters(document: str) -> str:
    r"""Replace every character of a text or a finished document that no page can show with the sign �.

    Examples
    --------
    >>> whole_characters("<text>burning\x07</text>")
    '<text>burning�</text>'
    """
    return _NOT_SHOWN.sub("\N{REPLACEMENT CHARACTER}", document)


def for_markdown(text: str) -> str:
    """Return text for a Markdown sentence, so that nothing in it is read as markup.

    Examples
    --------
    >>> for_markdown("2 * 3")
    '2 &#42; 3'
    """
    return re.sub(r"[^\w\s]|_", lambda sign: f"&#{ord(sign[0])};", whole_characters(text))


def for_latex(text: str) -> str:
    r"""Return text for LaTeX, such as a field of a bibliography.

    Examples
    --------
    >>> for_latex("0.1% & more_")
    '0.1\\% \\& more\\_'
    """
    return "".join(_LATEX.get(character, character) for character in whole_characters(text))


def for_spreadsheet(text: str) -> str:
    """Return text for a cell of a CSV file, which no spreadsheet takes for a formula.

    An apostrophe is put before a text that begins like a formula, and spreadsheets show the rest as it is.

    Examples
    --------
    >>> print(for_spreadsheet("=A1+B1"))
    '=A1+B1
    >>> for_spreadsheet("-5"), for_spreadsheet("0.1%")
    ('-5', '0.1%')
    """
    text = whole_characters(text)
    begins = re.match(r"\s*[=+@\t\r]|\s*-(?![0-9.]+$)", text)
    return f"'{text}" if begins else text
