"""Join the sites of several editions: the site of the newest carries those of the others.

Belongs here: which folder each edition is built in, and how the sites are joined. Does not belong here: the build of
one edition (`build`), which editions there are, and how pages link to the same page of another one, which is up to the
book.

An edition other than the newest has a build folder of its own, ``_build/editions/<date>``. The newest is built as
always; its rendering (`render.render`) then takes the sites of the others into its own, below ``editions/<date>/``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from lib.caching.safe_files import files

EDITIONS = "editions"
"""Name of the folder of the other editions, in the build folder and in the site."""


def edition_folder(date: str) -> str:
    """Return the build folder of an edition other than the newest, relative to the project's folder."""
    return f"_build/{EDITIONS}/{date}"


def built_editions(build_folder: Path) -> dict[str, Path]:
    """Return the site of every other edition that was built, by its date."""
    sites = sorted((build_folder / EDITIONS).glob("*/html"))
    return {site.parent.name: site.resolve() for site in sites if site.is_dir()}


def remove_others(build_folder: Path, dates: Collection[str]) -> None:
    """Remove the build folders of editions that there are no longer, so that no site carries them.

    Parameters
    ----------
    build_folder : Path
        The build folder of the newest edition.
    dates : collection of str
        Dates of the other editions.
    """
    for folder in (build_folder / EDITIONS).glob("*"):
        if folder.name not in dates:
            shutil.rmtree(folder)


def join(build_folder: Path, rendered: Path) -> None:
    """Take the sites of the other editions into a rendered one, as hard links where the file system has them."""
    for date, site in built_editions(build_folder).items():
        for name in files(site):
            target = rendered / EDITIONS / date / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(site / name, target)
            except OSError:
                shutil.copy2(site / name, target)
