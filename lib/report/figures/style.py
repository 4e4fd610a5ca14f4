"""The style of the figures: colours, sizes and matplotlib settings.

Belongs here: constants that several figures share. Does not belong here: anything that draws.
"""

from __future__ import annotations

from typing import Any

# Okabe and Ito's palette, whose colours readers with any common colour blindness can distinguish.
INK, GREY, FAINT = "#1a1a1a", "#5c5c5c", "#cfcfcf"

REPORTED, PUBLISHED, NEW, POSSIBLE = "#0072b2", "#d55e00", "#008f68", "#a3458b"

WIDE, NARROW = 7.4, 3.4
"""Widths in inches: the text column of the page, and a phone of 360 CSS pixels less its margins."""

MANY = 150
"""Largest number of rows of a picture: with more, an interval plot is a `Listing`, and results precede the studies."""

NAMED = 40
"""Largest number of studies that a plot of points names: for more there is no space, and finding it would take long."""

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 8.0,
    "svg.fonttype": "none",
    # Dollar signs in the data must not start mathematical text.
    "text.parse_math": False,
    # Element ids are hashes of this salt and the content, so that equal figures give equal bytes in every build.
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
"""Sign beside the word of each judgement of bias, so that the meaning does not depend on colour alone."""
