"""Pictures for a page: a figure in a wide and a narrow form, as SVG with its text alternative, caption and files.

Belongs here: the HTML of a figure, and what the build needs to write its files. Does not belong here: the figures
themselves, and other formats (`saving`).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lib.report.figures.drawing import Drawing
from lib.report.figures.listing import Listing
from lib.report.figures.saving import FILES, as_csv, mark_of, png, save_drawing
from lib.report.figures.style import SWITCH
from lib.report.marked_text import with_keys
from lib.report.text_safety import for_html, whole_characters

RULES = (
    "figure.review-figure{margin:1rem 0}"
    "figure.review-figure figcaption{margin:.5rem 0 0;font-size:.85em;text-align:left}"
    ".review-plot{container-type:inline-size;overflow-x:auto;padding:0 6px;margin:0 -6px}"
    ".review-plot svg{display:block;width:100%;height:auto;max-width:66rem}"
    ".review-plot svg.review-narrow{display:none;min-width:328px;max-width:30rem}"
    f"@container (max-width:{SWITCH - 1}px){{.review-plot svg.review-wide{{display:none}}"
    ".review-plot svg.review-narrow{display:block}}"
    ".review-plot details{margin-top:.5rem}"
    ".review-plot summary{cursor:pointer;font-size:.85em}"
    ".review-plot svg a{fill:currentColor}"
)
"""Style for JupyterLab. The book's style sheet repeats it: a strict Content-Security-Policy blocks inline styles."""


@dataclass(frozen=True)
class Picture:
    """A figure in both forms with its text alternative and caption, as a page shows it.

    Attributes
    ----------
    wide, narrow : Drawing
        The two forms.
    caption : str
        Caption below the figure.
    name : str
        Name of its files, such as ``"monotherapy-ge75"``; by default they have that of their page.
    """

    wide: Drawing
    narrow: Drawing
    caption: str = ""
    name: str = ""

    @property
    def alt(self) -> str:
        """Text alternative."""
        return whole_characters(self.wide.alt)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the registered results that it shows; the text alternative has their numbers."""
        return self.wide.keys

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the figure or its data to a file, by its suffix: SVG, PNG (300 dots per inch), PDF or CSV.

        Parameters
        ----------
        path : str or path
            The file, such as ``"forest.svg"``; a file of this name is replaced. A picture has the wide form, on a white
            ground, with the studies that a page shows on demand.

        Raises
        ------
        ValueError
            If the suffix is none of these.
        FileNotFoundError
            If there is no such folder.
        """
        save_drawing(path, self.wide)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        files = files_of(self.wide, self.name)
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}, {FILES: [files]}

    def _repr_html_(self) -> str:
        return f"<style>{RULES}</style>{self.html()}"

    def html(self) -> str:
        """Return the HTML of the figure without its style, for pages that allow no style within them."""
        linked = any(text.href or text.key for text in self.wide.texts) or self.wide.folded is not None
        # Links must remain accessible to screen readers; figures without links are one image to them.
        role = "group" if linked else "img"
        caption = f"<figcaption>{with_keys(self.caption)}</figcaption>" if self.caption else ""
        keys = f' data-results="{for_html(" ".join(self.keys))}"' if self.keys else ""
        return (
            f'<figure class="review-figure full-width" data-figure="{mark_of_drawing(self.wide)}"{keys}>'
            f'<div class="review-plot" role="{role}" aria-label="{for_html(self.alt)}">{self._forms()}</div>'
            f"{caption}</figure>"
        )

    def _forms(self) -> str:
        forms = self.wide.svg("review-wide") + self.narrow.svg("review-narrow")
        if self.wide.folded is None or self.narrow.folded is None:
            return forms
        folded = self.wide.folded.svg("review-wide") + self.narrow.folded.svg("review-narrow")
        return f"{forms}<details><summary>{for_html(self.wide.fold)}</summary><div>{folded}</div></details>"

    def __repr__(self) -> str:
        return self.alt


def mark_of_drawing(drawing: Drawing) -> str:
    """Return the mark by which the build finds a figure on its page."""
    return mark_of(drawing.svg_file(), as_csv(drawing.data))


def files_of(drawing: Drawing, name: str) -> dict[str, str]:
    """Return the mark and the name of a figure, and the content of each of its files by their ending."""
    return {
        "mark": mark_of_drawing(drawing),
        "name": name,
        "csv": as_csv(drawing.data),
        "svg": drawing.svg_file(),
        "png": base64.b64encode(png(drawing)).decode(),
    }


def show(
    plot: Callable[..., Drawing | Listing], *args: Any, caption: str = "", name: str = "", **kwargs: Any
) -> Picture | Listing:
    """Plot a figure in its wide and its narrow form, for a page to choose from.

    Parameters
    ----------
    plot : callable
        A plotting function of this package; it takes ``wide`` and returns a Drawing or a Listing.
    *args, **kwargs
        Arguments of the function.
    caption : str
        Caption below the figure.
    name : str
        Name of the figure's files; by default they have that of their page.

    Returns
    -------
    Picture or Listing
        Shown by a notebook and the book; the same input gives the same bytes.
    """
    wide = plot(*args, wide=True, **kwargs)
    if isinstance(wide, Listing):
        return replace(wide, caption=caption, name=name)
    narrow = plot(*args, wide=False, **kwargs)
    assert isinstance(narrow, Drawing)
    return Picture(wide, narrow, caption, name)
