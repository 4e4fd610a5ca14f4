"""Bar charts of counts, with one panel for each variable.

Belongs here: drawing counts as bars. Does not belong here: counting.
"""

from __future__ import annotations

import math

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from lib.report.figures.style import NARROW, REPORTED, WIDE


def bar_panels(panels: dict[str, pd.Series], *, wide: bool) -> Figure:
    """Draw counts as horizontal bars, with one panel for each variable.

    Parameters
    ----------
    panels : dict of str to Series
        Counts by title of the panel; the index holds the labels, from top to bottom.
    wide : bool
        Form: panels in two columns, or one below the other.

    Returns
    -------
    Figure
    """
    line, head = 0.2, 0.5
    columns: list[list[str]] = [[], []] if wide else [[]]

    def height_of(column: list[str]) -> float:
        # The last bit of sum() differs between versions of Python; that of fsum() does not.
        return math.fsum(len(panels[title]) * line + head for title in column)

    for title in panels:
        min(columns, key=height_of).append(title)
    height = max(map(height_of, columns))
    width = WIDE if wide else NARROW
    figure = Figure(figsize=(width, height))
    share = 1 / len(columns)
    for i, column in enumerate(columns):
        top = height
        for title in column:
            counts = panels[title]
            tall = len(counts) * line
            top -= head
            label = 0.22 if wide else 0.48
            axes = figure.add_axes(((i * share) + label, (top - tall) / height, share - label - 0.05, tall / height))
            top -= tall
            axes.barh(range(len(counts)), counts, height=0.66, color=REPORTED)
            axes.set(ylim=(len(counts) - 0.4, -0.6), xlim=(0, max(panels[title].max(), 1) * 1.12), xticks=[])
            axes.set_yticks(range(len(counts)), [str(name) for name in counts.index])
            axes.tick_params(length=0)
            axes.spines[["top", "right", "bottom"]].set_visible(False)
            axes.text(
                i * share,
                1 + 0.12 / tall,
                title,
                weight="bold",
                ha="left",
                va="bottom",
                transform=mpl.transforms.blended_transform_factory(figure.transFigure, axes.transAxes),
            )
            for y, value in enumerate(counts):
                axes.annotate(f"{value}", (value, y), (3, 0), textcoords="offset points", va="center")
    texts = [f"{title}: " + ", ".join(f"{name} {n}" for name, n in counts.items()) for title, counts in panels.items()]
    figure.set_label("Bars of counts. " + "; ".join(texts) + ".")
    return figure
