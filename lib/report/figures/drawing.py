"""A drawing of texts and lines, and its SVG.

Belongs here: what a figure consists of, in CSS pixels, and writing it as compact SVG. Does not belong here: what a
figure shows (`intervals`, `funnel` and others), the page around it (`picture`), and other formats (`saving`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from lib.report.figures.letters import FONTS, width_of
from lib.report.figures.style import FAINT, GREY, INK, NARROW, NARROW_TEXT, WIDE, WIDE_TEXT
from lib.report.marked_text import result_address
from lib.report.text_safety import for_html

_OPACITY = {INK: 1.0, GREY: 0.75, FAINT: 0.22}
"""Opacity of each colour that follows the colour of the text of a page."""

_XML = '<?xml version="1.0" encoding="utf-8"?>\n'

Point = tuple[float, float]


@dataclass(frozen=True)
class Text:
    """A line of text.

    Attributes
    ----------
    x, y : float
        Horizontal position of its beginning, middle or end (see ``anchor``), and vertical position of its baseline.
    text : str
        The text.
    anchor : {"start", "middle", "end"}
        Whether its beginning, middle or end is at ``x``.
    bold, italic : bool
        Its style.
    colour : str
        Its colour.
    href, key : str
        Address to which it links on a page, and key of the registered result that it states; empty for none.
    size : float
        Its size.
    """

    x: float
    y: float
    text: str
    anchor: str = "start"
    bold: bool = False
    italic: bool = False
    colour: str = INK
    href: str = ""
    key: str = ""
    size: float = WIDE_TEXT

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the space that the text takes."""
        width = width_of(self.text, self.size, self.bold)
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * width
        return left, self.y - 0.78 * self.size, left + width, self.y + 0.22 * self.size


@dataclass(frozen=True)
class Shape:
    """Lines, or areas that they enclose.

    Attributes
    ----------
    lines : tuple of tuple of (float, float)
        The points of each line.
    stroke, fill : str
        Colours of the lines and of the areas that they enclose; empty for none. Lines with a fill are closed.
    width : float
        Width of the lines.
    dotted : bool
        Whether they are dotted.
    """

    lines: tuple[tuple[Point, ...], ...]
    stroke: str = ""
    fill: str = ""
    width: float = 1.0
    dotted: bool = False


