"""The site: pages rendered from executed chapters, compared with those that are there, and put in place at once.

Knows Jupyter Book and the folder that readers see; nothing of how chapters are executed. What did not change keeps its
bytes and its time, and a page is written anew only if that could change it (`lib.engine.sphinx_builder`).
"""

from __future__ import annotations

import contextlib
import filecmp
import gc
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lib.caching.safe_files import files, hash_files, replace_if_changed

LINK = "html"
"""Name of the site in the folder of what is built: a link to the folder of one build."""
RESULTS = "results.json"
"""Name of the file of results, in the folder of what is built and in the site."""
_RENDERED = "rendered.json"


class RenderError(Exception):
    """The pages could not be rendered; the message says which warning or error stopped it."""


@dataclass
class _Renderer:
    """Sphinx with the pages as they were when it was made ready."""

    app: Any
    said: io.StringIO
    contexts: contextlib.ExitStack


_ready: _Renderer | None = None


def get_ready(stage: Path, made: Path, work: Path) -> None:
    """Import what rendering needs in this process, and read the pages that are there; the next `render` is faster.

    Parameters
    ----------
    stage, made, work : Path
        As in `render`.
    """
    global _ready
    # This process ends with its rendering: looking for garbage is lost time.
    gc.disable()
    renderer = _make_renderer(stage, made, work)
    renderer.app.builder.read()
    _ready = renderer


def render(stage: Path, made: Path, work: Path, tools: str) -> tuple[str, list[str]]:
    """Render the book and lay the result next to the site that is there.

    Parameters
    ----------
    stage : Path
        ``_config.yml``, ``_toc.yml``, executed chapters, data.
    made : Path
        The folder of what is built.
    work : Path
        A folder for what only the rendering needs.
    tools : str
        A hash of all else that decides what pages look like.

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
    renderer = _ready
    # What was said of pages that may be others now is said again by a rendering that starts anew.
    if renderer is None or renderer.said.getvalue():
        if renderer is not None:
            renderer.contexts.close()
        renderer = _make_renderer(stage, made, Path(tempfile.mkdtemp(dir=work)))
    app, said = renderer.app, renderer.said
    out, made_with = Path(app.outdir), f"{tools} {hash_settings(stage)}"
    app.builder.present = _present_pages(made, made_with)
    if app.builder.present:
        # Sphinx reads there what it knows of the words of the pages that stay.
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(made / LINK / "searchindex.js", out)
    try:
        app.build(force_all=True)
        # Sphinx leaves it out where it has read no page again.
        app.env.check_consistency()
    except OSError:
        raise
    except Exception as error:
        said.write(f"Error: {error}\n")
    if app.statuscode != 0 or said.getvalue() or not (out / "index.html").is_file():
        raise RenderError(f"the pages could not be rendered:\n{_in_short(said.getvalue(), stage)}")
    (out / ".buildinfo").unlink(missing_ok=True)
    # The page that leads on to the first one names no icon, and a browser would ask for one that is not there.
    index = out / "index.html"
    if b'http-equiv="Refresh"' in index.read_bytes():
        index.write_bytes(index.read_bytes() + b'<link rel="icon" href="data:," />\n')
    shutil.copyfile(made / RESULTS, out / RESULTS)
    folder = Path(tempfile.mkdtemp(dir=made, prefix="site-"))
    folder.chmod(0o755)
    try:
        changed = _lay_out(out, made / LINK, folder, app.builder.others_stay)
        rendered = {"made_with": made_with, "site": digest(folder), "pages": app.builder.made_of}
        replace_if_changed(made / _RENDERED, json.dumps(rendered, indent=1).encode())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder.name, changed


def _present_pages(made: Path, made_with: str) -> dict:
    """Return what decided the pages of the present site; nothing if it is not as it was rendered, or made otherwise."""
    try:
        rendered = json.loads((made / _RENDERED).read_bytes())
        if (rendered["made_with"], rendered["site"]) == (made_with, digest(made / LINK)):
            return rendered["pages"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # Nothing was rendered yet, or somebody else wrote there.
    return {}


def _make_renderer(stage: Path, made: Path, work: Path) -> _Renderer:
    import jinja2
    import sphinx
    from jupyter_book.config import get_final_config
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    # What Sphinx imports from the book's own folder leaves nothing there.
    sys.dont_write_bytecode = True
    pages, said = _pages(stage), io.StringIO()
    contexts = contextlib.ExitStack()
    overrides = {
        "external_toc_path": str(stage / "_toc.yml"),
        "latex_individualpages": False,
        "nitpicky": True,
    }
    try:
        config, _ = get_final_config(
            user_yaml=stage / "_config.yml", cli_config=overrides, sourcedir=stage, use_external_toc=True
        )
        config["extensions"] = [*config["extensions"], "lib.engine.sphinx_builder"]
        contexts.enter_context(patch_docutils(None))
        contexts.enter_context(docutils_namespace())
        app = Sphinx(
            srcdir=stage,
            confdir=None,
            outdir=work / "html",
            doctreedir=work / "doctrees",
            buildername="html",
            confoverrides=config,
            status=None,
            warning=said,
            warningiserror=True,
            keep_going=True,
        )
    except (SphinxError, ValueError, yaml.YAMLError) as error:
        raise RenderError(f"the pages could not be rendered:\n{error}") from None
    # Compiling the theme's templates takes longer than to write a page with them.
    (made / "templates").mkdir(exist_ok=True)
    app.builder.templates.environment.bytecode_cache = jinja2.FileSystemBytecodeCache(
        made / "templates", f"%s-jinja2-{jinja2.__version__}-sphinx-{sphinx.__version__}"
    )
    # A page is read again when its content is another, whatever its time.
    app.connect("env-get-outdated", lambda *_: [n for n, source in _pages(stage).items() if source != pages.get(n)])
    return _Renderer(app, said, contexts)


def _pages(stage: Path) -> dict[str, bytes]:
    """Return a hash of each page's source by its name."""
    return {
        os.path.splitext(name)[0]: hashlib.sha256((stage / name).read_bytes()).digest()
        for name in files(stage)
        if name.endswith((".ipynb", ".md"))
    }


