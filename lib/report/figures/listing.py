"""Interval plots of very many rows, as HTML tables that draw each row's interval.

Belongs here: the table form of an interval plot. Does not belong here: the picture form (`intervals`).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from lib.report.figures.rows import Row, Scale
from lib.report.figures.saving import save_plot
from lib.report.figures.style import POSSIBLE
from lib.report.marked_text import Stated, with_keys
from lib.report.text_safety import for_html

_STYLE = (
    "<style>"
    ".review-scroll{max-height:80vh;overflow:auto}"
    "table.review-rows.review-rows{width:100%;margin:0;border-collapse:collapse;background:#fff;color:#1a1a1a}"
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
"""Style where the book's style sheet does not apply, as in JupyterLab: alignment, and a white ground that keeps the
dark ink readable in dark themes. The style sheet has more specific rules, and removes the ground."""


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
    """

    rows: tuple[Row, ...]
    scale: Scale
    xlabel: str
    counts: str
    alt: str
    caption: str = ""

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
        rows = "".join(self._row(row, weighted) for row in self.rows)
        caption = f"<figcaption>{with_keys(self.caption)}</figcaption>" if self.caption else ""
        return (
            f'{_STYLE}<figure class="review-figure"><div class="review-scroll" role="region" tabindex="0"'
            f' aria-label="{for_html(self.alt)}"><table class="review-rows" style="--lines:{lines}">'
            f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>{caption}</figure>"
        )

    def __repr__(self) -> str:
        return self.alt

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all rows as one picture to a file, as `Picture.save` does."""
        # The module that draws a picture imports this one.
        from lib.report.figures.intervals import interval_plot

        options = {"scale": self.scale, "xlabel": self.xlabel, "counts": self.counts, "alt": self.alt}
        save_plot(path, interval_plot, self.rows, most=math.inf, **options)

    def _row(self, row: Row, weighted: bool) -> str:
        label = for_html(row.label)
        if row.kind == "heading":
            # The heading does not span the weights, for which a phone has no space.
            return f'<tr class="heading"><th colspan="4" scope="colgroup">{label}</th></tr>\n'
        estimate = self.scale.text(row.estimate, row.low, row.high, 1) if row.estimate == row.estimate else row.remark
        shown = with_keys(Stated(estimate, row.key) if row.key else estimate)
        cells = [for_html(row.counts).replace("/", "/<wbr>"), self._mark(row), shown]
        cells += [f"{100 * row.weight:.2f}%" if row.weight == row.weight else ""] * weighted
        kind = f' class="{row.kind}"' if row.kind == "missing" or (row.kind != "study" and row.bold) else ""
        return f'<tr{kind}><th scope="row">{label}</th>{"".join(f"<td>{text}</td>" for text in cells)}</tr>\n'

    def _mark(self, row: Row) -> str:
        """Return a row's mark and interval as SVG, in percent of the axis horizontally and in pixels vertically."""
        x, low, high = (self.scale.position(self.scale.place(value)) for value in (row.estimate, row.low, row.high))
        line = f'<line x1="{low:g}%" x2="{high:g}%" y1="6" y2="6"' if low == low else ""
        if row.kind == "missing":
            colour, drawn = POSSIBLE, line and f'{line} stroke-dasharray="1.5 2"/>'
        elif row.kind == "study":
            side = 6.0 if row.weight != row.weight else 4.0 + 5.3 * math.sqrt(row.weight)
            ends = f'y1="{6 - side / 2:.3g}" y2="{6 + side / 2:.3g}" stroke-width="{side:.3g}"'
            colour, drawn = row.colour, f'{line and line + "/>"}<line x1="{x:g}%" x2="{x:g}%" {ends}/>'
        else:
            low, high = (low, high) if low == low else (x, x)
            middle = f"{100 * (x - low) / (high - low):.0f}" if high > low else "50"
            colour, fill = row.colour, row.colour if row.kind == "pooled" else "none"
            drawn = (
                f'<svg x="{low:g}%" width="{max(high - low, 0.1):.1f}%" height="12" viewBox="0 0 100 12"'
                f' preserveAspectRatio="none"><path d="M0 6L{middle} 1 100 6 {middle} 11z" fill="{fill}"'
                ' vector-effect="non-scaling-stroke"/></svg>'
            )
        if not drawn or (row.kind != "missing" and x != x):
            return ""
        return f'<svg width="100%" height="12" stroke="{colour}" stroke-width="1.4">{drawn}</svg>'
