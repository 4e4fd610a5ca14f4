"""The style of the figures: colours, sizes and signs.

Belongs here: constants that several figures share. Does not belong here: anything that draws.
"""

from __future__ import annotations

INK, GREY, FAINT = "#1a1a1a", "#5c5c5c", "#cfcfcf"
"""Colours of text and lines. On a page they follow the colour of the text, so that they suit a dark theme."""

# Okabe and Ito's palette, whose colours readers with any common colour blindness can distinguish. Each has a contrast
# of at least 3 with a white and with a nearly black ground.
REPORTED, PUBLISHED, NEW, POSSIBLE = "#0072b2", "#d55e00", "#008f68", "#a3458b"

ON_LIGHT = "#1b1b1b"
"""Colour of text and lines on a light fill, which is also light in a dark theme."""

WIDE, NARROW = 880.0, 328.0
"""Widths in CSS pixels: article and margin of a page, and a phone of 360 pixels less its margins."""

WIDE_TEXT, NARROW_TEXT = 14.0, 12.5
"""Sizes of the text in CSS pixels, where a form has its own width."""

SWITCH = 760
"""Width of the space for a figure, in CSS pixels, from which the wide form is shown: its text is then large enough."""

MANY = 150
"""Largest number of rows of a picture: with more, an interval plot is a `Listing`, and results precede the studies."""

NAMED = 40
"""Largest number of studies that a plot of points names; there is no space for more."""

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