def hash_settings(stage: Path) -> str:
    """Hash what decides how every page is rendered: which files there are, and all but pages and tables as they are.

    A process that was made ready (`get_ready`) renders only with the settings that it has seen: it has imported them,
    and looked which pages a link can lead to.
    """
    names = files(stage)
    of_all = hash_files(stage, [name for name in names if not name.endswith((".ipynb", ".md", ".csv"))])
    return hashlib.sha256("\n".join([of_all, *names]).encode()).hexdigest()


def _in_short(said: str, stage: Path) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", said).replace(f"{stage}{os.sep}", "")
    lines = [line for line in text.splitlines() if re.search(r"WARNING|ERROR|Error", line)]
    return "\n".join(lines or text.splitlines()[-20:])


def _lay_out(rendered: Path, present: Path, folder: Path, others_stay: bool) -> list[str]:
    """Move the rendered files to their folder, those that are as at present with the time of these.

    Returns the files that are other than at present. What was not rendered stays as it is, or is gone.
    """
    changed = []
    before = set(files(present))
    for name in files(rendered):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in before and filecmp.cmp(rendered / name, present / name, shallow=False):
            shutil.copystat(present / name, rendered / name)
        else:
            changed.append(name)
        os.replace(rendered / name, target)
        before.discard(name)
    if others_stay:
        for name in before:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(present / name, folder / name)
        before = set()
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
    """Remove the sites that are not the present one."""
    present = os.path.basename(os.path.realpath(made / LINK))
    for path in made.glob("site-*"):
        if path.name != present:
            shutil.rmtree(path, ignore_errors=True)


def digest(site: Path) -> str | None:
    """Return a hash of every file of a site, None if there is none."""
    if not (site / "index.html").is_file():
        return None
    return hash_files(site, files(site))
