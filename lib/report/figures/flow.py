"""The flow diagram of records, after PRISMA 2020.

Belongs here: boxes and arrows. Does not belong here: the numbers in them (`lib.report.tables.flow_steps`).
"""

from __future__ import annotations

import math
import re
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from lib.report.figures.style import GREY, INK, NARROW, REPORTED, WIDE


def flow_diagram(columns: dict[str, list[tuple[str, str]]], *, wide: bool) -> Figure:
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
    Figure
    """
    chars_main, chars_aside = (27, 36) if wide else (23, 32)
    line, pad, gap, head = 0.15, 0.14, 0.16, 0.34

    def tall(text: str, chars: int) -> float:
        return (_fill(text, chars).count("\n") + 1) * line + pad if text else 0.0

    def height_of(steps: list[tuple[str, str]]) -> float:
        # The last bit of sum() differs between versions of Python; that of fsum() does not.
        return head + math.fsum(
            tall(m, chars_main) + gap + (tall(a, chars_aside) + gap if a else gap) for m, a in steps
        )

    heights = [height_of(steps) for steps in columns.values()]
    width = WIDE if wide else NARROW
    height = max(heights) if wide else math.fsum(heights) + 0.2 * (len(columns) - 1)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    span = width / (len(columns) if wide else 1)
    top = height
    for i, (heading, steps) in enumerate(columns.items()):
        x = i * span if wide else 0.0
        y = height if wide else top
        axes.text(x + 0.02, y - head / 2, heading, weight="bold", va="center")
        y -= head
        main_width, indent = span * 0.5, span * 0.3
        for j, (main, aside) in enumerate(steps):
            tall_main = tall(main, chars_main)
            _box(axes, x + 0.02, y - tall_main, main_width, tall_main, _fill(main, chars_main), REPORTED)
            y -= tall_main
            if j == len(steps) - 1:
                y -= gap
                continue
            drop = tall(aside, chars_aside) + 2 * gap if aside else 2 * gap
            trunk = x + 0.02 + indent / 2
            axes.annotate(
                "", (trunk, y - drop), (trunk, y), arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.8}
            )
            if aside:
                middle = y - gap - tall(aside, chars_aside) / 2
                start = x + 0.02 + indent
                axes.annotate(
                    "",
                    (start, middle),
                    (trunk, middle),
                    arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.8, "shrinkA": 0},
                )
                tall_aside = tall(aside, chars_aside)
                _box(
                    axes, start, y - gap - tall_aside, span - indent - 0.1, tall_aside, _fill(aside, chars_aside), GREY
                )
            y -= drop
        top = y - 0.2
    figure.set_label(
        "Flow diagram. "
        + " ".join(
            f"{heading}: " + "; ".join(t for step in steps for t in step if t) + "."
            for heading, steps in columns.items()
        ).replace("\n", ", ")
    )
    return figure


def _fill(text: str, chars: int) -> str:
    """Wrap a text to a number of characters, and indent the continued lines of a paragraph."""
    # A count stays on the line of the words that it belongs to.
    text = text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
    text = re.sub(r" (\(\d+\))", "\N{NO-BREAK SPACE}\\1", text)
    return "\n".join(
        textwrap.fill(part, chars, subsequent_indent="\N{NO-BREAK SPACE}" * 3) for part in text.split("\n")
    )


def _box(axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x, y),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.04",
            facecolor="none",
            edgecolor=colour,
            linewidth=1.0,
        )
    )
    axes.text(x + 0.07, y + height / 2, text, va="center", ha="left", fontsize=7.5, linespacing=1.25)
