"""Recognise text that must not enter the evidence: invisible characters, damaged text, and traces of spreadsheets.

Belongs here: faults of a text that can be seen in the text alone. Does not belong here: the form that a type of the
dictionary demands (`column_types`), and making text harmless for a page (`lib.report.text_safety`).
"""

from __future__ import annotations

import re
from unicodedata import category, name

_ZERO_WIDTH_JOINERS = "\u200c\u200d"
"""Characters that the spelling of some words in Persian and in Indian languages requires between two letters."""
_SUSPECT = re.compile(r"[^\n -~]")
_ERRORS = re.compile(r"#(REF|N/A|NAME\?|VALUE|DIV/0|NUM|NULL|SPILL|CALC)!?|#{3,}|Err:[0-9]{3}")
_FORMULA = re.compile(r"[=+@\t\r]|-(?![0-9.]+$)")
_REWRITTEN = (
    (re.compile(r"TRUE|FALSE"), "write yes or no, or the word that is meant"),
    (re.compile(r"-?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+"), "enter the number again, with all digits"),
    (re.compile(r"[0-9]{1,2}-[A-Z][a-z]{2}(-[0-9]{2,4})?|[A-Z][a-z]{2}-[0-9]{2}"), "enter the text again"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.]+"), "write the date alone"),
)


def name_of(character: str) -> str:
    """Return the code point of a character and, if it has one, its Unicode name.

    Examples
    --------
    >>> name_of(chr(7)), name_of(chr(0x200B))
    ('U+0007 (a control character)', 'U+200B ZERO WIDTH SPACE')
    """
    title = name(character, "")
    return f"U+{ord(character):04X} {title}" if title else f"U+{ord(character):04X} ({_KINDS[category(character)]})"


_KINDS = {
    "Cc": "a control character",
    "Cf": "an invisible character",
    "Cn": "no character of Unicode",
    "Co": "a character for private use",
    "Cs": "half of a character",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
    "Zs": "a special space",
}


def _is_forbidden(text: str, at: int) -> bool:
    character = text[at]
    if character in _ZERO_WIDTH_JOINERS:
        around = text[at - 1 : at] + text[at + 1 : at + 2]
        return not (len(around) == 2 and all(ord(c) > 127 and category(c)[0] in "LM" for c in around))
    return character == "\N{REPLACEMENT CHARACTER}" or category(character) in _KINDS


def forbidden(text: str) -> str:
    r"""Return the first character of a text that readers cannot see or that no page can show; empty if there is none.

    Line feeds are allowed, and zero-width joiners between letters of scripts that need them.

    Parameters
    ----------
    text : str
        Any text.

    Examples
    --------
    >>> forbidden("Vitíligo; 白癜风")
    ''
    >>> forbidden("SA\u200b") == "\u200b"
    True
    """
    if text.isascii() and text.isprintable():
        return ""
    places = (match.start() for match in _SUSPECT.finditer(text))
    return next((text[at] for at in places if _is_forbidden(text, at)), "")


def visible(text: str) -> str:
    r"""Return a text with ordinary spaces, and without invisible characters and quotation marks around it.

    Examples
    --------
    >>> visible("“S\u200bA”\u00a0")
    'SA'
    """
    if not text.isascii():
        text = "".join(" " if category(c) == "Zs" else c for c in text if category(c)[0] != "C" or c == "\n")
    return text.strip().strip("\"'`“”‘’„«»").strip()


def fault_of(text: str) -> str:
    r"""Return what is wrong with the characters of a text, and what to do; empty if nothing is wrong.

    Parameters
    ----------
    text : str
        The value of a table or of a field of the bibliography.

    Examples
    --------
    >>> fault_of("seen in 18 of 20 patients")
    ''
    >>> fault_of("burning\x07")
    'contains U+0007 (a control character), which no page can show: remove it'
    >>> fault_of("=A1+B1")
    "begins with '=', which a spreadsheet takes for a formula: begin with another character"
    """
    character = forbidden(text)
    if character == "\N{REPLACEMENT CHARACTER}":
        return f"contains {name_of(character)}: a character was lost when the text was converted; enter the text again"
    if character:
        if category(character) == "Zs":
            return f"contains {name_of(character)}: write an ordinary space"
        if character == "\t":
            return "contains U+0009 (a tab): write an ordinary space"
        reason = "which no page can show" if category(character) == "Cc" else "which readers cannot see"
        return f"contains {name_of(character)}, {reason}: remove it"
    if _ERRORS.fullmatch(text):
        return "is the error value of a spreadsheet, or a number in too narrow a column: enter the value again"
    if _FORMULA.match(text):
        return f"begins with {text[0]!r}, which a spreadsheet takes for a formula: begin with another character"
    for pattern, remedy in _REWRITTEN:
        if pattern.fullmatch(text):
            return f"looks as if a spreadsheet had rewritten it: {remedy}"
    return _misread(text)


def _misread(text: str) -> str:
    """Return the fault of a text whose bytes were read in the wrong encoding; empty if there is no sign of it."""
    if text.isascii():
        return ""
    try:
        meant = text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return ""
    return f"was read in the wrong encoding: write {meant[:80]!r}, and save the file as UTF-8"