@dataclass
class Drawing:
    """A figure in one form, as texts and shapes.

    Attributes
    ----------
    wide : bool
        Whether this is the wide or the narrow form, which determines width and text size.
    height : float
        Height; like all measures, in CSS pixels.
    alt : str
        Text alternative.
    keys : tuple of str
        Keys of the registered results that it shows.
    data : DataFrame
        The data that it shows, as a table.
    folded : Drawing or None
        A part that a page shows on request, such as the studies without available counts; ``fold`` is its name.
    whole : Drawing or None
        The whole figure including that part, for files.
    items : list of Text or Shape
        Texts and shapes, in the order in which they are painted: later ones cover earlier ones.
    """

    wide: bool
    height: float = 0.0
    alt: str = ""
    keys: tuple[str, ...] = ()
    data: pd.DataFrame = field(default_factory=pd.DataFrame)
    folded: Drawing | None = None
    fold: str = ""
    whole: Drawing | None = None
    items: list[Text | Shape] = field(default_factory=list)

    @property
    def width(self) -> float:
        """Width in CSS pixels."""
        return WIDE if self.wide else NARROW

    @property
    def size(self) -> float:
        """Size of the text in CSS pixels."""
        return WIDE_TEXT if self.wide else NARROW_TEXT

    @property
    def texts(self) -> list[Text]:
        """Its texts."""
        return [item for item in self.items if isinstance(item, Text)]

    @property
    def shapes(self) -> list[Shape]:
        """Its shapes."""
        return [item for item in self.items if isinstance(item, Shape)]

    def text(
        self,
        x: float,
        middle: float,
        text: str,
        anchor: str = "start",
        *,
        bold: bool = False,
        italic: bool = False,
        colour: str = INK,
        href: str = "",
        key: str = "",
    ) -> None:
        """Add a line of text; ``middle`` is the height of the middle of its lower-case letters."""
        if text:
            y = middle + 0.36 * self.size
            self.items.append(Text(x, y, text, anchor, bold, italic, colour, href, key, self.size))

    def line(self, points: Sequence[Point], colour: str, width: float = 1.0, *, dotted: bool = False) -> None:
        """Add a line."""
        self.items.append(Shape((tuple(points),), stroke=colour, width=width, dotted=dotted))

    def lines(self, lines: Iterable[Sequence[Point]], colour: str, width: float = 1.0) -> None:
        """Add several lines of the same colour."""
        if several := tuple(map(tuple, lines)):
            self.items.append(Shape(several, stroke=colour, width=width))

    def area(self, points: Sequence[Point], fill: str, stroke: str = "", width: float = 1.0) -> None:
        """Add an area with its border; an empty ``fill`` makes it transparent."""
        self.items.append(Shape((tuple(points),), stroke=stroke, fill=fill or "none", width=width))

    def box(self, left: float, top: float, right: float, bottom: float, fill: str, stroke: str = "") -> None:
        """Add a rectangle."""
        self.area([(left, top), (right, top), (right, bottom), (left, bottom)], fill, stroke)

    def svg(self, name: str) -> str:
        """Return the drawing as an SVG element of class ``name``, whose colours follow those of the page."""
        content = "".join(self._text(item) if isinstance(item, Text) else _shape(item) for item in self.items)
        return f'<svg class="{name}" {self._frame()} fill="currentColor">{content}</svg>'

    def svg_file(self) -> str:
        """Return the drawing as the text of an SVG file, with a white background and without links."""
        drawing = self.whole or self
        content = "".join(
            drawing._text(item, linked=False) if isinstance(item, Text) else _shape(item) for item in drawing.items
        )
        return (
            f'{_XML}<svg xmlns="http://www.w3.org/2000/svg" {drawing._frame()} color="{INK}" fill="{INK}"'
            f' font-family="{FONTS}"><title>{for_html(self.alt)}</title>'
            f'<path fill="#ffffff" d="M0 0H{_decimal(drawing.width)}V{_decimal(drawing.height)}H0z"/>{content}</svg>\n'
        )

    def _frame(self) -> str:
        width, height = _decimal(self.width), _decimal(self.height)
        # Marks at the ends of an axis may reach beyond the frame by half their size.
        return (
            f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-size="{_decimal(self.size)}"'
            ' overflow="visible"'
        )

    @staticmethod
    def _text(item: Text, linked: bool = True) -> str:
        style = "" if item.anchor == "start" else f' text-anchor="{item.anchor}"'
        style += ' font-weight="700"' if item.bold else ""
        style += ' font-style="italic"' if item.italic else ""
        style += _paint("fill", item.colour) if item.colour != INK else ""
        element = f'<text x="{_decimal(item.x)}" y="{_decimal(item.y)}"{style}>{for_html(item.text)}</text>'
        if not linked:
            return element
        # JupyterLab fails on a link within SVG that leads to another page: the book makes links of these.
        if item.key:
            key = for_html(item.key)
            return f'<a data-href="{result_address(key)}" data-result="{key}">{element}</a>'
        return f'<a data-href="{for_html(item.href)}">{element}</a>' if item.href else element


def _shape(item: Shape) -> str:
    end = "z" if item.fill else ""
    path = "".join(f"M{' '.join(f'{_decimal(x)} {_decimal(y)}' for x, y in line)}{end}" for line in item.lines)
    style = ' fill="none"' if item.fill in ("", "none") else _paint("fill", item.fill)
    if item.stroke:
        style += _paint("stroke", item.stroke) + (f' stroke-width="{_decimal(item.width)}"' if item.width != 1 else "")
    style += ' stroke-dasharray="2 2.5"' if item.dotted else ""
    return f'<path d="{path}"{style}/>'


def _paint(kind: str, colour: str) -> str:
    if colour not in _OPACITY:
        return f' {kind}="{colour}"'
    opacity = _OPACITY[colour]
    return f' {kind}="currentColor"' + (f' {kind}-opacity="{opacity:g}"' if opacity < 1 else "")


def _decimal(value: float) -> str:
    """Return a measure with one decimal."""
    return f"{round(value, 1) + 0.0:g}"
