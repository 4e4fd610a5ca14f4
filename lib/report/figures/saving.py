"""Figures in files: SVG, PNG and PDF.

Belongs here: writing a figure to a file. Does not belong here: the plots, and pictures on pages (`picture`).
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from lib.caching.safe_files import replace_if_changed
from lib.report.figures.style import STYLE

_DOTS = 300
"""Dots per inch of a PNG."""
_MOST_DOTS = 60_000
"""Largest height of a PNG in dots, a little below what its writer allows."""
_NO_DATES: dict[str, Any] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Formats of files, each with the metadata that would change its bytes from one day to the next."""


def save_plot(path: str | os.PathLike[str], plot: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Plot the wide form of a figure and write it to a file, as `Picture.save` does; equal figures give equal bytes."""
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _NO_DATES:
        raise ValueError(f"{path.name!r} ends in none of the formats of a figure: .svg, .png or .pdf")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path.parent)!r}: make it first, or save elsewhere")
    buffer = io.BytesIO()
    with mpl.rc_context({**STYLE, "pdf.fonttype": 42}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = plot(*args, wide=True, **kwargs)
        assert isinstance(figure, Figure)
        dots = min(_DOTS, _MOST_DOTS / figure.get_figheight())
        options = {"facecolor": "white", "bbox_inches": "tight", "pad_inches": 0.1, "metadata": _NO_DATES[kind]}
        figure.savefig(buffer, format=kind, dpi=dots, **options)
    replace_if_changed(path, buffer.getvalue())
