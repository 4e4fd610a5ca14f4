"""Bar charts of counts, with one panel for each variable.

Belongs here: drawing counts as bars. Does not belong here: counting.
"""

from __future__ import annotations

import math

import pandas as pd

from lib.report.figures.drawing import Drawing
from lib.report.figures.letters import width_of
from lib.report.figures.style import REPORTED


def bar_panels(panels: dict[str, pd.Series], *, wide: bool) -> Drawing:
    """Draw counts as horizontal bars, with one panel for each variable.

    Parameters
    ----------
    panels : dict of str to Series
        Counts by title of the panel; the index holds the labels, from top to bottom.
    wide : bool
        Form: panels in two columns, or one below the other.
    """
    drawing = Drawing(wide)
    size, line = drawing.size, 1.6 * drawing.size
    title_height = 2.2 * line
    columns: list[list[str]] = [[], []] if wide else [[]]

    def height_of(column: list[str]) -> float:
        # Use fsum(), because the last bit of sum() differs between versions of Python.
        return math.fsum(len(panels[title]) * line + title_height for title in column)

    for title in panels:
        min(columns, key=height_of).append(title)
    drawing.height = round(max(map(height_of, columns)), 1)
    column_width = drawing.width / len(columns) - (20 if wide else 0)
    for i, column in enumerate(columns):
        left = i * (column_width + 40) if wide else 0.0
        labels = [str(name) for title in column for name in panels[title].index]
        axis = left + max([0.0, *(width_of(label, size) for label in labels)]) + 10
        top = 0.0
        for title in column:
            counts = panels[title]
            drawing.text(left, top + title_height - 0.8 * line, title, bold=True)
            top += title_height
            # Leave space for the number beside the longest bar.
            unit = (left + column_width - axis - 40) / max(counts.max(), 1)
            for name, value in counts.items():
                middle = top + line / 2
                drawing.text(axis - 8, middle, str(name), "end")
                drawing.box(axis, middle - 0.36 * line, axis + unit * value, middle + 0.36 * line, REPORTED)
                drawing.text(axis + unit * value + 6, middle, f"{value}")
                top += line
            drawing.line([(axis, top - len(counts) * line), (axis, top)], REPORTED)
    texts = [f"{title}: " + ", ".join(f"{name} {n}" for name, n in counts.items()) for title, counts in panels.items()]
    drawing.alt = "Bars of counts. " + "; ".join(texts) + "."
    rows = [(title, str(name), n) for title, counts in panels.items() for name, n in counts.items()]
    drawing.data = pd.DataFrame(rows, columns=["variable", "value", "studies"])
    return drawing
