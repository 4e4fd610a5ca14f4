"""Figures in files: SVG, PNG, PDF and their data as CSV.

Belongs here: writing a drawing to a file, and the disk cache of PNG. Does not belong here: the drawings, and pictures
on pages (`picture`).
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from lib.caching.code_hash import CACHE_FOLDER
from lib.caching.safe_files import replace_if_changed
from lib.report.figures.drawing import Drawing, Shape
from lib.report.text_safety import for_spreadsheet, whole_characters

FILES = "living_review_files"
"""Name in an output's metadata under which it has a list with the files of each of its figures;
``book/_ext/figure_files.py`` writes them beside the page."""

_DOTS = 300
"""Dots per inch of a PNG that an analyst saves."""
_DOTS_ON_PAGE = 200
"""Dots per inch of a PNG that a page offers."""
_MOST_DOTS = 60_000
"""Largest height of a PNG in dots, slightly below the limit of matplotlib's writer."""
_INCH = 96
"""CSS pixels per inch."""
_MARGIN = 12
"""White margin of a PNG or PDF, in CSS pixels."""
_PALETTE = 64
"""Number of colours of a PNG."""
_MOST_STORED = 500
"""Largest number of PNG files in the cache; the oldest are removed."""
_NO_DATES: dict[str, Any] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Formats that matplotlib writes, each with the metadata that would change its bytes from one day to the next."""
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    # Dollar signs in the data must not start mathematical text.
    "text.parse_math": False,
    "pdf.fonttype": 42,
}


def save_drawing(path: str | os.PathLike[str], drawing: Drawing) -> None:
    """Write a drawing or its data to a file; equal drawings give equal bytes. Errors are those of `Picture.save`."""
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("svg", "csv", *_NO_DATES):
        raise ValueError(f"{path.name!r} ends in none of the formats of a figure: .svg, .png, .pdf or .csv")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path.parent)!r}: make it first, or save elsewhere")
    if kind in _NO_DATES:
        content = _painted(drawing, kind, _DOTS)
    else:
        content = (as_csv(drawing.data) if kind == "csv" else drawing.svg_file()).encode()
    replace_if_changed(path, content)


def as_csv(data: pd.DataFrame) -> str:
    """Return a table as CSV with the byte order mark by which spreadsheets recognise UTF-8; missing values are empty.

    Examples
    --------
    >>> as_csv(pd.DataFrame({"label": ["=1+1", "Made up"], "rate": [0.25, float("nan")]})).splitlines()[1:]
    ["'=1+1,0.25", 'Made up,']
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_cell, data.columns))
    writer.writerows(map(_cell, row) for row in data.itertuples(index=False))
    return "\ufeff" + text.getvalue()


def mark_of(*contents: str) -> str:
    """Return a short mark for the contents of a figure's files, by which the build finds it on its page."""
    return hashlib.sha256("".join(contents).encode()).hexdigest()[:12]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return for_spreadsheet(value)
    if value is None or value != value:
        return ""
    # Write the shortest text that gives the same number again, without a decimal point if the number is whole.
    return f"{value:.0f}" if float(value).is_integer() else repr(float(value))


def png(drawing: Drawing) -> bytes:
    """Return a drawing as PNG for a page, from the disk cache if it was painted before.

    The name in the cache covers all texts and shapes, the code of this module and the version of matplotlib.
    """
    drawing = drawing.whole or drawing
    name = hashlib.sha256(f"{mpl.__version__} {_code()} {drawing.height} {drawing.items!r}".encode()).hexdigest()
    path = CACHE_FOLDER / "pictures" / f"{name}.png"
    with contextlib.suppress(OSError):
        stored = path.read_bytes()
        if stored.startswith(b"\x89PNG") and stored.rstrip().endswith(b"IEND\xaeB`\x82"):
            return stored
    content = _painted(drawing, "png", _DOTS_ON_PAGE)
    with contextlib.suppress(OSError):
        replace_if_changed(path, content)
        stored_files = sorted(path.parent.glob("*.png"), key=lambda file: file.stat().st_mtime)
        for old in stored_files[:-_MOST_STORED]:
            old.unlink(missing_ok=True)
    return content


def _code() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def _painted(drawing: Drawing, kind: str, dots: float) -> bytes:
    drawing = drawing.whole or drawing
    buffer = io.BytesIO()
    width, height = drawing.width + 2 * _MARGIN, drawing.height + 2 * _MARGIN
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width / _INCH, height / _INCH))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-_MARGIN, drawing.width + _MARGIN), ylim=(drawing.height + _MARGIN, -_MARGIN))
        axes.axis("off")
        for order, item in enumerate(drawing.items):
            if isinstance(item, Shape):
                axes.add_patch(_patch(item, order))
                continue
            axes.text(
                item.x,
                item.y,
                whole_characters(item.text),
                ha={"start": "left", "middle": "center", "end": "right"}[item.anchor],
                va="baseline",
                weight="bold" if item.bold else "normal",
                style="italic" if item.italic else "normal",
                color=item.colour,
                fontsize=item.size * 72 / _INCH,
                zorder=order,
            )
        dots = min(dots, _MOST_DOTS * _INCH / height)
        if kind == "png":
            return _as_png(figure, dots)
        figure.savefig(buffer, format=kind, dpi=dots, facecolor="white", metadata=_NO_DATES[kind])
    return buffer.getvalue()


def _as_png(figure: Figure, dots: float) -> bytes:
    """Return a figure as PNG with a palette, which takes a third of the bytes: figures have few colours and shades."""
    # Imported here, since only a figure that is not in the cache needs it.
    from PIL import Image

    figure.set(dpi=dots, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    # This choice of a palette keeps white white, unlike the octree, and is closer to the colours than Pillow's default
    # in half the time. Level 9 would save an eighth of the bytes and take seven times as long.
    reduced = image.quantize(_PALETTE, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    reduced.save(buffer, format="png", compress_level=6, dpi=(dots, dots))
    return buffer.getvalue()


def _patch(item: Shape, order: int) -> PathPatch:
    points, codes = [], []
    for line in item.lines:
        points += [*line, line[0]] if item.fill else [*line]
        codes += [Outline.MOVETO, *[Outline.LINETO] * (len(line) - 1), *[Outline.CLOSEPOLY] * bool(item.fill)]
    return PathPatch(
        Outline(points, codes),
        facecolor=item.fill or "none",
        edgecolor=item.stroke or "none",
        linewidth=item.width * 72 / _INCH if item.stroke else 0,
        linestyle=(0, (1.4, 1.8)) if item.dotted else "solid",
        capstyle="butt",
        joinstyle="miter",
        zorder=order,
    )
