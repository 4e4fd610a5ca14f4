"""The build: what has to be made again, and only that, into a site that is replaced whole.

Knows what each step depends on and makes (a task graph, run by pytask) and how a failure is told. A step runs again
when the content of what it depends on has changed, never because of a time. What a chapter depends on was noted when
it last ran: its source, the parts of the evidence and the modules of the library that it used, the date of the
edition, the installed packages. Every build works on a snapshot of the sources, so that a file saved meanwhile
belongs to the next.

Knows no chapter by name: which there are, and their order, ``_toc.yml`` says.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import pytask
import yaml
from pytask import console
from pytask_parallel import ParallelBackend

from lib import processes, site
from lib.files import files, replace_if_changed

TIME_LIMIT = 300
"""Seconds that one cell of a chapter may take."""
_LIBRARY = Path(__file__).parent


class BuildError(Exception):
    """The book could not be built; the message is for a person."""


class DataFaults(BuildError):
    """The data have faults; the message has a line for each."""


@dataclass(frozen=True)
class Built:
    """What a build did.

    Attributes
    ----------
    site : Path
        The folder of the site.
    ran : list of str
        Chapters that were executed, in the order of the book.
    changed : list of str
        Files of the site that are new, other or gone, sorted.
    """

    site: Path
    ran: list[str]
    changed: list[str]


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


def build(
    root: str | Path,
    data: str | Path = "data",
    as_of: str = "",
    *,
    time_limit: float = TIME_LIMIT,
    dask: str = "",
    say: Callable[[str], None] = print,
) -> Built:
    """Bring the site up to date.

    Parameters
    ----------
    root : str or Path
        The project: ``_config.yml``, ``_toc.yml``, ``book/``. Everything made goes into its ``_build/``; the site
        is ``_build/html``.
    data : str or Path
        The data folder, relative to ``root`` unless absolute.
    as_of : str
        Date of the edition, YYYY-MM-DD; empty: the newest.
    time_limit : float
        Seconds that one cell of a chapter may take.
    dask : str
        Address of a Dask scheduler whose workers see the same files; empty: the processors of this machine.
    say : callable
        Told what a person who waits wants to know.

    Returns
    -------
    Built

    Raises
    ------
    DataFaults
        If the data have faults or there is no edition of that date.
    BuildError
        If a chapter fails, warns, hangs or dies, or the pages cannot be rendered. The site of the last good build
        is left as it was, and the work of the other chapters is kept.
    OSError
        If the disk is full or may not be written.
    """
    root = Path(root).resolve()
    made = root / "_build"
    made.mkdir(parents=True, exist_ok=True)
    with _alone(made, say):
        site.remove_others(made)
        pages = chapters(root)
        if _take_snapshot(root, root / data, made / "source"):
            # Something is going to run: its imports may begin.
            processes.warm_up()
            prepare_renderer()
        notebooks = [page for page in pages if (made / "source" / f"{page}.ipynb").is_file()]
        graph = _Graph(made, notebooks, as_of, time_limit)
        _run(graph, dask)
        return Built(made / site.LINK, [page for page in notebooks if page in graph.ran], graph.changed())


@contextlib.contextmanager
def _alone(made: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a build folder; the system frees that of a process that is gone."""
    lock, holder = filelock.FileLock(made / "lock"), made / "lock-holder"
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        name = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        say(f"Another build is at work here ({name}); waiting for it to end.")
        lock.acquire()
    try:
        holder.write_text(f"process {os.getpid()}", encoding="utf-8")
        yield
    finally:
        lock.release()


# --- Snapshot ---------------------------------------------------------------------------------------------


def _take_snapshot(root: Path, data: Path, source: Path) -> bool:
    """Make ``source`` hold the sources as they are now; return whether anything changed."""
    if not data.is_dir():
        raise DataFaults(f"{data}: the data folder is not there")
    wanted = {Path(name): root / name for name in ("_config.yml", "_toc.yml")}
    for name, folder, pattern in (("book", root / "book", "**/*"), ("data", data, "*"), ("lib", _LIBRARY, "*.py")):
        for path in folder.glob(pattern):
            hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
            if path.is_file() and not hidden:
                wanted[Path(name) / path.relative_to(folder)] = path
    changed = False
    for name, path in wanted.items():
        if replace_if_changed(source / name, path.read_bytes()):
            changed = True
            if name.suffix == ".py":
                # Compiled code is told from its source by the second it was written in.
                shutil.rmtree(source / name.parent / "__pycache__", ignore_errors=True)
    for name in files(source):
        if Path(name) not in wanted and "__pycache__" not in name:
            (source / name).unlink()
            changed = True
    return changed


@functools.cache
def _environment() -> str:
    """Return the version of Python and the names and versions of the installed packages."""
    folders = (Path(folder) for folder in sys.path if folder.endswith("-packages"))
    packages = sorted(path.name for folder in folders for path in folder.glob("*-info"))
    return "\n".join([sys.version, *packages])


