"""Interval plots: rows with their estimates and intervals on a common axis.

Belongs here: how a row is drawn. Reported, published, new and unavailable results differ in marker as well as in
colour, so that no difference depends on seeing colours. Does not belong here: which rows a figure has (`forest`), or
reading files and pooling.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from lib.report.figures.listing import Listing
from lib.report.figures.rows import RATE, Row, Scale
from lib.report.figures.style import FAINT, GREY, INK, MANY, NARROW, POSSIBLE, WIDE
from lib.report.wording import span


class IntervalFigure(Figure):
    """A figure that knows which registered results its rows show.

    Attributes
    ----------
    keys : tuple of str
        Their keys, in the order of the rows.
    """

    keys: tuple[str, ...] = ()


def interval_plot(
    rows: Sequence[Row],
    *,
    wide: bool,
    scale: Scale = RATE,
    xlabel: str = "",
    counts: str = "",
    alt: str = "",
    most: float = MANY,
) -> Figure | Listing:
    """Draw rows with their estimates and intervals on a common axis.

    Parameters
    ----------
    rows : sequence of Row
        Rows from top to bottom.
    wide : bool
        Form.
    scale : Scale
        The axis.
    xlabel, counts : str
        Label of the axis (by default that of the scale), and heading of the second column.
    alt : str
        Text alternative; that of a Figure also gets the estimates of all rows.
    most : float
        Largest number of rows of a Figure.

    Returns
    -------
    Figure or Listing
        A Listing if there are more rows than that; it is the same for all widths.
    """
    if len(rows) > most:
        return Listing(tuple(rows), scale, xlabel or scale.label, counts, f"{alt} A table of {len(rows)} rows.".strip())
    line, margin = 0.19, 0.62
    width = WIDE if wide else NARROW
    height = line * (len(rows) + 1) + margin
    figure = IntervalFigure(figsize=(width, height))
    figure.keys = tuple(row.key for row in rows if row.key)
    # A ratio with its interval needs more space than a rate.
    left, right = (0.44, 0.725) if wide else (0.51, 0.68) if scale.log else (0.57, 0.74)
    axes = figure.add_axes((left, margin / height, right - left, 1 - margin / height))
    axes.set(xlim=(scale.low, scale.high), ylim=(len(rows) - 0.4, -1.4), yticks=[])
    if scale.log:
        axes.set_xscale("log")
        axes.minorticks_off()
    ticks = scale.ticks if wide else scale.few_ticks
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    label = xlabel or scale.label
    axes.set_xlabel(label if wide else textwrap.fill(label, 16), labelpad=2)
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.tick_params(length=3, pad=2)
    for x in axes.get_xticks():
        colour, width = (GREY, 0.9) if x == scale.no_effect else (FAINT, 0.6)
        axes.axvline(x, ymax=1 - 0.9 / (len(rows) + 1), color=colour, linewidth=width, zorder=0)

    across = mpl.transforms.blended_transform_factory(figure.transFigure, axes.transData)
    style: dict[str, Any] = {"transform": across, "va": "center", "clip_on": False}
    has_weights = wide and any(row.weight == row.weight for row in rows)
    at_counts = left - (0.02 if wide else 0.01)
    at_text = 0.9 if has_weights else 0.995
    axes.text(at_counts, -1, counts, ha="right", weight="bold", **style)
    heading = scale.heading if wide else scale.heading.replace("95% ", "")
    axes.text(at_text, -1, heading, ha="right", weight="bold", **style)
    if has_weights:
        axes.text(0.995, -1, "Weight", ha="right", weight="bold", **style)
    for y, row in enumerate(rows):
        _draw_row(axes, y, row, scale, style, at_counts, at_text, has_weights, digits=1 if wide else 0)
    figure.set_label(" ".join([alt, *(_alt_text(row, scale) for row in rows)]).strip())
    return figure


def _alt_text(row: Row, scale: Scale) -> str:
    """Return the part of the text alternative that describes a row."""
    if row.kind == "heading":
        return f"{row.label}:"
    if row.kind == "missing" and row.low == row.low:
        return f"{row.label}: not available, consistent with {span(np.nan, row.low, row.high, 0)};"
    if row.estimate != row.estimate:
        return ""
    return f"{row.label}: {scale.text(row.estimate, row.low, row.high, 1)};"


def _draw_row(
    axes: Axes,
    y: int,
    row: Row,
    scale: Scale,
    style: dict[str, Any],
    at_counts: float,
    at_text: float,
    has_weights: bool,
    digits: int,
) -> None:
    bold = "bold" if row.kind == "heading" or (row.kind in ("published", "pooled") and row.bold) else "normal"
    ink = GREY if row.kind == "missing" else INK
    axes.text(0.0, y, row.label, ha="left", weight=bold, color=ink, **style)
    axes.text(at_counts, y, row.counts, ha="right", color=ink, **style)
    if row.kind == "missing":
        axes.text(at_text, y, row.remark, ha="right", color=GREY, style="italic", **style)
        if row.low == row.low:
            axes.plot(
                [scale.place(row.low), scale.place(row.high)],
                [y, y],
                color=POSSIBLE,
                linewidth=1.3,
                linestyle=(0, (1, 1.4)),
            )
    if not row.estimate == row.estimate:
        return
    axes.text(at_text, y, scale.text(row.estimate, row.low, row.high, digits), ha="right", weight=bold, **style)
    if has_weights and row.weight == row.weight:
        axes.text(0.995, y, f"{100 * row.weight:.0f}%", ha="right", **style)
    x, low, high = map(scale.place, (row.estimate, row.low, row.high))
    if row.kind in ("published", "pooled"):
        if low != low:
            low = high = x
        fill = row.colour if row.kind == "pooled" else "none"
        points = [(low, y), (x, y - 0.34), (high, y), (x, y + 0.34)]
        axes.add_patch(Polygon(points, facecolor=fill, edgecolor=row.colour, linewidth=1.1, clip_on=False))
        return
    if low == low:
        axes.plot([low, high], [y, y], color=row.colour, linewidth=1.1, solid_capstyle="butt")
    size = 4.5 if row.weight != row.weight else 3.0 + 4.0 * float(np.sqrt(row.weight))
    axes.plot([x], [y], marker="s", markersize=size, color=row.colour, linestyle="none", clip_on=False)
