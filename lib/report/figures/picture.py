"""Pictures for a page: a figure in a wide and a narrow form, as SVG with its text alternative and caption.

Belongs here: converting the result of a plotting function to HTML. Does not belong here: the plots themselves, and
writing them to files (`saving`).
"""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from lib.report.figures.intervals import IntervalFigure
from lib.report.figures.listing import Listing
from lib.report.figures.saving import save_plot
from lib.report.figures.style import STYLE
from lib.report.text_safety import for_html, whole_characters
from lib.report.wording import with_keys

_GROUND = "background: #fff; padding: 6px; box-sizing: border-box"
"""Style of a figure's ground where the book's style sheet does not apply; the style sheet removes it from its pages."""


@dataclass(frozen=True)
class Picture:
    """A figure in both forms with its text alternative and caption, as a page shows it.

    Attributes
    ----------
    wide, narrow : str
        The two forms, as SVG.
    alt, caption : str
        Text alternative, and caption below the figure.
    plot : callable
        Plots the figure in the form that its argument ``wide`` names.
    keys : tuple of str
        Keys of the registered results that it shows; the text alternative has their numbers.
    """

    wide: str
    narrow: str
    alt: str
    caption: str
    plot: Callable[..., Figure | Listing] = field(repr=False, compare=False)
    keys: tuple[str, ...] = ()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the wide form to a file, on a white ground: SVG, PNG (300 dots per inch) or PDF, by its suffix.

        Parameters
        ----------
        path : str or path
            The file, such as ``"forest.svg"``; a file of this name is replaced.

        Raises
        ------
        ValueError
            If the suffix is none of these.
        FileNotFoundError
            If there is no such folder.
        """
        save_plot(path, self.plot)

    def _repr_html_(self) -> str:
        wide, narrow = (
            "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode() for svg in (self.wide, self.narrow)
        )
        caption = f"<figcaption>{with_keys(self.caption)}</figcaption>" if self.caption else ""
        shown = f' data-results="{for_html(" ".join(self.keys))}"' if self.keys else ""
        # The class dark-light disables the theme's dark filter: our style sheet has one that preserves hues. Elsewhere,
        # as in JupyterLab, there is no style sheet: a white ground keeps the dark ink readable in dark themes.
        return (
            f'<figure class="review-figure"{shown}><picture><source media="(max-width: 600px)" srcset="{narrow}">'
            f'<img class="dark-light" style="{_GROUND}" src="{wide}" alt="{for_html(self.alt)}"></picture>'
            f"{caption}</figure>"
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
        keys = wide.keys if isinstance(wide, IntervalFigure) else ()
        return Picture(_svg(wide), _svg(narrow), str(wide.get_label()), caption, partial(plot, *args, **kwargs), keys)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = whole_characters(buffer.getvalue())
    return text[text.index("<svg") :]
