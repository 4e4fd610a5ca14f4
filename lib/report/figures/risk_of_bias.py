"""The summary figure of risk of bias: numbers of trials by judgement in each domain.

Belongs here: the stacked bars of that figure. Does not belong here: counting the judgements
(`lib.report.chapters.risk_of_bias`).
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lib.report.figures.style import BIAS_SIGNS, INK, NARROW, WIDE

FILLS = {
    "low": ("#a8d5c2", ""),
    "some_concerns": ("#f0d58c", "--"),
    "moderate": ("#f0d58c", "--"),
    "high": ("#e3a07f", "//"),
    "serious": ("#e3a07f", "//"),
    "critical": ("#c46a6a", "xx"),
    "no_information": ("#e6e6e6", ""),
}
"""Fill colour and hatching by judgement: light enough for a number on top, and distinguishable without colours.

The hatching is of lines, because dots are curves, which make a picture ten times as large.
"""


def judgement_bars(counted: pd.DataFrame, words: dict[str, str], *, wide: bool) -> Figure:
    """Draw one stacked bar for each domain, divided by judgement.

    Parameters
    ----------
    counted : DataFrame
        Numbers of trials, one row for each domain and one column for each judgement, as
        `chapters.risk_of_bias.shares` returns them.
    words : dict of str to str
        Word for each judgement code, for the legend.
    wide : bool
        Form: names of the domains beside the bars (wide) or above them.

    Returns
    -------
    Figure
    """
    present = [code for code in counted.columns if counted[code].any()]
    total = counted.sum(axis=1)
    step, left = (0.32, 2.6) if wide else (0.5, 0.1)
    columns = len(present) if wide else 2
    legend = 0.35 + 0.2 * -(-len(present) // columns)
    width, height = WIDE if wide else NARROW, step * len(counted) + 0.1 + legend
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes(
        (left / width, legend / height, (width - left - 0.15) / width, (height - legend - 0.05) / height)
    )
    for y, (domain, row) in enumerate(counted.iterrows()):
        start = 0.0
        for code in [code for code in present if row[code]]:
            share = row[code] / total[domain]
            colour, hatch = FILLS[code]
            axes.barh(
                y, share, 0.56 if wide else 0.42, left=start, color=colour, hatch=hatch, edgecolor=INK, linewidth=0.5
            )
            box = {"facecolor": colour, "edgecolor": "none", "pad": 1.6}
            axes.text(start + share / 2, y, f"{row[code]}", ha="center", va="center", bbox=box)
            start += share
        weight = "bold" if y == len(counted) - 1 else "normal"
        if wide:
            axes.annotate(domain, (0, y), (-6, 0), textcoords="offset points", ha="right", va="center", weight=weight)
        else:
            axes.annotate(domain, (0, y - 0.3), ha="left", va="bottom", weight=weight)
    axes.set(xlim=(0, 1), ylim=(len(counted) - 0.5, -0.5 if wide else -0.65), yticks=[])
    axes.set_xticks([0, 0.5, 1], ["0%", "50%", "100% of trials"] if wide else ["0%", "50%", "100%"])
    if wide:
        axes.get_xticklabels()[-1].set_horizontalalignment("right")
    axes.spines[["top", "right", "left"]].set_visible(False)
    handles = [
        Patch(facecolor=FILLS[code][0], hatch=FILLS[code][1], edgecolor=INK, linewidth=0.5, label=_named(code, words))
        for code in present
    ]
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 0.0), ncols=columns, frameon=False)
    texts = [
        f"{domain}: " + ", ".join(f"{words[code]} {row[code]}" for code in present if row[code])
        for domain, row in counted.iterrows()
    ]
    figure.set_label("Stacked bars of judgements of risk of bias, in trials. " + "; ".join(texts) + ".")
    return figure


def _named(code: str, words: dict[str, str]) -> str:
    return f"{BIAS_SIGNS[code]} {words[code].capitalize()}"
