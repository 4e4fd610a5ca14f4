"""Pictures for a page: a figure in a wide and a narrow form, as SVG with its text alternative and caption.

Belongs here: converting the result of a plotting function to HTML. Does not belong here: the plots themselves.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from lib.report.figures.listing import Listing
from lib.report.figures.style import STYLE
from lib.report.text_safety import for_html, whole_characters


@dataclass(frozen=True)
class Picture:
    """A figure in both forms with its text alternative and caption, as a page shows it."""

    wide: str
    narrow: str
    alt: str
    caption: str

    def _repr_html_(self) -> str:
        wide, narrow = (
            "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode() for svg in (self.wide, self.narrow)
        )
        caption = f"<figcaption>{for_html(self.caption)}</figcaption>" if self.caption else ""
        # The class dark-light disables the theme's dark filter: our style sheet has one that preserves hues.
        return (
            f'<figure class="review-figure"><picture><source media="(max-width: 600px)" srcset="{narrow}">'
            f'<img class="dark-light" src="{wide}" alt="{for_html(self.alt)}"></picture>{caption}</figure>'
        )

    def __repr__(self) -> str:
        return self.alt


def show(plot: Callable[..., Figure | Listing], *args: Any, caption: str = "", **kwargs: Any) -> Picture | Listing:
    """Plot a figure in its wide and its narrow form, for a page to choose from.

    Parameters
    ----------
    plot : callable
        A plotting function of this package; it takes ``wide`` and returns a Figure whose label
        (``figure.get_label()``) is its text alternative, or a Listing.
    *args, **kwargs
        Arguments of the function.
    caption : str
        Caption below the figure.

    Returns
    -------
    Picture or Listing
        Shown by a notebook and the book; the same input gives the same bytes.
    """
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # The text stays text in the SVG, so the reader's font draws letters that the font here lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        wide = plot(*args, wide=True, **kwargs)
        if isinstance(wide, Listing):
            return replace(wide, caption=caption)
        narrow = plot(*args, wide=False, **kwargs)
        assert isinstance(narrow, Figure)
        return Picture(_svg(wide), _svg(narrow), str(wide.get_label()), caption)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = whole_characters(buffer.getvalue())
    return text[text.index("<svg") :]
