"""The flow diagram of records, after PRISMA 2020: HTML with boxes whose numbers lead to their rows, and a drawing.

Belongs here: boxes and arrows. Does not belong here: the numbers in them (`lib.report.tables.flow_steps`), and which
rows are in which box (`lib.records.flow`).

The diagram on a page is HTML and not a picture, so that its text can be selected, searched and enlarged, and a box can
be a link. The drawing is for the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lib.report.figures.drawing import Drawing
from lib.report.figures.letters import wrapped
from lib.report.figures.picture import files_of, mark_of_drawing
from lib.report.figures.saving import FILES
from lib.report.figures.style import GREY, INK, REPORTED
from lib.report.text_safety import template

_STYLE = """\
<style>
.review-flow{display:grid;grid-auto-flow:column;grid-auto-columns:minmax(12rem,1fr);gap:0 .9rem;overflow-x:auto;\
font-size:.85em;line-height:1.35;padding-bottom:.5rem}
.review-flow section{display:grid;grid-row:1/span 6;grid-template-rows:subgrid;align-content:start}
.review-flow h2{margin:0 0 .6rem;padding:0;border:0;font-size:1.05em;font-weight:bold;line-height:1.35;align-self:end}
.review-flow ol{display:grid;grid-row:2/span 5;grid-template-rows:subgrid;list-style:none;margin:0;padding:0}
.review-flow ol>li{position:relative;margin:0;padding:0 0 1.4rem}
.review-flow ol>li:not(:last-child)::before{content:"";position:absolute;left:.9rem;top:0;bottom:.25rem;\
border-left:1.5px solid currentColor}
.review-flow ol>li:not(:last-child)::after{content:"";position:absolute;left:calc(.9rem - 3.5px);bottom:0;\
border:4.25px solid transparent;border-top:7px solid currentColor;border-bottom:0}
.review-flow .box{position:relative;border:1.5px solid #1f6fb2;border-radius:5px;padding:.35rem .55rem;\
background:var(--pst-color-background,#fff)}
.review-flow .aside{margin:.55rem 0 0 2rem;border-color:#8a8a8a}
.review-flow .aside::before{content:"";position:absolute;left:calc(-1.1rem - 1.5px);top:50%;width:1.1rem;\
border-top:1.5px solid currentColor}
.review-flow ul{margin:.15rem 0 0;padding-left:1rem}
.review-flow ul li{margin:0}
.review-flow a{display:inline-block;min-height:24px;vertical-align:top}
@media (max-width:700px){.review-flow{display:block}.review-flow section{display:block;margin-bottom:1.5rem}\
.review-flow ol{display:block}}
</style>"""


@dataclass(frozen=True)
class FlowBox:
    """A box of the diagram, or a line in one.

    Attributes
    ----------
    text : str
        What is counted.
    n : int or None
        The number; None if it was not reported.
    href : str
        Address of the rows; empty if there are none.
    lines : tuple of FlowBox
        Lines below, such as the reasons for exclusion.
    key : str
        Name of what is counted in the file of the data.
    """

    text: str
    n: int | None
    href: str = ""
    lines: tuple[FlowBox, ...] = ()
    key: str = ""

    @property
    def words(self) -> str:
        """The text with its number, which stays on the line of the last word."""
        if self.n is None:
            return f"{self.text} (number not reported)"
        space = "\N{NO-BREAK SPACE}"
        return f"{self.text} (n{space}={space}{self.n})"


@dataclass(frozen=True)
class FlowStep:
    """A step of the flow: the box on the main path, and those beside the arrow that leads on from it."""

    box: FlowBox
    aside: tuple[FlowBox, ...] = ()


@dataclass(frozen=True)
class FlowDiagram:
    """A flow diagram after PRISMA 2020, with one column for each edition, as a page shows it.

    Attributes
    ----------
    columns : mapping of str to sequence of FlowStep
        Steps from top to bottom, by heading; all columns have the same number of steps.
    caption : str
        Caption below.
    """

    columns: Mapping[str, Sequence[FlowStep]]
    caption: str = ""

    def _repr_html_(self) -> str:
        mark = mark_of_drawing(self.drawing())
        page = _DIAGRAM.render(columns=self.columns.items(), caption=self.caption, mark=mark)
        return _STYLE + page.replace(">\n<", "><")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        files = files_of(self.drawing(), "flow-of-records")
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}, {FILES: [files]}

    def __repr__(self) -> str:
        lines = []
        for heading, steps in self.columns.items():
            lines.append(heading)
            for step in steps:
                lines.append(f"  {step.box.words}")
                for box in (*step.box.lines, *(part for aside in step.aside for part in (aside, *aside.lines))):
                    lines.append(f"    {box.words}")
        return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")

    def drawing(self) -> Drawing:
        """Return the diagram as a drawing for a file, with three columns beside each other, and its data."""
        drawing = Drawing(wide=True)
        columns = list(self.columns.items())
        for first in range(0, len(columns), _BESIDE):
            _draw_columns(drawing, columns[first : first + _BESIDE])
        drawing.alt = " ".join(
            [
                "Flow of records.",
                *(f"{heading}: {'; '.join(box.words for _, box in _boxes(steps))}." for heading, steps in columns),
            ]
        )
        drawing.data = pd.DataFrame(
            [
                (heading, box.key, box.text, within.key if within else "", box.n)
                for heading, steps in columns
                for within, box in _boxes(steps)
            ],
            columns=["edition", "key", "box", "within", "n"],
        )
        return drawing


def _boxes(steps: Sequence[FlowStep]) -> Iterator[tuple[FlowBox | None, FlowBox]]:
    """Yield every box and line of a column, from top to bottom, each line with the box that it is in."""
    for step in steps:
        for box in (step.box, *step.aside):
            yield None, box
            for line in box.lines:
                yield box, line


_BESIDE = 3
"""Number of columns beside each other in a drawing."""
_GAP, _PADDING, _BULLET, _INDENT, _ARROW = 22.0, 8.0, 12.0, 30.0, 12.0
"""Space between columns; within a box; to the left of a line in it; to the left of a box beside the path; and to the
left of the path."""


def _draw_columns(drawing: Drawing, columns: Sequence[tuple[str, Sequence[FlowStep]]]) -> None:
    """Draw columns beside each other below what is there, with their steps at the same heights."""
    size, line = drawing.size, 1.35 * drawing.size
    width = (drawing.width - (_BESIDE - 1) * _GAP) / _BESIDE
    top = drawing.height + (2 * _GAP if drawing.height else 0)
    lefts = [number * (width + _GAP) for number in range(len(columns))]
    headings = [wrapped(heading, width, size, bold=True) for heading, _ in columns]
    tallest = max(map(len, headings))
    for left, heading in zip(lefts, headings, strict=True):
        for number, text in enumerate(heading, tallest - len(heading)):
            drawing.text(left, top + (number + 0.5) * line, text, bold=True)
    top += tallest * line + 6
    ends: list[float] = []
    for steps in zip(*(steps for _, steps in columns), strict=True):
        for left, end in zip(lefts, ends, strict=False):
            _draw_arrow(drawing, left + _ARROW, end, top)
        ends, below = [], []
        for left, step in zip(lefts, steps, strict=True):
            end = bottom = _draw_box(drawing, step.box, left, top, left + width, REPORTED)
            for box in step.aside:
                start = bottom + 9
                bottom = _draw_box(drawing, box, left + _INDENT, start, left + width, GREY)
                middle = (start + bottom) / 2
                drawing.line([(left + _ARROW, middle), (left + _INDENT, middle)], INK)
            ends.append(end)
            below.append(bottom)
        top = max(below) + 24
    drawing.height = round(top - 23, 1)


def _draw_box(drawing: Drawing, box: FlowBox, left: float, top: float, right: float, stroke: str) -> float:
    """Draw a box with its text, and return where it ends."""
    line, room = 1.35 * drawing.size, right - left - 2 * _PADDING
    rows = [("", 0.0, text) for text in wrapped(box.words, room, drawing.size)]
    for part in box.lines:
        first, *others = wrapped(part.words, room - _BULLET, drawing.size)
        rows += [("•", _BULLET, first), *(("", _BULLET, text) for text in others)]
    bottom = top + len(rows) * line + _PADDING
    drawing.box(left + 1, top, right - 1, bottom, "", stroke)
    for number, (bullet, indent, text) in enumerate(rows):
        middle = top + _PADDING / 2 + (number + 0.5) * line
        drawing.text(left + _PADDING, middle, bullet)
        drawing.text(left + _PADDING + indent, middle, text)
    return bottom


def _draw_arrow(drawing: Drawing, x: float, top: float, bottom: float) -> None:
    drawing.line([(x, top), (x, bottom - 5)], INK)
    drawing.area([(x - 4, bottom - 7), (x + 4, bottom - 7), (x, bottom)], INK)


_DIAGRAM = template(
    """\
{% macro words(box) %}
{% if box.href %}<a href="{{ box.href }}">{{ box.words }}</a>{% else %}{{ box.words }}{% endif %}
{% endmacro %}
{% macro content(box) %}
{{ words(box) }}{% if box.lines %}<ul>{% for line in box.lines %}<li>{{ words(line) }}</li>{% endfor %}</ul>{% endif %}
{% endmacro %}
<figure class="review-figure review-diagram full-width" data-figure="{{ mark }}">
<div class="review-flow" role="region" aria-label="Flow of records" tabindex="0">
{% for heading, steps in columns %}
<section><h2>{{ heading }}</h2>
<ol>
{% for step in steps %}
<li><div class="box">{{ content(step.box) }}</div>
{% for box in step.aside %}
<div class="box aside">{{ content(box) }}</div>
{% endfor %}
</li>
{% endfor %}
</ol></section>
{% endfor %}
</div>
{% if caption %}
<figcaption>{{ caption }}</figcaption>
{% endif %}
</figure>
"""
)


def flow_diagram(columns: Mapping[str, Sequence[FlowStep]], caption: str = "") -> FlowDiagram:
    """Return a flow diagram after PRISMA 2020: the main path downwards, exclusions beside it.

    Parameters
    ----------
    columns : mapping of str to sequence of FlowStep
        Steps from top to bottom, by heading, as `lib.report.tables.flow_steps` returns them.
    caption : str
        Caption below.

    Examples
    --------
    >>> from lib.report.figures import FlowBox, FlowStep
    >>> flow_diagram({"Update": [FlowStep(FlowBox("Records", 3), (FlowBox("Excluded", 1),))]})
    Update
      Records (n = 3)
        Excluded (n = 1)
    """
    return FlowDiagram(columns, caption)
