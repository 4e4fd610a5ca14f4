"""Build the book: run the steps that are not up to date, and replace the site as a whole.

Belongs here: `build`, its report, and the folder that it works in. Does not belong here: the steps
(`lib.engine.graph`), and names of chapters, which ``_toc.yml`` lists.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib.caching.folder_lock import folder_lock
from lib.engine import fork_server, render
from lib.engine.errors import PROCESS_KILLED, BuildError, DataFaults, sentence
from lib.engine.graph import Graph, run
from lib.engine.project import Project
from lib.engine.snapshot import chapters, take_snapshot

__all__ = ["TIME_LIMIT", "BuildError", "Built", "DataFaults", "build", "chapters", "summary"]

TIME_LIMIT = 900.0
"""Default time limit of one cell of a chapter, in seconds."""


@dataclass(frozen=True)
class Built:
    """The outcome of a build.

    Attributes
    ----------
    site : Path
        The folder of the site.
    ran : list of str
        Chapters that this build executed, in the order of the book.
    changed : list of str
        Files of the site that are new, changed or gone, sorted.
    notices : list of str
        The project's notices: lines of text about what needs action.
    """

    site: Path
    ran: list[str]
    changed: list[str]
    notices: list[str] = field(default_factory=list)


def build(
    root: str | Path,
    data: str | Path = "data",
    as_of: str = "",
    *,
    project: Project,
    time_limit: float = TIME_LIMIT,
    dask: str = "",
    folder: str = "_build",
) -> Built:
    """Bring the site up to date.

    Parameters
    ----------
    root : str or Path
        The project's folder, with ``_config.yml``, ``_toc.yml`` and ``book/``.
    data : str or Path
        The data folder, relative to ``root`` unless absolute.
    as_of : str
        Date of the edition, YYYY-MM-DD; empty for the newest.
    project : Project
        What the engine needs to know about the project.
    time_limit : float
        Time limit of one cell in seconds, unless the chapter's ``metadata.execution.timeout`` sets another.
    dask : str
        Address of a Dask scheduler whose workers see the same files; empty to use the processors of this machine.
    folder : str
        The build folder, relative to ``root``: everything that is built goes there; the site is its ``html``.

    Returns
    -------
    Built

    Raises
    ------
    DataFaults
        If the data have faults or there is no edition of that date.
    BuildError
        If a chapter fails, warns, takes too long or its process dies, or the pages cannot be rendered. The site of the
        last successful build is unchanged, and the results of the other chapters are stored.
    OSError
        If the disk is full or cannot be written.
    """
    if not time_limit > 0:
        raise BuildError(f"the time limit must be more than 0 seconds, not {time_limit:g}")
    root = Path(root).resolve()
    chapters(root)
    build_folder = root / folder
    build_folder.mkdir(parents=True, exist_ok=True)
    fork_server.preload(project.preload)
    with folder_lock(build_folder):
        render.remove_others(build_folder)
        _remove_leftovers(build_folder)
        has_changed = take_snapshot(root, root / data, build_folder / "source")
        pages = chapters(build_folder / "source")
        notebooks = [page for page in pages if (build_folder / "source" / f"{page}.ipynb").is_file()]
        with _executor(dask) as (executor, workers):
            graph = Graph(build_folder, notebooks, as_of, time_limit, project, executor)
            try:
                if has_changed:
                    # At least one step will run: begin to import what steps need, in several processes at once.
                    if fork_server.ensure_running():
                        graph.server.launch()
                    importlib.import_module("lib.engine.chapter")
                    render.prepare_renderer(build_folder)
                steps_run, faults = run(graph.steps, workers)
            except KeyboardInterrupt:
                for process in multiprocessing.active_children():
                    process.kill()
                raise
            finally:
                graph.server.close()
        _raise_first(faults)
        ran = [page for page in notebooks if page in steps_run]
        return Built(build_folder / render.LINK, ran, graph.changed, graph.notices)


def _remove_leftovers(build_folder: Path) -> None:
    """Remove files and folders that killed processes left behind."""
    for folder in (build_folder, build_folder / "records", build_folder / "reads", build_folder / "stage"):
        for path in folder.rglob(".*") if folder != build_folder else folder.glob(".*"):
            if path.is_file() or path.is_symlink():
                path.unlink()
    for path in Path(tempfile.gettempdir()).glob(f"{fork_server.SOCKETS}*"):
        try:
            os.kill(int(path.name.split("-")[-2]), 0)
        except ProcessLookupError:
            shutil.rmtree(path, ignore_errors=True)
        except (PermissionError, ValueError):
            pass  # A running process of another user owns it, or it was not made by a build.
    for path in (build_folder / "templates").glob("*.tmp"):
        path.unlink()


@contextlib.contextmanager
def _executor(dask: str) -> Iterator[tuple[Executor | None, int]]:
    """Yield the executor of chapters (None for this machine) and the number of steps that may run at once."""
    if not dask:
        # One more than processors: chapters wait for the result server now and then.
        yield None, (os.cpu_count() or 1) + 1
        return
    try:
        from distributed import Client
    except ImportError:
        raise BuildError("Dask is not installed: install it with pip install distributed") from None
    try:
        client: Any = Client(dask, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise BuildError(f"there is no Dask scheduler at {dask}: {sentence(error)}") from None
    with client:
        yield client.get_executor(pure=False), max(1, sum(client.nthreads().values()))


def _raise_first(faults: list[Exception]) -> None:
    """Raise the most important of the faults, if there are any; join those of several chapters in one message."""
    for kind in (DataFaults, OSError):
        for fault in faults:
            if isinstance(fault, kind):
                raise fault
    if any(isinstance(fault, BrokenProcessPool) for fault in faults):
        raise BuildError(PROCESS_KILLED)
    messages = {str(f) if isinstance(f, BuildError) else sentence(f) for f in faults}
    if messages:
        raise BuildError("\n".join(sorted(messages)))


def summary(built: Built) -> str:
    """Return lines of text about the outcome of a build, followed by its notices."""
    lines = [f"The book is at {built.site / 'index.html'}"]
    if built.ran or built.changed:
        names = ", ".join(Path(page).name for page in built.ran) or "none"
        lines.insert(0, f"Chapters executed: {names}. Files of the site that changed: {len(built.changed)}.")
    else:
        lines[0] = f"Nothing changed. {lines[0]}"
    if built.notices:
        lines += ["Needs action, although it did not stop the build:", *(f"- {notice}" for notice in built.notices)]
    return "\n".join(lines)
