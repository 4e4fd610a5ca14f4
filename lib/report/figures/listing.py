"""Interval plots of very many rows, as HTML tables that draw each row's interval.

Belongs here: the table form of an interval plot. Does not belong here: the picture form (`intervals`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lib.report.figures.drawing import Drawing
from lib.report.figures.rows import Row, Scale, fold_name, table_of
from lib.report.figures.saving import FILES, as_csv, mark_of, save_drawing
from lib.report.figures.style import INK, POSSIBLE
from lib.report.marked_text import Stated, study_link, with_keys
from lib.report.text_safety import for_html

_STYLE = (
    "<style>"
    ".review-scroll{max-height:80vh;overflow:auto}"
    "table.review-rows.review-rows{width:100%;margin:0;border-collapse:collapse;background:none;color:inherit}"
    "table.review-rows.review-rows tbody tr{background:none}"
    "table.review-rows.review-rows th,table.review-rows.review-rows td{border:0;padding:.1rem .3rem;text-align:right}"
    "table.review-rows.review-rows tbody th{text-align:left;font-weight:400}"
    "table.review-rows.review-rows tr.heading th{font-weight:600;padding-top:.7rem}"
    "table.review-rows.review-rows tbody td:nth-child(3){padding:0;background:var(--lines)}"
    "table.review-rows.review-rows thead th:nth-child(3){padding:.1rem 0;text-align:center}"
    ".review-rows.review-rows svg{display:block;height:12px;overflow:visible}"
    ".review-rows .axis{position:relative;height:1.3em}"
    ".review-rows .axis span{position:absolute;transform:translateX(-50%)}"
    "</style>"
)
"""Style for JupyterLab, where the book's style sheet does not apply. In the book its more specific rules prevail."""


