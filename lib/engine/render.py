"""Render the site from executed chapters, compare it with the present site, and replace that in one step.

Belongs here: Jupyter Book and Sphinx, the process they run in, and the folder that readers see. Does not belong here:
how chapters are executed.

Pages that changed are read, every page is written, and a file of the site whose bytes did not change keeps its time.
"""

from __future__ import annotations

import atexit
import concurrent.futures
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

from lib.caching.os_errors import without_number
from lib.caching.safe_files import FILE_MODE, FOLDER_MODE, files, hash_files, replace_if_changed
from lib.engine import editions, fork_server, packages
from lib.engine.errors import BuildError
from lib.engine.snapshot import digest, engine_code

LINK = "html"
"""Name of the site in the build folder: a link to the folder of one build."""
RESULTS = "results.json"
"""Name of the file of results, in the build folder and in the site."""

_FOLDER = "rendering"
"""Name of the folder, in the build folder, with the pages as Sphinx has read them, for the next rendering."""
_STATE = "state.json"
"""Name of the file, in that folder, with hashes of the pages that were read; absent while a rendering changes them."""
_PAGES = "html-"
"""Beginning of the name of the folder, in that folder, to which one process writes the pages."""
_WRITERS = 4
"""Largest number of processes that write pages."""


@dataclass
class _Sphinx:
    """Sphinx, with the pages that an earlier rendering has read, and their state (`_stored_state`)."""

    app: Any
    messages: io.StringIO
    contexts: contextlib.ExitStack
    state: dict[str, Any] | None


_prepared: _Sphinx | None = None


class Renderer:
    """A process for one rendering, which has imported the packages for it and loaded the pages that were read before.

    Parameters
    ----------
    build_folder : Path
        The build folder (``_build``).
    """

    def __init__(self, build_folder: Path):
        self.build_folder, self.stage = build_folder, build_folder / "stage"
        self.settings = hash_settings(self.stage)
        self._resources = contextlib.ExitStack()
        self._submit = self._resources.enter_context(fork_server.fresh_process())
        self._loading = self._submit(prepare, self.stage, build_folder)

    def wait_for_loading(self) -> None:
        """Wait until the process is prepared; if it could not be, the rendering begins anew, and reports the error."""
        concurrent.futures.wait([self._loading])

    def render(self) -> tuple[str, list[str], list[str]]:
        """Run `render` in the process."""
        result: tuple[str, list[str], list[str]] = self._submit(render, self.stage, self.build_folder).result()
        return result

    def close(self) -> None:
        """End the process."""
        self._resources.close()


_renderer: Renderer | None = None


def prepare_renderer(build_folder: Path) -> Renderer:
    """Return a process that is prepared for the next rendering in a build folder, with the current settings."""
    global _renderer
    stage = build_folder / "stage"
    if _renderer is None or (_renderer.stage, _renderer.settings) != (stage, hash_settings(stage)):
        close_renderer()
        _renderer = Renderer(build_folder)
    return _renderer


@atexit.register
def close_renderer() -> None:
    """End the prepared process, if there is one."""
    global _renderer
    if _renderer is not None:
        _renderer.close()
        _renderer = None


def prepare(stage: Path, build_folder: Path) -> None:
    """Import the packages for rendering, and load the pages that were read before, so that `render` is faster.

    It changes no file, because another build may be rendering.

    Parameters
    ----------
    stage, build_folder : Path
        As in `render`.
    """
    global _prepared
    # This process ends after one rendering: garbage collection would be wasted time.
    gc.disable()
    state = _stored_state(build_folder)
    if state is not None and state["settings"] == _settings(stage, build_folder):
        _prepared = _make_sphinx(stage, build_folder, state)


