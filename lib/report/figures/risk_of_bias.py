"""The summary figure of risk of bias: numbers of trials by judgement in each domain.

Belongs here: the stacked bars of that figure. Does not belong here: counting the judgements
(`lib.report.chapters.risk_of_bias`).
"""

from __future__ import annotations

import pandas as pd

from lib.report.figures.drawing import Drawing, Point
from lib.report.figures.letters import width_of, wrapped
from lib.report.figures.style import BIAS_SIGNS, INK, ON_LIGHT

FILLS = {
    "low": ("#a8d5c2", ""),
    "some_concerns": ("#f0d58c", "-"),
    "moderate": ("#f0d58c", "-"),
    "high": ("#e3a07f", "/"),
    "serious": ("#e3a07f", "/"),
    "critical": ("#c46a6a", "x"),
    "no_information": ("#e6e6e6", ""),
}
"""Fill colour and hatching by judgement: light enough for a number on top, and distinguishable without colours."""

_STEP = 8.0
"""Distance of the lines of a hatching, in CSS pixels."""


def judgement_bars(numbers: pd.DataFrame, words: dict[str, str], *, wide: bool) -> Drawing:
    """Draw one stacked bar for each domain, divided by judgement.

    Parameters
    ----------
    numbers : DataFrame
        Numbers of trials, one row for each domain and one column for each judgement, as
        `chapters.risk_of_bias.shares` returns them.
    words : dict of str to str
        Word for each judgement code, for the legend.
    wide : bool
        Form: names of the domains beside the bars (wide) or above them.
    """
    drawing = Drawing(wide)
    size, line = drawing.size, 1.4 * drawing.size
    present = [code for code in numbers.columns if numbers[code].any()]
    total = numbers.sum(axis=1)
    names = [str(domain) for domain in numbers.index]
    left = min(max(width_of(name, size, True) for name in names) + 14, 380.0) if wide else 1.0
    right, top, bar = drawing.width - (16.0 if wide else 1.0), 1.0, 1.8 * size
    for position, (name, (domain, row)) in enumerate(zip(names, numbers.iterrows(), strict=True)):
        bold = position == len(numbers) - 1
        lines = wrapped(name, (left - 14) if wide else drawing.width, size, bold=bold)
        if not wide:
            for text in lines:
                drawing.text(0, top + line / 2, text, bold=bold)
                top += line
        height = max(bar, len(lines) * line) if wide else bar
        for i, text in enumerate(lines if wide else ()):
            drawing.text(left - 10, top + height / 2 + (i - (len(lines) - 1) / 2) * line, text, "end", bold=bold)
        middle, start = top + height / 2, left
        for code in [code for code in present if row[code]]:
            end = start + (right - left) * row[code] / total[domain]
            _filled(drawing, start, middle - bar / 2, end, middle + bar / 2, code)
            number = f"{row[code]}"
            half = width_of(number, size) / 2 + 3
            if FILLS[code][1]:
                drawing.box((start + end) / 2 - half, middle - 9, (start + end) / 2 + half, middle + 9, FILLS[code][0])
            drawing.text((start + end) / 2, middle, number, "middle", colour=ON_LIGHT)
            start = end
        top += height + (8 if wide else 10)
    drawing.line([(left, top), (right, top)], INK)
    for share, text in ((0, "0%"), (0.5, "50%"), (1, "100% of trials" if wide else "100%")):
        x = left + share * (right - left)
        drawing.line([(x, top), (x, top + 4)], INK)
        anchor = ("start" if not wide else "middle") if share == 0 else "middle" if share < 1 else "end"
        drawing.text(x, top + 6 + 0.6 * size, text, anchor)
    top += 6 + 2.2 * size
    x = 0.0
    for code in present:
        text = _sign_and_word(code, words)
        width = 30 + width_of(text, size) + 24
        if x and x + width - 24 > drawing.width:
            x, top = 0.0, top + 1.5 * line
        _filled(drawing, x + 1, top, x + 23, top + size, code)
        drawing.text(x + 30, top + size / 2, text)
        x += width
    drawing.height = round(top + 1.3 * line, 1)
    texts = [
        f"{domain}: " + ", ".join(f"{words[code]} {row[code]}" for code in present if row[code])
        for domain, row in numbers.iterrows()
    ]
    drawing.alt = "Stacked bars of judgements of risk of bias, in trials. " + "; ".join(texts) + "."
    rows = [(str(domain), words[code], row[code]) for domain, row in numbers.iterrows() for code in numbers.columns]
    drawing.data = pd.DataFrame(rows, columns=["domain", "judgement", "trials"])
    return drawing


def _filled(drawing: Drawing, left: float, top: float, right: float, bottom: float, code: str) -> None:
    """Draw a rectangle with the fill and the hatching of a judgement."""
    colour, hatch = FILLS[code]
    drawing.box(left, top, right, bottom, colour)
    drawing.lines(_hatching(left, top, right, bottom, hatch), ON_LIGHT, 0.7)
    drawing.area([(left, top), (right, top), (right, bottom), (left, bottom)], "", ON_LIGHT, 0.8)


def _hatching(left: float, top: float, right: float, bottom: float, kind: str) -> list[list[Point]]:
    """Return the lines of a hatching within a rectangle: horizontal, rising, or rising and falling."""
    if kind == "-":
        heights = [top + _STEP * n for n in range(1, 100) if top + _STEP * n < bottom]
        return [[(left, y), (right, y)] for y in heights]
    rising: list[list[Point]] = []
    # A rising line has x + y constant.
    total = left + top + _STEP
    while kind and total < right + bottom:
        x0, x1 = max(left, total - bottom), min(right, total - top)
        rising.append([(x0, total - x0), (x1, total - x1)])
        total += 1.4 * _STEP
    if kind != "x":
        return rising
    return rising + [[(left + right - x, y) for x, y in line] for line in rising]


def _sign_and_word(code: str, words: dict[str, str]) -> str:
    return f"{BIAS_SIGNS[code]} {words[code].capitalize()}"