def _hash(*parts: bytes | str) -> str:
    total = hashlib.sha256()
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        total.update(str(len(part)).encode() + b":" + part)
    return total.hexdigest()


def _hash_files(folder: Path, names: list[str]) -> str:
    return _hash(*(part for name in names for part in (name, _content(folder / name))))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b"is not there"


# --- Tasks ------------------------------------------------------------------------------------------------


@dataclass
class _Node:
    """Something a step depends on or makes, told apart by a hash of its content."""

    name: str
    hash: Callable[[], str | None]
    attributes: dict[Any, Any] = field(default_factory=dict)

    @property
    def signature(self) -> str:
        return _hash(self.name)

    def state(self) -> str | None:
        return self.hash()

    def load(self, is_product: bool = False) -> None:
        """Steps know where their files are."""

    def save(self, value: Any) -> None:
        """As above."""


class _Graph:
    """The steps of a build: check the evidence, execute each chapter, render the site."""

    def __init__(self, made: Path, notebooks: list[str], as_of: str, time_limit: float):
        self.made, self.source, self.stage = made, made / "source", made / "stage"
        self.notebooks, self.as_of, self.time_limit = notebooks, as_of, time_limit
        self.ran: set[str] = set()

    def tasks(self) -> list[pytask.TaskWithoutPath]:
        """Return the steps for pytask."""
        checked = _Node("the evidence is checked", lambda: "yes" if self._evidence_file.is_file() else None)
        executed = {page: _Node(page, functools.partial(self._hash_executed, page)) for page in self.notebooks}
        tasks = [
            pytask.TaskWithoutPath(
                name="evidence",
                function=_call(_check_evidence, self.source, self._evidence_file, self.as_of),
                depends_on={"on": _Node("data and its reader", self._hash_evidence)},
                produces={"makes": checked},
            )
        ]
        for page, node in executed.items():
            notebook = self.source / f"{page}.ipynb"
            long = json.loads(notebook.read_bytes())["metadata"].get("long_running", False)
            step = _call(
                _execute, notebook, self.stage / f"{page}.ipynb", self._reads_file(page), self.as_of, self.time_limit
            )
            tasks.append(
                pytask.TaskWithoutPath(
                    name=page,
                    function=step,
                    depends_on={"on": [checked, _Node(f"what {page} uses", functools.partial(self._hash_used, page))]},
                    produces={"makes": node},
                    markers=[pytask.Mark("try_first", (), {})] if long else [],
                )
            )
        tasks.append(
            pytask.TaskWithoutPath(
                name="site",
                function=_call(_render_site, self.source, self.stage, self.made, self.notebooks),
                depends_on={"on": [checked, *executed.values(), _Node("pages and data", self._hash_pages)]},
                produces={"makes": _Node("the site", lambda: site.digest(self.made / site.LINK))},
            )
        )
        return tasks

    @property
    def _evidence_file(self) -> Path:
        return self.made / "evidence.json"

    def _reads_file(self, page: str) -> Path:
        return self.made / "reads" / f"{page}.json"

    def _hash_evidence(self) -> str:
        data = [f"data/{name}" for name in files(self.source / "data")]
        modules = ["lib/evidence.py", "lib/validation.py", "lib/build.py"]
        return _hash(self.as_of, _environment(), _hash_files(self.source, [*data, *modules]))

    def _hash_used(self, page: str) -> str:
        """Hash what a chapter used when it last ran, as it is now."""
        try:
            noted = json.loads(self._reads_file(page).read_text(encoding="utf-8"))
            parts = json.loads(self._evidence_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "never ran"
        own = [f"{page}.ipynb", "lib/chapters.py", "lib/kernels.py", "lib/processes.py"]
        read = [f"{view}/{name}: {parts.get(view, {}).get(name)}" for view, name in noted["parts"]]
        return _hash(self.as_of, _environment(), _hash_files(self.source, [*own, *noted["modules"]]), *read)

    def _hash_executed(self, page: str) -> str | None:
        path = self.stage / f"{page}.ipynb"
        return _hash(path.read_bytes()) if path.is_file() and self._reads_file(page).is_file() else None

    def _hash_pages(self) -> str:
        """Hash what the pages are made of besides executed chapters."""
        notebooks = {f"{page}.ipynb" for page in self.notebooks}
        names = [name for name in files(self.source) if not name.startswith("lib/") and name not in notebooks]
        return _hash(_environment(), _hash_files(self.source, [*names, "lib/site.py"]))

    def changed(self) -> list[str]:
        """Return the files of the site that this build changed."""
        if "site" not in self.ran:
            return []
        return json.loads((self.made / "changed.json").read_text(encoding="utf-8"))


def _call(function: Callable, *arguments: Any) -> Callable:
    """Return a step that calls a function; what pytask hands it, it knows already."""
    step = functools.partial(_ignore_nodes, function, arguments)
    return functools.update_wrapper(step, function)


def _ignore_nodes(function: Callable, arguments: tuple, **nodes: Any) -> None:
    function(*arguments)


def _execute(*arguments: Any) -> None:
    # Its imports take longer than to find that nothing has changed.
    from lib.chapters import ChapterError, execute

    try:
        execute(*arguments)
    except ChapterError as error:
        raise BuildError(str(error)) from None


def _check_evidence(source: Path, target: Path, as_of: str) -> None:
    with processes.fresh_process() as submit:
        faults, views = submit(_read_evidence, source, as_of).result()
    if faults:
        raise DataFaults("\n".join(faults))
    replace_if_changed(target, json.dumps(views, indent=1).encode())


def _read_evidence(source: Path, as_of: str) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Check the data; return the faults, or else the hash of every part of every view."""
    processes.use_library(source)
    from lib.evidence import REGIMENS, load
    from lib.validation import DataError

    try:
        evidence = load(source / "data", as_of)
    except DataError as error:
        return [str(fault) for fault in error.faults], {}
    views = [evidence, *map(evidence.only, REGIMENS)]
    return [], {view.view: view.fingerprints() for view in views}


_renderers: list[tuple[contextlib.ExitStack, Callable]] = []


def prepare_renderer() -> None:
    """Have a process ready that has imported what rendering needs, for the next rendering."""
    if not _renderers:
        process = contextlib.ExitStack()
        submit = process.enter_context(processes.fresh_process())
        submit(site.import_renderer)
        _renderers.append((process, submit))


def _render_site(source: Path, stage: Path, made: Path, notebooks: list[str]) -> None:
    kept = {f"{page}.ipynb" for page in notebooks}
    wanted = {name for name in files(source) if not name.startswith("lib/")} - kept
    for name in sorted(wanted):
        replace_if_changed(stage / name, (source / name).read_bytes())
    for name in files(stage):
        if name not in wanted | kept:
            (stage / name).unlink()
    prepare_renderer()
    process, submit = _renderers.pop()
    with process:
        try:
            folder, changed = submit(site.render, stage, made).result()
        except site.RenderError as error:
            raise BuildError(str(error)) from None
    replace_if_changed(made / "changed.json", json.dumps(changed, indent=1).encode())
    site.publish(made, folder)


# --- Running them -----------------------------------------------------------------------------------------


def _run(graph: _Graph, dask: str) -> None:
    """Let pytask run what has changed, and turn what it reports into one message."""
    backend, workers = ParallelBackend.THREADS, os.cpu_count() or 1
    with contextlib.ExitStack() as stack:
        if dask:
            backend, workers = ParallelBackend.DASK, stack.enter_context(_dask_workers(dask))
        # Its display is for a person who watches; what a log needs is said at the end.
        console.quiet = not sys.stdout.isatty()
        session = pytask.build(
            tasks=graph.tasks(),
            paths=graph.made,
            config=None,
            capture="no",
            disable_warnings=True,
            show_traceback=False,
            n_workers=workers,
            parallel_backend=backend,
        )
    outcomes = {report.task.name: report for report in session.execution_reports}
    graph.ran = {name for name, report in outcomes.items() if report.outcome.name == "SUCCESS"}
    failed = [report.exc_info[1] for report in outcomes.values() if report.outcome.name == "FAIL"]
    if failed:
        _raise(failed)
    if session.exit_code != pytask.ExitCode.OK:
        raise BuildError("the build's own records could not be read or written; is the disk full? See _build/")
    if "site" not in outcomes:
        raise KeyboardInterrupt


def _raise(failed: list[BaseException]) -> None:
    for kind in (DataFaults, OSError):
        for error in failed:
            if isinstance(error, kind):
                raise error
    messages = [str(e) if isinstance(e, BuildError) else f"{type(e).__name__}: {e}" for e in failed]
    raise BuildError("\n".join(sorted(messages)))


@contextlib.contextmanager
def _dask_workers(address: str) -> Iterator[int]:
    """Connect to a Dask cluster, for pytask to find; yield the number of its workers."""
    try:
        import distributed
    except ImportError:
        raise BuildError("Dask is not installed: pip install distributed") from None
    try:
        client = distributed.Client(address, timeout=10)
    except OSError as error:
        raise BuildError(f"there is no Dask scheduler at {address}: {error}") from None
    with client, warnings.catch_warnings():
        yield max(1, len(client.scheduler_info(n_workers=-1)["workers"]))


def summary(built: Built) -> str:
    """Say what a build did, in a line or two."""
    if not built.ran and not built.changed:
        return f"Nothing changed. The book is at {built.site / 'index.html'}"
    names = ", ".join(Path(page).name for page in built.ran) or "none"
    return (
        f"Chapters executed: {names}. Files of the site that changed: {len(built.changed)}.\n"
        f"The book is at {built.site / 'index.html'}"
    )