@dataclass(frozen=True)
class Listing:
    """An interval plot of very many rows: a table with each row's interval, which scrolls within its page.

    A picture of thousands of rows is taller than browsers can draw, and readers could not find a study in it. The rows
    of a table can be searched, fit a phone, and scroll.

    Attributes
    ----------
    rows : tuple of Row
        Rows from top to bottom.
    scale : Scale
        The axis.
    xlabel, counts : str
        Label of the axis, and heading of the second column.
    alt : str
        Text alternative.
    caption : str
        Caption below.
    name : str
        Name of its files, as in `Picture`.
    """

    rows: tuple[Row, ...]
    scale: Scale
    xlabel: str
    counts: str
    alt: str
    caption: str = ""
    name: str = ""

    def _repr_html_(self) -> str:
        scale, weighted = self.scale, any(row.weight == row.weight for row in self.rows)
        ticks = [(tick, scale.position(tick)) for tick in scale.few_ticks]
        axis = "".join(f'<span style="left:{at:g}%">{tick:g}</span>' for tick, at in ticks)
        names = {tick: "text-muted" if tick == scale.no_effect else "border" for tick, _ in ticks}
        lines = ",".join(
            f"linear-gradient(var(--pst-color-{names[tick]},#aaa) 0 0) {at:g}% 0/1px 100% no-repeat"
            for tick, at in ticks
        )
        titles = [
            "",
            for_html(self.counts),
            f'{for_html(self.xlabel)}<div class="axis">{axis}</div>',
            scale.heading,
        ]
        heads = "".join(f'<th scope="col">{head}</th>' for head in [*titles, *["Weight"] * weighted])
        missing = [row for row in self.rows if row.kind == "missing"]
        tables = self._table([row for row in self.rows if row.kind != "missing"], lines, heads, weighted)
        if missing:
            folded = self._table(missing, lines, heads, weighted)
            tables += f"<details><summary>{for_html(fold_name(missing))}</summary>{folded}</details>"
        caption = f"<figcaption>{with_keys(self.caption)}</figcaption>" if self.caption else ""
        head = f'<figure class="review-figure full-width" data-figure="{mark_of(self._csv)}">'
        return f"{_STYLE}{head}{tables}{caption}</figure>"

    @property
    def _csv(self) -> str:
        """Its data as the text of a CSV file."""
        return as_csv(table_of(self.rows, self.counts, self.scale))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        csv = self._csv
        files = {"mark": mark_of(csv), "name": self.name, "csv": csv}
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}, {FILES: [files]}

    def __repr__(self) -> str:
        return self.alt

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all rows as one picture, or as a table, to a file, as `Picture.save` does."""
        # Imported here, because the module `intervals` imports this one.
        from lib.report.figures.intervals import interval_plot

        axis = {"xlabel": self.xlabel, "counts": self.counts, "alt": self.alt}
        drawing = interval_plot(self.rows, wide=True, most=math.inf, scale=self.scale, **axis)
        assert isinstance(drawing, Drawing)
        save_drawing(path, drawing)

    def _table(self, rows: Sequence[Row], lines: str, heads: str, weighted: bool) -> str:
        body = "".join(self._row(row, weighted) for row in rows)
        return (
            f'<div class="review-scroll" role="region" tabindex="0" aria-label="{for_html(self.alt)}">'
            f'<table class="review-rows" style="--lines:{lines}"><thead><tr>{heads}</tr></thead>\n'
            f"<tbody>\n{body}</tbody></table></div>"
        )

    def _row(self, row: Row, weighted: bool) -> str:
        label = study_link(row.label, row.study)._repr_html_() if row.study else for_html(row.label)
        if row.kind == "heading":
            # The heading does not span the weights, for which a phone has no space.
            return f'<tr class="heading"><th colspan="4" scope="colgroup">{label}</th></tr>\n'
        estimate = self.scale.text(row.estimate, row.low, row.high, 1) if row.estimate == row.estimate else row.remark
        estimate = with_keys(Stated(estimate, row.key) if row.key else estimate)
        cells = [for_html(row.counts).replace("/", "/<wbr>"), self._mark(row), estimate]
        cells += [f"{100 * row.weight:.2f}%" if row.weight == row.weight else ""] * weighted
        kind = f' class="{row.kind}"' if row.kind == "missing" or (row.kind != "study" and row.bold) else ""
        return f'<tr{kind}><th scope="row">{label}</th>{"".join(f"<td>{text}</td>" for text in cells)}</tr>\n'

    def _mark(self, row: Row) -> str:
        """Return a row's mark and interval as SVG, in percent of the axis horizontally and in pixels vertically."""
        x, low, high = (self.scale.position(self.scale.place(value)) for value in (row.estimate, row.low, row.high))
        line = f'<line x1="{low:g}%" x2="{high:g}%" y1="6" y2="6"' if low == low else ""
        if row.kind == "missing":
            colour, mark = POSSIBLE, line and f'{line} stroke-dasharray="1.5 2"/>'
        elif row.kind == "study":
            side = 6.0 if row.weight != row.weight else 4.0 + 5.3 * math.sqrt(row.weight)
            ends = f'y1="{6 - side / 2:.3g}" y2="{6 + side / 2:.3g}" stroke-width="{side:.3g}"'
            colour, mark = row.colour, f'{line and line + "/>"}<line x1="{x:g}%" x2="{x:g}%" {ends}/>'
        else:
            low, high = (low, high) if low == low else (x, x)
            middle = f"{100 * (x - low) / (high - low):.0f}" if high > low else "50"
            colour, fill = row.colour, row.colour if row.kind == "pooled" else "none"
            mark = (
                f'<svg x="{low:g}%" width="{max(high - low, 0.1):.1f}%" height="12" viewBox="0 0 100 12"'
                f' preserveAspectRatio="none"><path d="M0 6L{middle} 1 100 6 {middle} 11z" fill="{fill}"'
                ' vector-effect="non-scaling-stroke"/></svg>'
            )
        if not mark or (row.kind != "missing" and x != x):
            return ""
        colour = "currentColor" if colour == INK else colour
        mark = mark.replace(f'fill="{INK}"', 'fill="currentColor"')
        return f'<svg width="100%" height="12" stroke="{colour}" stroke-width="1.4">{mark}</svg>'
