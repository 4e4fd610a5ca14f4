"""The flow diagram of records, after PRISMA 2020, as HTML: boxes whose numbers lead to their rows.

Belongs here: boxes and arrows. Does not belong here: the numbers in them (`lib.report.tables.flow_steps`), and which
rows are in which box (`lib.records.flow`).

The diagram is HTML and not a picture, so that its text can be selected, searched and enlarged, and a box can be a link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    """

    text: str
    n: int | None
    href: str = ""
    lines: tuple[FlowBox, ...] = ()

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
        return _STYLE + _DIAGRAM.render(columns=self.columns.items(), caption=self.caption).replace(">\n<", "><")

    def __repr__(self) -> str:
        lines = []
        for heading, steps in self.columns.items():
            lines.append(heading)
            for step in steps:
                lines.append(f"  {step.box.words}")
                for box in (*step.box.lines, *(part for aside in step.aside for part in (aside, *aside.lines))):
                    lines.append(f"    {box.words}")
        return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


_DIAGRAM = template(
    """\
{% macro words(box) %}
{% if box.href %}<a href="{{ box.href }}">{{ box.words }}</a>{% else %}{{ box.words }}{% endif %}
{% endmacro %}
{% macro content(box) %}
{{ words(box) }}{% if box.lines %}<ul>{% for line in box.lines %}<li>{{ words(line) }}</li>{% endfor %}</ul>{% endif %}
{% endmacro %}
<figure class="review-diagram"><div class="review-flow" role="region" aria-label="Flow of records" tabindex="0">
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

    Returns
    -------
    FlowDiagram

    Examples
    --------
    >>> from lib.report.figures import FlowBox, FlowStep
    >>> flow_diagram({"Update": [FlowStep(FlowBox("Records", 3), (FlowBox("Excluded", 1),))]})
    Update
      Records (n = 3)
        Excluded (n = 1)
    """
    return FlowDiagram(columns, caption)
