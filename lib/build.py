"""Notebooks in, book out: check the data, execute every chapter, render the site, put it in place whole.

Knows the folders of a build, how a chapter is executed and what its failure looks like to a person. Knows no
chapter by name: which there are, and their order, ``_toc.yml`` says. The last good site stays until a new
one is complete.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import nbformat
import papermill
import yaml
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from lib.evidence import load

TIME_LIMIT = 300
"""Seconds that one cell of a chapter may take."""


class BuildError(Exception):
    """The book could not be built; the message is for a person."""


def chapters(root: Path) -> list[str]:
    """Return the pages of the book in the order of ``_toc.yml``, as paths without their ending.

    Raises
    ------
    BuildError
        If the table of contents cannot be read, or names a page that is not there.
    """
    try:
        toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BuildError(f"_toc.yml cannot be read: {error}") from None

    def pages(node) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("root", "file"):
                    yield value
                else:
                    yield from pages(value)
        elif isinstance(node, list):
            for item in node:
                yield from pages(item)

    found = list(pages(toc))
    if not found:
        raise BuildError("_toc.yml names no page")
    for page in found:
        if not any((root / f"{page}{ending}").is_file() for ending in (".ipynb", ".md")):
            raise BuildError(f"_toc.yml names {page}, but there is no {page}.ipynb or {page}.md")
    return found


def build(root: str | Path, data: str | Path = "data", as_of: str = "") -> Path:
    """Build the book.

    Parameters
    ----------
    root : str or Path
        The project: ``_config.yml``, ``_toc.yml``, ``book/``. Everything made goes into its ``_build/``:
        the executed chapters into ``stage/``, the site into ``html/``.
    data : str or Path
        The data folder, relative to ``root`` unless absolute.
    as_of : str
        Date of the edition, YYYY-MM-DD; empty: the newest.

    Returns
    -------
    Path
        The folder of the site.

    Raises
    ------
    lib.validation.DataError
        If the data have faults or there is no edition of that date.
    BuildError
        If a chapter fails, warns or runs out of time, or the pages cannot be rendered. The site of the last
        good build is left as it was.
    """
    root = Path(root).resolve()
    data = root / data
    load(data, as_of)
    pages = chapters(root)
    made = root / "_build"
    stage = made / "stage"
    _lay_out(root, data, stage)
    _execute_all(root, stage, [page for page in pages if (root / f"{page}.ipynb").is_file()], as_of)
    rendered = _render(stage, made / "render")
    site = made / "html"
    _put_in_place(rendered, site)
    return site


def _lay_out(root: Path, data: Path, stage: Path) -> None:
    """Copy what a chapter and Jupyter Book need to where they run: the sources stay without outputs."""
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, stage)
    shutil.copytree(root / "book", stage / "book", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"))
    shutil.copytree(data, stage / "data")


def _execute_all(root: Path, stage: Path, pages: list[str], as_of: str) -> None:
    workers = max(1, min(len(pages), os.cpu_count() or 1))
    failures = {}
    # Each worker is a process of its own: papermill changes the working folder of the process it runs in.
    with (
        ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool,
        tqdm(total=len(pages), desc="Chapters", unit="chapter", disable=None) as progress,
    ):
        running = {pool.submit(_execute, root / f"{p}.ipynb", stage / f"{p}.ipynb", as_of): p for p in pages}
        try:
            for done in as_completed(running):
                try:
                    done.result()
                except BuildError as error:
                    failures[running[done]] = str(error)
                except BrokenProcessPool:
                    failures[running[done]] = f"chapter {Path(running[done]).stem}: its process was killed"
                progress.update()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failures:
        raise BuildError("\n".join(failures[page] for page in pages if page in failures))


def _execute(source: Path, target: Path, as_of: str) -> None:
    """Execute one chapter with papermill and leave nothing in it that differs from build to build."""
    name = source.stem
    try:
        papermill.execute_notebook(
            source,
            target,
            parameters={"data": "../data", "as_of": as_of},
            cwd=target.parent,
            kernel_name="python3",
            progress_bar=False,
            execution_timeout=TIME_LIMIT,
            # What goes wrong in a kernel comes back as the error of a cell; its log would only repeat it.
            extra_arguments=["--IPKernelApp.log_level=50"],
        )
    except PapermillExecutionError as error:
        number = _number_in_source(source, error.cell_index)
        raise BuildError(f"chapter {name}, cell {number}: {error.ename}: {error.evalue}") from None
    except Exception as error:
        raise BuildError(f"chapter {name}: {type(error).__name__}: {error}") from None
    notebook = nbformat.read(target, as_version=4)
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                number = _number_in_source(source, index)
                raise BuildError(f"chapter {name}, cell {number} wrote a warning: {output.text.strip()}")
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("remove-cell")
            cell.id = "injected-parameters"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
    notebook.metadata.pop("papermill", None)
    nbformat.write(notebook, target)


def _number_in_source(source: Path, index: int) -> int:
    """Number of a cell as a person counts them in the source, which lacks the cell that papermill puts in."""
    cells = nbformat.read(source, as_version=4).cells
    after = next((i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])), len(cells))
    return index + 1 - (index > after)


def _render(stage: Path, out: Path) -> Path:
    shutil.rmtree(out, ignore_errors=True)
    # Jupyter Book 1.x cannot be run by `python -m`, and its script may not be on the path.
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(stage)]
    command += ["--path-output", str(out), "--all", "--quiet", "-W", "-n", "--keep-going"]
    result = subprocess.run(command, capture_output=True, text=True)
    site = out / "_build" / "html"
    if result.returncode != 0 or not (site / "index.html").is_file():
        said = re.sub(r"\x1b\[[0-9;]*m", "", result.stderr + result.stdout).replace(str(stage) + os.sep, "")
        lines = [line for line in said.splitlines() if re.search(r"WARNING|ERROR|Error", line)]
        raise BuildError("the pages could not be rendered:\n" + "\n".join(lines or said.splitlines()[-20:]))
    return site


def _put_in_place(new: Path, site: Path) -> None:
    old = site.with_name("html.old")
    shutil.rmtree(old, ignore_errors=True)
    if site.exists():
        site.rename(old)
    try:
        new.rename(site)
    except OSError:
        if old.exists():
            old.rename(site)
        raise
    shutil.rmtree(old, ignore_errors=True)


def watch(root: str | Path, data: str | Path = "data", as_of: str = "", port: int = 8000) -> None:
    """Build the book, serve it on this machine, and build it again whenever a source changes.

    Parameters
    ----------
    root, data, as_of
        As in `build`.
    port : int
        Port on the loopback address; 0: any free one.

    Raises
    ------
    BuildError
        If the port cannot be had.
    """
    from watchfiles import watch as changes_of

    root = Path(root).resolve()
    site = root / "_build" / "html"
    command = [sys.executable, "-m", "lib", "build", "--root", str(root), "--data", str(data), "--as-of", as_of]
    # A process of its own sees the library as it is now.
    rebuild = functools.partial(subprocess.run, command, check=False)
    handler = functools.partial(_QuietHandler, directory=str(site))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise BuildError(f"port {port} cannot be had ({error}): choose another with --port") from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        rebuild()
        print(f"Serving http://127.0.0.1:{server.server_address[1]}/ (stop with Ctrl-C)", flush=True)
        sources = (root / data, root / "book", root / "_config.yml", root / "_toc.yml", Path(__file__).parent)

        def is_source(change, path: str) -> bool:
            return any(Path(path).is_relative_to(source) for source in sources) and "__pycache__" not in path

        # The folders, and not the files in them: an editor that saves by renaming puts a new file in place.
        folders = {root, root / data, Path(__file__).parent}
        for changes in changes_of(*folders, watch_filter=is_source, raise_interrupt=False):
            names = ", ".join(sorted({Path(path).name for _, path in changes}))
            print(f"Changed: {names}", flush=True)
            rebuild()
    finally:
        server.shutdown()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def copyfile(self, source, outputfile) -> None:
        # A browser that goes away in mid-page is no news.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            super().copyfile(source, outputfile)
