"""The site: pages rendered from executed chapters, compared with those that are there, and put in place at once.

Knows Jupyter Book and the folder that readers see; nothing of how chapters are executed. Pages are always rendered
from nothing, which takes seconds, so that no page can be left from an earlier state; what did not change keeps its
bytes and its time.
"""

from __future__ import annotations

import filecmp
import hashlib
import importlib
import io
import os
import re
import shutil
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from lib.files import files

LINK = "html"
"""Name of the site in the folder of what is built: a link to the folder of one build."""


class RenderError(Exception):
    """The pages could not be rendered; the message says which warning or error stopped it."""


def import_renderer() -> None:
    """Import all that `render` needs, so that it is there when the chapters are."""
    from jupyter_book.config import get_default_sphinx_config

    importlib.import_module("jupyter_book.sphinx")
    for extension in get_default_sphinx_config()["extensions"]:
        importlib.import_module(extension)
    importlib.import_module("sphinx_book_theme")


def render(stage: Path, made: Path) -> tuple[str, list[str]]:
    """Render the book and lay the result next to the site that is there.

    Parameters
    ----------
    stage : Path
        ``_config.yml``, ``_toc.yml``, executed chapters, data.
    made : Path
        The folder of what is built.

    Returns
    -------
    folder : str
        Name of the new site's folder in ``made``, for `publish`.
    changed : list of str
        Files of it that are new or differ from the present site, and files that are gone.

    Raises
    ------
    RenderError
        If Jupyter Book fails or warns.
    OSError
        If there is no room, or no permission to write.
    """
    with tempfile.TemporaryDirectory(dir=made, prefix="render-") as work:
        out = Path(work) / "html"
        _run_jupyter_book(stage, out)
        (out / ".buildinfo").unlink(missing_ok=True)
        shutil.rmtree(out / ".jupyter_cache", ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=made, prefix="site-"))
        folder.chmod(0o755)
        try:
            changed = _lay_out(out, made / LINK, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder.name, changed


def _run_jupyter_book(stage: Path, out: Path) -> None:
    from jupyter_book.sphinx import build_sphinx

    said = io.StringIO()
    overrides = {
        "external_toc_path": str(stage / "_toc.yml"),
        "latex_individualpages": False,
        "nitpicky": True,
    }
    with redirect_stdout(said), redirect_stderr(said):
        code = build_sphinx(
            stage,
            out,
            path_config=stage / "_config.yml",
            noconfig=True,
            confoverrides=overrides,
            doctreedir=out.parent / "doctrees",
            warningiserror=True,
            keep_going=True,
            quiet=True,
        )
    if code == 0 and (out / "index.html").is_file():
        return
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.getvalue()).replace(f"{stage}{os.sep}", "")
    if isinstance(code, OSError):
        raise code
    lines = [line for line in text.splitlines() if re.search(r"WARNING|ERROR|Error", line)]
    raise RenderError("the pages could not be rendered:\n" + "\n".join(lines or text.splitlines()[-20:]))


def _lay_out(rendered: Path, present: Path, folder: Path) -> list[str]:
    """Copy the rendered files, with the time of the present ones where they are the same; return what differs."""
    changed = []
    before = set(files(present))
    for name in files(rendered):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        same = name in before and filecmp.cmp(rendered / name, present / name, shallow=False)
        if not same:
            changed.append(name)
        shutil.copy2((present if same else rendered) / name, target)
        before.discard(name)
    return sorted([*changed, *before])


def publish(made: Path, folder: str) -> None:
    """Make a rendered folder the site, in one step, and remove the ones before it."""
    link, part = made / LINK, made / f".{LINK}"
    part.unlink(missing_ok=True)
    part.symlink_to(folder)
    if link.is_dir() and not link.is_symlink():
        # A folder cannot be replaced by a link in one step; no build since has made one.
        link.rename(made / f"site-before-{folder}")
    os.replace(part, link)
    remove_others(made)


def remove_others(made: Path) -> None:
    """Remove the sites that are not the present one, and what an interrupted rendering left."""
    present = os.path.basename(os.path.realpath(made / LINK))
    for path in [*made.glob("site-*"), *made.glob("render-*")]:
        if path.name != present:
            shutil.rmtree(path, ignore_errors=True)


def digest(site: Path) -> str | None:
    """Return a hash of every file of a site, None if there is none."""
    if not (site / "index.html").is_file():
        return None
    total = hashlib.sha256()
    for name in files(site):
        total.update(name.encode() + b"\0" + hashlib.sha256((site / name).read_bytes()).digest())
    return total.hexdigest()
