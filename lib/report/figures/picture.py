"""Pictures for a page: a figure in a wide and a narrow form, as SVG with its text alternative and caption.

Belongs here: converting the result of a plotting function to HTML, and the disk cache of pictures. Does not belong
here: the plots themselves, and writing them to files (`saving`).

Drawing takes most of the time of a chapter with figures, and most changes of the data leave most figures as they are.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import io
import json
import os
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from lib.caching.code_hash import STORE
from lib.caching.safe_files import files, hash_files, replace_if_changed
from lib.report.figures.intervals import IntervalFigure
from lib.report.figures.listing import Listing
from lib.report.figures.saving import save_plot
from lib.report.figures.style import STYLE
from lib.report.marked_text import with_keys
from lib.report.text_safety import for_html, whole_characters

_GROUND = "background: #fff; padding: 6px; box-sizing: border-box"
"""Style of a figure's ground where the book's style sheet does not apply; the style sheet removes it from its pages."""

_MOST = 500
"""Number of pictures that the cache keeps; the oldest are removed."""
_LIBRARY = Path(__file__).parents[2]


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
        # Where the book's style sheet does not apply, as in JupyterLab, a white ground keeps the dark ink readable in
        # dark themes.
        return self.html(f' style="{_GROUND}"')

    def html(self, style: str = "") -> str:
        """Return the HTML of the figure; ``style`` is an attribute of the image, which strict pages do not allow."""
        wide, narrow = (
            "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode() for svg in (self.wide, self.narrow)
        )
        caption = f"<figcaption>{with_keys(self.caption)}</figcaption>" if self.caption else ""
        shown = f' data-results="{for_html(" ".join(self.keys))}"' if self.keys else ""
        # The class dark-light disables the theme's dark filter: our style sheet has one that preserves hues.
        return (
            f'<figure class="review-figure"{shown}><picture><source media="(max-width: 600px)" srcset="{narrow}">'
            f'<img class="dark-light"{style} src="{wide}" alt="{for_html(self.alt)}"></picture>'
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
    path, again = _cache_path(plot, args, kwargs), partial(plot, *args, **kwargs)
    if path is not None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads(path.read_bytes())
            return Picture(stored["wide"], stored["narrow"], stored["alt"], caption, again, tuple(stored["keys"]))
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # The text stays text in the SVG, so the reader's font draws letters that the font here lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        wide = plot(*args, wide=True, **kwargs)
        if isinstance(wide, Listing):
            return replace(wide, caption=caption)
        narrow = plot(*args, wide=False, **kwargs)
        assert isinstance(narrow, Figure)
        keys = wide.keys if isinstance(wide, IntervalFigure) else ()
        picture = Picture(_svg(wide), _svg(narrow), str(wide.get_label()), caption, again, keys)
    if path is not None:
        with contextlib.suppress(OSError):
            _store(path, picture)
    return picture


def _cache_path(plot: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Path | None:
    """Return the file of a picture in the cache; None if its arguments cannot be serialised.

    The name covers the arguments, the whole library and the version of matplotlib. Equal arguments may have different
    names, and the picture is then drawn again; different arguments never have the same name.
    """
    try:
        given = pickle.dumps((plot, args, sorted(kwargs.items())))
    except (pickle.PicklingError, AttributeError, TypeError, RuntimeError):
        # RuntimeError: an argument that completes itself when it is read, such as a mapping with defaults.
        return None
    name = hashlib.sha256(f"{_library_hash()} {mpl.__version__} ".encode() + given).hexdigest()
    return STORE / "pictures" / f"{name}.json"


@functools.cache
def _library_hash() -> str:
    return hash_files(_LIBRARY, [name for name in files(_LIBRARY) if name.endswith(".py")])


def _store(path: Path, picture: Picture) -> None:
    content = {"wide": picture.wide, "narrow": picture.narrow, "alt": picture.alt, "keys": picture.keys}
    replace_if_changed(path, json.dumps(content).encode())
    stored = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for old in stored[:-_MOST]:
        old.unlink(missing_ok=True)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = whole_characters(buffer.getvalue())
    return text[text.index("<svg") :]
