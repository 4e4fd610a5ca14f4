"""The look of the figures: colours, sizes and matplotlib settings.

Belongs here: constants that several figures share. Does not belong here: anything that draws.
"""

from __future__ import annotations

from typing import Any

# Okabe and Ito's palette, which readers with any common colour blindness can tell apart.
INK, GREY, FAINT = "#1a1a1a", "#5c5c5c", "#cfcfcf"

REPORTED, PUBLISHED, NEW, POSSIBLE = "#0072b2", "#d55e00", "#008f68", "#a3458b"

WIDE, NARROW = 7.4, 3.4
"""Widths in inches: the text column of the page, and a phone of 360 CSS pixels less its margins."""

MANY = 150
"""Rows above which an interval plot is a `Listing`, and a forest plot begins with its results."""

NAMED = 40
"""Studies above which a plot of points names none: there is no room, and the search for it takes long."""

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 8.0,
    "svg.fonttype": "none",
    # Dollar signs in the data do not start mathematical text.
    "text.parse_math": False,
    # Element ids are hashes of this and the content: the same figure is the same bytes in every build.
    "svg.hashsalt": "living-review",
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.labelcolor": INK,
}

BIAS_SIGNS = {
    "low": "+",
    "some_concerns": "−",
    "moderate": "−",
    "high": "×",
    "serious": "×",
    "critical": "!",
    "no_information": "?",
}
"""Judgement of bias -> sign beside its word, so that neither colour nor the word alone carries the meaning."""
