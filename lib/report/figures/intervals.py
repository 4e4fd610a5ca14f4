"""Interval plots: rows with their estimates and intervals on a common axis.

Belongs here: how a row is drawn. Reported, published, new and unavailable results differ in marker as well as in
colour, so that they can be distinguished without colours. Does not belong here: which rows a figure has (`forest`),
reading files, and pooling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lib.report.figures.drawing import Drawing
from lib.report.figures.letters import shortened, width_of
from lib.report.figures.listing import Listing
from lib.report.figures.rows import RATE, Row, Scale, alt_text, fold_name, table_of
from lib.report.figures.style import FAINT, GREY, INK, MANY, POSSIBLE
from lib.report.marked_text import study_link

_GAP = 16.0
"""Space between columns, in CSS pixels."""
_LABEL, _MARK = 0.3, 0.7
"""Where the label and the mark of a row are in the narrow form, as shares of its height."""
_LEAST_PLOT = 220.0
"""Smallest width of the axis in the wide form."""


def interval_plot(
    rows: Sequence[Row],
    *,
    wide: bool,
    scale: Scale = RATE,
    xlabel: str = "",
    counts: str = "",
    alt: str = "",
    most: float = MANY,
) -> Drawing | Listing:
    """Draw rows with their estimates and intervals on a common axis.

    Parameters
    ----------
    rows : sequence of Row
        Rows from top to bottom. Those of kind "missing" are in a separate drawing, which a page shows on request.
    wide : bool
        Form. The narrow one has a line for the label and the counts of a row, and one for its interval.
    scale : Scale
        The axis.
    xlabel, counts : str
        Label of the axis (by default that of the scale), and heading of the second column.
    alt : str
        Text alternative; that of a Drawing also gets the estimates of all rows.
    most : float
        Largest number of rows of a Drawing.

    Returns
    -------
    Drawing or Listing
        A Listing if there are more rows than that; it is the same for all widths.
    """
    if len(rows) > most:
        return Listing(tuple(rows), scale, xlabel or scale.label, counts, f"{alt} A table of {len(rows)} rows.".strip())
    plot = _IntervalPlot(rows, wide, scale, xlabel or scale.label, counts)
    drawing = plot.draw([row for row in rows if row.kind != "missing"])
    missing = [row for row in rows if row.kind == "missing"]
    if missing:
        drawing.folded, drawing.fold, drawing.whole = plot.draw(missing), fold_name(missing), plot.draw(rows)
    drawing.alt = " ".join([alt, *(alt_text(row, scale) for row in rows)]).strip()
    drawing.keys = tuple(row.key for row in rows if row.key)
    drawing.data = table_of(rows, counts, scale)
    if drawing.whole is not None:
        drawing.whole.alt = drawing.alt
    return drawing


class _IntervalPlot:
    """The columns that the rows of a plot share, and their drawing."""

    def __init__(self, rows: Sequence[Row], wide: bool, scale: Scale, xlabel: str, counts: str):
        self.wide, self.scale, self.xlabel, self.counts = wide, scale, xlabel, counts
        empty = Drawing(wide)
        self.size, right = empty.size, empty.width
        estimates = [self._estimate(row) for row in rows if row.kind != "heading"]
        text = max(self._width(scale.heading, True), *(self._width(t, b) for t, b in [*estimates, ("", False)]))
        self.has_weights = wide and any(row.weight == row.weight for row in rows)
        self.at_weight = right
        self.at_text = right - (self._width("Weight", True) + _GAP if self.has_weights else 0)
        self.right = self.at_text - text - _GAP
        if not wide:
            self.left, self.at_counts, self.room = 6.0, right, right
            return
        columns = [self._width(row.counts, False) for row in rows] + [self._width(counts, True)]
        labels = [self._width(row.label, _is_bold(row)) for row in rows if row.kind != "heading"]
        counts_room = max(columns)
        self.room = min(max([*labels, 0.0]), self.right - _LEAST_PLOT - counts_room - 2 * _GAP)
        self.at_counts = self.room + _GAP + counts_room
        self.left = self.at_counts + _GAP + 4

    def draw(self, rows: Sequence[Row]) -> Drawing:
        """Draw some of the rows, with the axis below them."""
        drawing = Drawing(self.wide)
        line = 1.7 * self.size
        # In the narrow form all but headings take two lines.
        heights = [line if self.wide or row.kind == "heading" else 2.9 * self.size for row in rows]
        # In the narrow form, the headings of the columns take two lines, too, unless the counts have no heading.
        top = line if self.wide or not self.counts else 3.0 * self.size
        # Use fsum(), because the last bit of sum() differs between versions of Python.
        bottom = top + math.fsum(heights) + 4
        ticks = self.scale.ticks if self.wide else self.scale.few_ticks
        self._grid(drawing, ticks, self._spans(rows, heights, top, bottom))
        drawing.text(self.at_counts, line / 2 if self.wide else 0.8 * self.size, self.counts, "end", bold=True)
        drawing.text(
            self.at_text, top - (line / 2 if self.wide else 0.8 * self.size), self._heading(rows), "end", bold=True
        )
        if self.has_weights and any(row.weight == row.weight for row in rows):
            drawing.text(self.at_weight, line / 2, "Weight", "end", bold=True)
        for row, height in zip(rows, heights, strict=True):
            self._row(drawing, row, top, height)
            top += height
        drawing.line([(self.left, bottom), (self.right, bottom)], INK)
        drawing.lines([[(self._x(tick), bottom), (self._x(tick), bottom + 4)] for tick in ticks], INK)
        for tick in ticks:
            drawing.text(self._x(tick), bottom + 6 + 0.6 * self.size, f"{tick:g}", "middle")
        middle, half = (self.left + self.right) / 2, self._width(self.xlabel, False) / 2
        drawing.text(max(middle, half), bottom + 8 + 1.9 * self.size, self.xlabel, "middle")
        drawing.height = round(bottom + 8 + 2.6 * self.size, 1)
        return drawing

    def _spans(
        self, rows: Sequence[Row], heights: Sequence[float], top: float, bottom: float
    ) -> list[tuple[float, float]]:
        """Return the vertical ranges of the grid lines, which in the narrow form do not run behind labels."""
        if self.wide:
            return [(top - 2, bottom)]
        spans = []
        for row, height in zip(rows, heights, strict=True):
            if row.kind != "heading":
                spans.append((top + 0.48 * height, top + 0.92 * height))
            top += height
        return [*spans, (top, bottom)]

    def _grid(self, drawing: Drawing, ticks: Sequence[float], spans: Sequence[tuple[float, float]]) -> None:
        for tick in ticks:
            x, marked = self._x(tick), tick == self.scale.no_effect
            lines = [[(x, start), (x, end)] for start, end in spans]
            drawing.lines(lines, GREY if marked else FAINT, 1.2 if marked else 1.0)

    def _heading(self, rows: Sequence[Row]) -> str:
        """Return the heading of the column of estimates."""
        if any(row.kind not in ("missing", "heading") for row in rows):
            return self.scale.heading
        return "Compatible range, %" if any(row.low == row.low for row in rows) else ""

    def _row(self, drawing: Drawing, row: Row, top: float, height: float) -> None:
        bold, ink = _is_bold(row), GREY if row.kind == "missing" else INK
        at_label = top + (height / 2 if self.wide or row.kind == "heading" else _LABEL * height)
        at_mark = at_label if self.wide else top + _MARK * height
        room = self.room if row.kind != "heading" else drawing.width
        if not self.wide and row.counts:
            room = drawing.width - self._width(row.counts, False) - _GAP
        label = shortened(row.label, room, lambda text: self._width(text, bold))
        href = study_link(row.label, row.study).target if row.study else ""
        drawing.text(0, at_label, label, bold=bold, colour=INK if href else ink, href=href)
        if row.kind == "heading":
            return
        drawing.text(self.at_counts, at_label, row.counts, "end", colour=ink)
        text, bold = self._estimate(row)
        is_remark = row.estimate != row.estimate
        drawing.text(self.at_text, at_mark, text, "end", bold=bold, italic=is_remark, colour=ink, key=row.key)
        if self.has_weights and row.weight == row.weight:
            drawing.text(self.at_weight, at_mark, f"{100 * row.weight:.0f}%", "end")
        self._mark(drawing, row, at_mark)

    def _mark(self, drawing: Drawing, row: Row, y: float) -> None:
        x, low, high = (self._x(self.scale.place(value)) for value in (row.estimate, row.low, row.high))
        if row.kind == "missing":
            if low == low:
                drawing.line([(low, y), (high, y)], POSSIBLE, 2.0, dotted=True)
            return
        if x != x:
            return
        if row.kind in ("published", "pooled"):
            low, high = (low, high) if low == low else (x, x)
            points = [(low, y), (x, y - 0.45 * self.size), (high, y), (x, y + 0.45 * self.size)]
            drawing.area(points, row.colour if row.kind == "pooled" else "", row.colour, 1.5)
            return
        if low == low:
            drawing.line([(low, y), (high, y)], row.colour, 1.6)
        half = 3.4 if row.weight != row.weight else 2.4 + 3.2 * math.sqrt(row.weight)
        drawing.box(x - half, y - half, x + half, y + half, row.colour)

    def _estimate(self, row: Row) -> tuple[str, bool]:
        """Return the text of a row's estimate, and whether it is bold."""
        if row.estimate != row.estimate:
            return row.remark, False
        return self.scale.text(row.estimate, row.low, row.high, 1), _is_bold(row)

    def _width(self, text: str, bold: bool) -> float:
        return width_of(text, self.size, bold)

    def _x(self, placed: float) -> float:
        return placed if placed != placed else self.left + self.scale.position(placed) / 100 * (self.right - self.left)


def _is_bold(row: Row) -> bool:
    return row.kind == "heading" or (row.kind in ("published", "pooled") and row.bold)
