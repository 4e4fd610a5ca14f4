"""The widths of texts, so that a figure can leave enough space for them.

Belongs here: measuring and shortening a line of text. Does not belong here: drawing it.

A page shows the text in the reader's font. DejaVu Sans, which comes with matplotlib, is wider than almost every font
that pages use, so that a text that fits in DejaVu Sans fits in the reader's font, too.
"""

from __future__ import annotations

import functools
import textwrap
import unicodedata
from collections.abc import Callable
from pathlib import Path

from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font

FONTS = "DejaVu Sans, Verdana, Arial, sans-serif"
"""Fonts of a figure in a file of its own, in order of preference."""

_EM = 100


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Return the width of a line of text, in the unit of the size.

    Examples
    --------
    >>> round(width_of("Kanwar 2004", 12), 1) < round(width_of("Kanwar 2004", 12, bold=True), 1)
    True
    """
    return size * sum(_advance(letter, bold) for letter in text)


def shortened(text: str, room: float, width: Callable[[str], float] = len) -> str:
    """Shorten a text to a width, but keep the year at its end, which distinguishes descriptions.

    Parameters
    ----------
    text : str
        A line of text.
    room : float
        Largest width.
    width : callable
        Function that returns the width of a text; by default, its number of letters.

    Examples
    --------
    >>> shortened("A long description of a trial, 2021", 25)
    'A long description… 2021'
    """
    if width(text) <= room:
        return text
    year = " " + text[-4:] if text[-4:].isdigit() else ""
    room -= width("…" + year)
    end = next((n for n in range(len(text), 1, -1) if width(text[:n]) <= room), 1)
    words = text[:end] if text[end] == " " else text[:end].rpartition(" ")[0] or text[:end]
    return words.rstrip(" ,") + "…" + year


def wrapped(text: str, room: float, size: float, bold: bool = False) -> list[str]:
    """Break a text into lines of a width, at spaces."""
    lines: list[str] = []
    for word in textwrap.wrap(text, 1, break_long_words=False, break_on_hyphens=False):
        if lines and width_of(f"{lines[-1]} {word}", size, bold) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


@functools.cache
def _advance(letter: str, bold: bool) -> float:
    """Return the width of a letter in units of the size of the font."""
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    glyph = _font(bold).load_char(ord(letter))
    return float(glyph.linearHoriAdvance) / 65536 / _EM


@functools.cache
def _font(bold: bool) -> FT2Font:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    font = FT2Font(str(Path(get_data_path()) / "fonts" / "ttf" / name))
    font.set_size(_EM, 72)
    return font
