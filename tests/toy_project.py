"""The toy project: a tiny library, tables and chapters about the weather, on which the engine alone is tested.

Belongs here: making and building it. The engine's own library is its `lib.engine` and `lib.caching`; the rest is in the
folder ``toy``. Helpers that do not depend on what is built are in `small_book`.
"""

from __future__ import annotations

import functools
import runpy
import shutil
from pathlib import Path

import small_book
from small_book import ROOT

TOY = ROOT / "tests/toy"
PROJECT = runpy.run_path(str(TOY / "lib/toy/commands.py"))["PROJECT"]
CHAPTERS = {
    "rain": [
        "# Rain",
        "print(len(weather.rows('rain')), 'rows of rain;', {row['station'] for row in weather.rows('rain')})",
    ],
    "wind": ["# Wind", "print(len(weather.rows('wind')), 'rows of wind')"],
    "north": ["# North", "print('in the north:', weather.only('north').total('rain'))"],
    "means": ["# Means", "from lib.toy.arithmetic import mean\nprint(mean([1.0, 2.0, 4.0]))"],
}
SETUP = "from lib.toy.weather import load\n\nweather = load(data, as_of)"
write_chapter = functools.partial(small_book.write_chapter, setup=SETUP)
add_row = functools.partial(small_book.add_row, column="station")
build_again = functools.partial(small_book.build_again, project=PROJECT)
ran_again = functools.partial(small_book.ran_again, project=PROJECT)
assert_refused = functools.partial(small_book.assert_refused, chapters=CHAPTERS, setup=SETUP, project=PROJECT)


def make_toy(root: Path, chapters: dict[str, list[str]] = CHAPTERS) -> Path:
    """Make a toy project with the chapters given."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TOY, root, ignore=ignored)
    for name in ("caching", "engine"):
        shutil.copytree(ROOT / "lib" / name, root / "lib" / name, ignore=ignored)
    shutil.copy(ROOT / "lib/__init__.py", root / "lib")
    for name, cells in chapters.items():
        write_chapter(root, name, cells)
    small_book.write_toc(root, list(chapters))
    return root
