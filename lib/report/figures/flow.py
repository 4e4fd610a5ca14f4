"""The flow diagram of records, after PRISMA 2020.

Belongs here: boxes and arrows. Does not belong here: the numbers in them (`lib.report.tables.flow_steps`).
"""

from __future__ import annotations

import re

import pandas as pd

from lib.report.figures.drawing import Drawing
from lib.report.figures.letters import wrapped
from lib.report.figures.style import GREY, INK, REPORTED

_PAD, _GAP = 8.0, 16.0
"""Space within a box beside its text, and between boxes, in CSS pixels."""


def flow_diagram(columns: dict[str, list[tuple[str, str]]], *, wide: bool) -> Drawing:
    """Draw a flow diagram after PRISMA 2020: the main path downwards, exclusions on the right.

    Parameters
    ----------
    columns : dict of str to list of (main, aside)
        Steps from top to bottom, by heading: text of the box on the main path, and of the box beside the arrow that
        leads on from it (empty if there is none).
    wide : bool
        Form: headings side by side, or one below the other.

    Returns
    -------
    Drawing
    """
    drawing = Drawing(wide)
    between = 24.0
    span = (drawing.width - between * (len(columns) - 1)) / len(columns) if wide else drawing.width
    bottoms, left, top = [0.0], 0.0, 0.0
    for heading, steps in columns.items():
        drawing.text(left, top + drawing.size, heading, bold=True)
        bottom = _path(drawing, steps, left, top + 2.4 * drawing.size, span)
        bottoms.append(bottom)
        left, top = (left + span + between, top) if wide else (left, bottom + between)
    drawing.height = round(max(bottoms) + 1, 1)
    texts = (
        f"{heading}: " + "; ".join(t for step in steps for t in step if t) + "." for heading, steps in columns.items()
    )
    drawing.alt = "Flow diagram. " + " ".join(texts).replace("\n", ", ")
    rows = [(heading, *step) for heading, steps in columns.items() for step in steps]
    drawing.data = pd.DataFrame(rows, columns=["part", "step", "leaves"]).replace("\n", "; ", regex=True)
    return drawing


def _path(drawing: Drawing, steps: list[tuple[str, str]], left: float, top: float, span: float) -> float:
    """Draw the boxes of one heading, and return the lower end of the last one."""
    indent = 0.22 * span
    trunk = left + indent / 2
    for step, (main, aside) in enumerate(steps):
        bottom = _box(drawing, main, left + 1, top, 0.62 * span, REPORTED)
        if step == len(steps) - 1:
            return bottom
        top = bottom + _GAP
        if aside:
            below = _box(drawing, aside, left + indent, top, span - indent - 1, GREY)
            _arrow(drawing, (trunk, (top + below) / 2), (left + indent, (top + below) / 2))
            top = below + _GAP
        _arrow(drawing, (trunk, bottom), (trunk, top))
    return top


def _box(drawing: Drawing, text: str, left: float, top: float, width: float, colour: str) -> float:
    """Draw a box with its text, and return its lower end."""
    # A count stays on the line of the words that it belongs to.
    text = text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
    text = re.sub(r" (\(\d+\))", "\N{NO-BREAK SPACE}\\1", text)
    indent, line = "\N{NO-BREAK SPACE}" * 3, 1.35 * drawing.size
    lines = [each for part in text.split("\n") for each in wrapped(part, width - 2 * _PAD, drawing.size, indent=indent)]
    bottom = top + len(lines) * line + 2 * _PAD - 4
    drawing.area([(left, top), (left + width, top), (left + width, bottom), (left, bottom)], "", colour, 1.3)
    for i, each in enumerate(lines):
        drawing.text(left + _PAD, top + _PAD - 2 + (i + 0.5) * line, each)
    return bottom


def _arrow(drawing: Drawing, start: tuple[float, float], end: tuple[float, float]) -> None:
    (x, y), down = end, start[0] == end[0]
    drawing.line([start, (x, y - 6) if down else (x - 6, y)], INK)
    head = [(x - 4, y - 8), (x, y), (x + 4, y - 8)] if down else [(x - 8, y - 4), (x, y), (x - 8, y + 4)]
    drawing.area(head, INK)