def render(stage: Path, build_folder: Path) -> tuple[str, list[str], list[str]]:
    """Render the book into a new folder beside the present site.

    Parameters
    ----------
    stage : Path
        ``_config.yml``, ``_toc.yml``, executed chapters, data.
    build_folder : Path
        The build folder (``_build``).

    Returns
    -------
    folder : str
        Name of the new site's folder in ``build_folder``, for `publish`.
    changed : list of str
        Files that are new, changed or gone compared with the present site.
    used : list of str
        The packages imported to render it.

    Raises
    ------
    BuildError
        If Jupyter Book fails or warns.
    OSError
        If the disk is full or cannot be written.
    """
    sphinx, state = _prepared, _stored_state(build_folder)
    settings, pages = _settings(stage, build_folder), _pages(stage)
    if state is None or state["settings"] != settings:
        state = None
        shutil.rmtree(build_folder / _FOLDER, ignore_errors=True)
    if sphinx is None or sphinx.state != state:
        # Another build has rendered since, or nothing was prepared.
        if sphinx is not None:
            sphinx.contexts.close()
        sphinx = _make_sphinx(stage, build_folder, state)
    app, messages, output = sphinx.app, sphinx.messages, Path(sphinx.app.outdir)
    (build_folder / _FOLDER / _STATE).unlink(missing_ok=True)
    for left in (build_folder / _FOLDER).glob(f"{_PAGES}*"):
        shutil.rmtree(left, ignore_errors=True)
    output.mkdir(exist_ok=True)
    try:
        app.build(force_all=True)
        # Sphinx omits this if it has read no page again. Private interface: BuildEnvironment.check_consistency. If it
        # breaks: remove this line; a page that no table of contents names is then reported by clean builds alone.
        app.env.check_consistency()
    except OSError:
        raise
    except Exception as error:
        messages.write(f"Error: {error}\n")
    if app.statuscode != 0 or messages.getvalue() or not (output / "index.html").is_file():
        raise BuildError(f"the pages could not be rendered:\n{_summary(messages.getvalue(), stage)}")
    (output / ".buildinfo").unlink(missing_ok=True)
    # The page that redirects to the first one names no icon, so a browser would request one that does not exist.
    index = output / "index.html"
    if b'http-equiv="Refresh"' in index.read_bytes():
        index.write_bytes(index.read_bytes() + b'<link rel="icon" href="data:," />\n')
    shutil.copyfile(build_folder / RESULTS, output / RESULTS)
    editions.join(build_folder, output)
    folder = Path(tempfile.mkdtemp(dir=build_folder, prefix="site-"))
    try:
        changed = _install(output, build_folder / LINK, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(output)
    replace_if_changed(build_folder / _FOLDER / _STATE, json.dumps({"settings": settings, "pages": pages}).encode())
    return folder.name, changed, packages.imported()


def _stored_state(build_folder: Path) -> dict[str, Any] | None:
    """Return the settings with which pages were read, and the hash of each page; None if there are no such pages."""
    with contextlib.suppress(OSError, ValueError):
        state: dict[str, Any] = json.loads((build_folder / _FOLDER / _STATE).read_bytes())
        return state
    return None


def _settings(stage: Path, build_folder: Path) -> str:
    """Hash all that determines how a page is read, besides its content."""
    code = engine_code(build_folder / "source", "render")
    return digest(hash_settings(stage), code, sys.version, *packages.installed())


def _make_sphinx(stage: Path, build_folder: Path, state: dict[str, Any] | None) -> _Sphinx:
    import jinja2
    import sphinx
    from jupyter_book.config import get_final_config
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    # Extensions that Sphinx imports from the book's own folder must not leave compiled code there.
    sys.dont_write_bytecode = True
    known, messages = state["pages"] if state else {}, io.StringIO()
    contexts = contextlib.ExitStack()
    overrides = {
        "external_toc_path": str(stage / "_toc.yml"),
        "latex_individualpages": False,
        "nitpicky": True,
    }
    # Private interface: jupyter_book.config.get_final_config, which turns _config.yml and _toc.yml into settings of
    # Sphinx, as `jupyter-book build` does. If it breaks: `jupyter-book config sphinx .` writes the same settings.
    try:
        config, _ = get_final_config(
            user_yaml=stage / "_config.yml", cli_config=overrides, sourcedir=stage, use_external_toc=True
        )
        # Private interface: docutils_namespace and patch_docutils, which Sphinx's documentation does not describe. If
        # they break: prepare docutils as sphinx.cmd.build of the installed version does.
        contexts.enter_context(patch_docutils(None))
        contexts.enter_context(docutils_namespace())
        app = Sphinx(
            srcdir=stage,
            confdir=None,
            # One of its own: the writers of a rendering that was killed may still be at work.
            outdir=build_folder / _FOLDER / f"{_PAGES}{os.getpid()}",
            doctreedir=build_folder / _FOLDER / "doctrees",
            buildername="html",
            confoverrides=config,
            status=None,
            warning=messages,
            warningiserror=True,
            keep_going=True,
        )
    except (SphinxError, ValueError, yaml.YAMLError) as error:
        raise BuildError(f"the pages could not be rendered:\n{error}") from None
    # Compiling the theme's templates takes longer than writing a page with them. Private interface: the environment of
    # Sphinx's template bridge. If it breaks: remove this statement; every build compiles the templates again.
    (build_folder / "templates").mkdir(exist_ok=True)
    app.builder.templates.environment.bytecode_cache = jinja2.FileSystemBytecodeCache(
        str(build_folder / "templates"), f"%s-jinja2-{jinja2.__version__}-sphinx-{sphinx.__version__}"
    )
    # A page is read again if its content has changed; times do not count.
    app.connect("env-get-outdated", lambda *_: [n for n, source in _pages(stage).items() if source != known.get(n)])
    # Pages are written by several processes, but read by one: it costs more to pass on what was read than to read it.
    # Private interface: Sphinx documents the argument parallel, and not the attribute. If it breaks: remove these two
    # statements; rendering takes two thirds of a second longer, and the pages are the same.
    app.connect("env-before-read-docs", lambda app, *_: setattr(app, "parallel", 1))
    app.connect("env-updated", lambda app, *_: setattr(app, "parallel", min(_WRITERS, os.cpu_count() or 1)))
    return _Sphinx(app, messages, contexts, state)


def _pages(stage: Path) -> dict[str, str]:
    """Return a hash of each page's source by its name."""
    return {
        os.path.splitext(name)[0]: hashlib.sha256((stage / name).read_bytes()).hexdigest()
        for name in files(stage)
        if name.endswith((".ipynb", ".md"))
    }


def hash_settings(stage: Path) -> str:
    """Hash what determines the rendering of every page: all file names, and all content except pages and tables.

    A prepared process (`prepare`) can render only with the settings that it has read: it has imported the extensions,
    and recorded the pages that links can lead to.
    """
    names = files(stage)
    settings = hash_files(stage, [name for name in names if not name.endswith((".ipynb", ".md", ".csv"))])
    return hashlib.sha256("\n".join([settings, *names]).encode()).hexdigest()


def _summary(messages: str, stage: Path) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", without_number(messages)).replace(f"{stage}{os.sep}", "")
    lines = [line for line in text.splitlines() if re.search(r"WARNING|ERROR|Error", line)]
    return "\n".join(lines or text.splitlines()[-20:])


def _install(rendered: Path, present: Path, folder: Path) -> list[str]:
    """Move the rendered files to the new site; a file whose content is unchanged keeps its time.

    Whatever the umask, files can be read by all and written by their owner (0644), and folders can be entered by all
    (0755), so that any web server can serve the site. Who can enter the folders above is up to their owner.

    Returns
    -------
    list of str
        The files that are new, changed or gone.
    """
    changed = []
    gone = set(files(present))
    for name in files(rendered):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in gone and filecmp.cmp(rendered / name, present / name, shallow=False):
            shutil.copystat(present / name, rendered / name)
        else:
            changed.append(name)
        os.chmod(rendered / name, FILE_MODE)
        os.replace(rendered / name, target)
        gone.discard(name)
    for at, _, _ in os.walk(folder):
        os.chmod(at, FOLDER_MODE)
    return sorted([*changed, *gone])


def publish(build_folder: Path, folder: str) -> None:
    """Make a rendered folder the site, in one step, and remove earlier sites."""
    link, part = build_folder / LINK, build_folder / f".{LINK}"
    part.unlink(missing_ok=True)
    part.symlink_to(folder)
    if link.is_dir() and not link.is_symlink():
        # A folder of this name, which only copying can have created, cannot be replaced by a link in one step.
        link.rename(build_folder / f"site-before-{folder}")
    os.replace(part, link)
    remove_others(build_folder)


def remove_others(build_folder: Path) -> None:
    """Remove all sites except the present one."""
    present = os.path.basename(os.path.realpath(build_folder / LINK))
    for path in build_folder.glob("site-*"):
        if path.name != present:
            shutil.rmtree(path, ignore_errors=True)


def hash_site(site: Path) -> str | None:
    """Return a hash of every file of a site, None if there is none."""
    if not (site / "index.html").is_file():
        return None
    return hash_files(site, files(site))
