"""The build: what has to be made again, and only that, into a site that is replaced whole.

Knows what each step depends on and makes (a task graph, run by doit) and how a failure is told. A step runs again
when the content of what it depends on has changed, never because of a time. What a chapter depends on was noted when
it last ran: its source, the parts of the evidence and the modules of the library that it used, the date of the
edition, the installed packages. Every build works on a snapshot of the sources, so that a file saved meanwhile
belongs to the next.

Knows no chapter by name: which there are, and their order, ``_toc.yml`` says.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import functools
import hashlib
import importlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import filelock
import yaml
from doit.control import TaskControl
from doit.dependency import Dependency, JsonDB
from doit.reporter import ZeroReporter
from doit.runner import MThreadRunner
from doit.task import dict_to_task
from tqdm import tqdm

from lib.caching.safe_files import files, hash_files, mirror, replace_if_changed
from lib.engine import fork_server, render

TIME_LIMIT = 900
"""Seconds that one cell of a chapter may take."""
_LIBRARY = Path(__file__).parents[1]
_KILLED = "a process of the build was killed; is there enough memory?"
_OF_EVERY_CHAPTER = [f"lib/engine/{name}.py" for name in ("build", "chapter", "kernel", "fork_server", "preload")]
_OF_EVERY_CHAPTER += ["lib/caching/shared_results.py"]


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
                if key == "glob":
                    raise BuildError("_toc.yml: glob is not supported; name each page")
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
        if found.count(page) > 1:
            raise BuildError(f"_toc.yml names {page} twice")
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
    if not time_limit > 0:
        raise BuildError(f"the time limit must be more than 0 seconds, not {time_limit:g}")
    root = Path(root).resolve()
    chapters(root)
    made = root / "_build"
    made.mkdir(exist_ok=True)
    with _alone(made):
        render.remove_others(made)
        _remove_orphans(made)
        if _take_snapshot(root, root / data, made / "source"):
            # Something is going to run: its imports may begin, here and in the process that others are forked from.
            fork_server.warm_up()
            importlib.import_module("lib.engine.chapter")
            prepare_renderer(made)
        pages = chapters(made / "source")
        notebooks = [page for page in pages if (made / "source" / f"{page}.ipynb").is_file()]
        graph = _Graph(made, notebooks, as_of, time_limit)
        ran = _run(graph, dask)
        return Built(made / render.LINK, [page for page in notebooks if page in ran], graph.changed)


@contextlib.contextmanager
def _alone(made: Path) -> Iterator[None]:
    """Hold the lock of a build folder; the system frees that of a process that is gone."""
    lock, holder = filelock.FileLock(made / "lock"), made / "lock-holder"
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        name = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        print(f"Another build is at work here ({name}); waiting for it to end.", flush=True)
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
    wanted = {name: root / name for name in ("_config.yml", "_toc.yml")}
    for folder, at in (("book", root / "book"), ("data", data), ("lib", _LIBRARY)):
        names = (name for name in files(at) if not any(part.startswith(".") for part in Path(name).parts))
        wanted |= {f"{folder}/{name}": at / name for name in names}
    changed = mirror(source, wanted)
    if any(name.endswith(".py") for name in changed):
        # Compiled code is told from its source by the second it was written in.
        shutil.rmtree(source / "lib" / "__pycache__", ignore_errors=True)
    return bool(changed)


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


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b"is not there"


# --- Steps ------------------------------------------------------------------------------------------------


class _Step:
    """A step of the build: its work, and a hash of all that decides it and that it has made.

    Attributes
    ----------
    name : str
        A page, or what the step is for.
    work : callable
        Does it.

    Its ``state`` returns the hash; None where the step has to run whatever else is true.
    """

    def __init__(self, name: str, records: Path, state: Callable[[], str | None], work: Callable, *arguments: Any):
        self.name, self._record, self._state = name, records / name.replace("/", "."), state
        self.work = functools.partial(work, *arguments)

    def is_done(self) -> bool:
        """Whether nothing has changed since the step was done."""
        state = self._state()
        return state is not None and state.encode() == _content(self._record)

    def note(self) -> None:
        """Write down that the step is done."""
        replace_if_changed(self._record, (self._state() or "").encode())


class _Graph:
    """The steps of a build: check the evidence, execute each chapter, compute the results, render the site.

    Attributes
    ----------
    changed : list of str
        Files of the site that rendering has changed.
    """

    def __init__(self, made: Path, notebooks: list[str], as_of: str, time_limit: float):
        self.made, self.source, self.stage = made, made / "source", made / "stage"
        self.notebooks, self.as_of = notebooks, as_of
        records = made / "records"
        self.answers = _EvidenceProcess(self.source, as_of)
        self.evidence = _Step("evidence", records, self._evidence_state, self._check_evidence)
        self.chapters = [
            _Step(
                page,
                records,
                functools.partial(self._chapter_state, page),
                _execute,
                self.source / f"{page}.ipynb",
                as_of,
                time_limit,
            )
            for page in sorted(notebooks, key=self._length, reverse=True)
        ]
        self.results = _Step("results", records, self._results_state, self._write_results)
        self.site = _Step("site", records, self._site_state, self._render)
        self.changed: list[str] = []

    @property
    def _evidence_file(self) -> Path:
        return self.made / "evidence.json"

    def _reads_file(self, page: str) -> Path:
        return self.made / "reads" / f"{page}.json"

    def keep(self, page: str, notebook: bytes, reads: bytes) -> None:
        """Put in place what a chapter gave, and what it read; what is there already is not written again."""
        replace_if_changed(self.stage / f"{page}.ipynb", notebook)
        replace_if_changed(self._reads_file(page), reads)

    def _length(self, page: str) -> tuple[bool, float]:
        """Return whether a chapter says that it may run long, and the seconds it last took: the longest begin first."""

        def read(path: Path) -> dict:
            # A chapter that cannot be read is told when it is executed.
            with contextlib.suppress(ValueError):
                found = json.loads(_content(path))
                return found if isinstance(found, dict) else {}
            return {}

        says = read(self.source / f"{page}.ipynb").get("metadata")
        return bool(isinstance(says, dict) and says.get("long_running")), read(self._reads_file(page)).get(
            "seconds", 0.0
        )

    def _evidence_state(self) -> str | None:
        if not self._evidence_file.is_file():
            return None
        data = [f"data/{name}" for name in files(self.source / "data")]
        modules = [f"lib/evidence/{name}" for name in files(self.source / "lib/evidence")] + ["lib/engine/build.py"]
        made = _content(self._evidence_file)
        return _hash(self.as_of, _environment(), hash_files(self.source, [*data, *modules]), made)

    def _check_evidence(self) -> None:
        views = self.answers.views()
        replace_if_changed(self._evidence_file, json.dumps(views, indent=1).encode())

    def _chapter_state(self, page: str) -> str | None:
        """Hash what a chapter used when it last ran, as it is now, and what it made."""
        try:
            executed = (self.stage / f"{page}.ipynb").read_bytes()
            noted = json.loads(self._reads_file(page).read_bytes())
            parts = json.loads(self._evidence_file.read_bytes())
        except (OSError, ValueError):
            return None
        own = [f"{page}.ipynb", *_OF_EVERY_CHAPTER]
        read = [f"{view}/{name}: {parts.get(view, {}).get(name)}" for view, name in noted["parts"]]
        used = hash_files(self.source, [*own, *noted["modules"]])
        return _hash(self.as_of, _environment(), used, *read, executed)

    def _results_state(self) -> str | None:
        """Hash what decides the registered results, and the file of them."""
        written, checked = self.made / render.RESULTS, self._evidence_file
        if not (written.is_file() and checked.is_file()):
            return None
        library = hash_files(self.source, [f"lib/{name}" for name in files(self.source / "lib")])
        return _hash(self.as_of, _environment(), library, _content(checked), _content(written))

    def _write_results(self) -> None:
        """Write the results that the book states beside the pages-to-be; rendering takes them into the site."""
        self.answers.views()
        replace_if_changed(self.made / render.RESULTS, _results(self.source, self.as_of, self.answers.address).encode())

    def _site_state(self) -> str | None:
        present = render.digest(self.made / render.LINK)
        if present is None:
            return None
        pages = hash_files(self.source, self._unexecuted())
        results = _content(self.made / render.RESULTS)
        return _hash(self._tools(), pages, hash_files(self.stage, sorted(self._executed)), results, present)

    def _tools(self) -> str:
        """Hash what pages are made with."""
        return _hash(
            _environment(),
            hash_files(self.source, ["lib/engine/build.py", "lib/engine/sphinx_builder.py", "lib/engine/render.py"]),
        )

    @property
    def _executed(self) -> set[str]:
        return {f"{page}.ipynb" for page in self.notebooks}

    def _unexecuted(self) -> list[str]:
        """Return what the pages are made of besides executed chapters, as names of the snapshot."""
        return [name for name in files(self.source) if not name.startswith("lib/") and name not in self._executed]

    def _render(self) -> None:
        # A file that is replaced while it is read could be taken for the one that was read.
        prepare_renderer(self.made).wait_for_reading()
        mirror(self.stage, {name: self.source / name for name in self._unexecuted()}, keep=self._executed)
        renderer = prepare_renderer(self.made)
        try:
            folder, self.changed = renderer.submit(
                render.render, self.stage, self.made, renderer.work, self._tools()
            ).result()
        except render.RenderError as error:
            raise BuildError(str(error)) from None
        finally:
            close_renderer()
        render.publish(self.made, folder)


def _execute(*arguments: Any) -> tuple[bytes, bytes]:
    # Its imports take longer than to find that nothing has changed.
    from lib.engine.chapter import ChapterError, execute

    try:
        return execute(*arguments)
    except ChapterError as error:
        raise BuildError(str(error)) from None


def _results(source: Path, as_of: str, address: str) -> str:
    """Return the text of the results file, computed in a process of its own with the library of the snapshot.

    Raises
    ------
    BuildError
        If they cannot be computed.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with receiver:
        with sender:
            process = fork_server.start(_send_results, source, as_of, address, sender)
        try:
            is_good, text = receiver.recv()
        except EOFError:
            is_good, text = False, _KILLED
        process.join()
    if not is_good:
        raise BuildError(f"the results of the book could not be computed: {text}")
    return text


def _send_results(source: Path, as_of: str, address: str, sender: Connection) -> None:
    os.environ["REVIEW_EVIDENCE"] = address
    # The library is a copy; what it keeps from build to build stays in one place.
    os.environ.setdefault("REVIEW_KEPT", str(_LIBRARY.parent / "_build" / "kept"))
    fork_server.use_library(source)
    try:
        from lib.evidence import load
        from lib.report.registry import as_json

        sender.send((True, as_json(load(source / "data", as_of))))
    except Exception as error:
        sender.send((False, f"{type(error).__name__}: {error}"))


class _EvidenceProcess:
    """A process that has checked the evidence and is asked for it by the chapters; it starts when first needed.

    Attributes
    ----------
    address : str
        The socket at which it is asked, see `lib.caching.shared_results`.
    """

    def __init__(self, source: Path, as_of: str):
        self._source, self._as_of = source, as_of
        self._ends, self._starting = contextlib.ExitStack(), threading.Lock()
        self._said: tuple[str, Any] | None = None
        self.address = ""

    def views(self) -> dict[str, dict[str, str]]:
        """Return the hash of every part of every view of the evidence; from then on it can be asked.

        Raises
        ------
        DataFaults
            If the data have faults.
        BuildError
            If the library cannot read them, or the process is gone.
        """
        with self._starting:
            if self._said is None:
                self._said = self._start()
        kind, content = self._said
        if kind == "views":
            return content
        raise (DataFaults if kind == "faults" else BuildError)(content)

    def _start(self) -> tuple[str, Any]:
        # Not in the project: the name of a socket must be short.
        folder = self._ends.enter_context(tempfile.TemporaryDirectory(prefix=f"{fork_server.SOCKETS}{os.getpid()}-"))
        self.address = os.path.join(folder, "evidence")
        receiver, sender = multiprocessing.Pipe(duplex=False)
        with receiver:
            with sender:
                process = fork_server.start(_answer_for_evidence, self._source, self._as_of, self.address, sender)
            self._ends.callback(process.join)
            self._ends.callback(process.kill)
            try:
                return receiver.recv()
            except EOFError:
                return "error", _KILLED

    def close(self) -> None:
        """End the process."""
        self._ends.close()


def _answer_for_evidence(source: Path, as_of: str, address: str, said: Connection) -> None:
    fork_server.use_library(source)
    try:
        from lib.caching.shared_results import answer
        from lib.evidence import DataError, load

        try:
            evidence = load(source / "data", as_of)
        except DataError as error:
            said.send(("faults", "\n".join(map(str, error.faults))))
            return
        views = evidence.fingerprints()
    except Exception as error:
        said.send(("error", f"{type(error).__name__}: {error}"))
        return
    try:
        answer(evidence, address, lambda: said.send(("views", views)))
    except OSError as error:
        said.send(("error", f"the processes of the build cannot talk to each other: {error}"))


class _RenderingProcess:
    """A process that has imported what rendering needs and read the pages that were there, for one rendering."""

    def __init__(self, made: Path):
        self.stage = stage = made / "stage"
        self.settings = render.hash_settings(stage)
        self._ends = contextlib.ExitStack()
        folder = tempfile.TemporaryDirectory(dir=made, prefix=f"render-{os.getpid()}-")
        self.work = Path(self._ends.enter_context(folder))
        self.submit = self._ends.enter_context(fork_server.fresh_process())
        there = (stage / "_toc.yml").is_file()
        self._reading = self.submit(render.get_ready, stage, made, self.work) if there else None

    def wait_for_reading(self) -> None:
        """Wait until what is there has been read; what hinders it, the rendering will tell."""
        if self._reading is not None:
            concurrent.futures.wait([self._reading])

    def close(self) -> None:
        """End the process and remove its folder."""
        self._ends.close()


_renderer: _RenderingProcess | None = None


def prepare_renderer(made: Path) -> _RenderingProcess:
    """Have a process ready for the next rendering in a build folder, with its present settings; return it."""
    global _renderer
    stage = made / "stage"
    if _renderer is None or (_renderer.stage, _renderer.settings) != (stage, render.hash_settings(stage)):
        close_renderer()
        _renderer = _RenderingProcess(made)
    return _renderer


@atexit.register
def close_renderer() -> None:
    """End the process that is ready, if there is one."""
    global _renderer
    if _renderer is not None:
        _renderer.close()
        _renderer = None


def _remove_orphans(made: Path) -> None:
    """Remove what processes left that were killed."""
    for folder in (made, made / "records", made / "reads", made / "stage"):
        for path in folder.rglob(".*") if folder != made else folder.glob(".*"):
            if path.is_file() or path.is_symlink():
                path.unlink()
    for path in [*made.glob("render-*"), *Path(tempfile.gettempdir()).glob(f"{fork_server.SOCKETS}*")]:
        try:
            os.kill(int(path.name.split("-")[-2]), 0)
        except ProcessLookupError:
            shutil.rmtree(path, ignore_errors=True)
        except (PermissionError, ValueError):
            pass  # Somebody else's, and alive; or none of ours.
    for path in (made / "templates").glob("*.tmp"):
        path.unlink()


# --- Running them -----------------------------------------------------------------------------------------


class _Records(JsonDB):
    """doit's own notes on what is done, kept nowhere: a build that is killed must not lose or spoil them."""

    def dump(self) -> None:
        """Nothing is left to do."""


class _Progress(ZeroReporter):
    """Shows on a terminal how many steps are done."""

    def __init__(self, steps: int):
        super().__init__(sys.stderr, {})
        self._bar = tqdm(total=steps, desc="Steps", unit="step", disable=None, leave=False)

    def add_success(self, *task) -> None:
        """A step is done, or need not be, or cannot be."""
        self._bar.update()

    add_failure = skip_uptodate = add_success

    def complete_run(self) -> None:
        """All are."""
        self._bar.close()


def _run(graph: _Graph, dask: str) -> list[str]:
    """Let doit run the steps that have to run, in parallel; return the names of those that ran.

    Raises
    ------
    BuildError, OSError
        What went wrong, as one message, after all steps that do not depend on it have run.
    """
    ran, faults = [], []
    # doit reads a meaning into some names.
    names = {step: f"step{i}" for i, step in enumerate([*graph.chapters, graph.results, graph.site])}

    def task(step: _Step, after: list[_Step], executor: Executor | None):
        def act() -> bool:
            try:
                if step not in graph.chapters:
                    step.work()
                elif executor is None:
                    graph.answers.views()
                    graph.keep(step.name, *step.work(graph.answers.address))
                else:
                    # Who answers is on this machine alone.
                    graph.keep(step.name, *executor.submit(step.work, "").result())
                step.note()
            except Exception as fault:
                faults.append(fault)
                return False
            ran.append(step.name)
            return True

        return dict_to_task(
            {
                "name": names[step],
                "actions": [act],
                "task_dep": [names[before] for before in after],
                "uptodate": [step.is_done],
                "io": {"capture": False},
            }
        )

    try:
        # Nothing can begin before; as a task, it would have doit begin the chapters in any order.
        if not graph.evidence.is_done():
            graph.evidence.work()
            graph.evidence.note()
        with _cluster(dask) as (executor, workers):
            chapters = [task(step, [], executor) for step in graph.chapters]
            before = [*graph.chapters, graph.results]
            tasks = [*chapters, task(graph.results, [], executor), task(graph.site, before, executor)]
            control = TaskControl(tasks)
            control.process(None)
            notes = Dependency(_Records, "")
            runner = MThreadRunner(notes, _Progress(len(tasks)), continue_=True, num_process=workers)
            runner.run_all(control.task_dispatcher())
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        graph.answers.close()
    _raise_first(faults)
    return ran


def _raise_first(faults: list[Exception]) -> None:
    """Raise what a person has to know first; several chapters' faults are one message."""
    for kind in (DataFaults, OSError):
        for fault in faults:
            if isinstance(fault, kind):
                raise fault
    if any(isinstance(fault, BrokenProcessPool) for fault in faults):
        raise BuildError(_KILLED)
    messages = {str(f) if isinstance(f, BuildError) else f"{type(f).__name__}: {f}" for f in faults}
    if messages:
        raise BuildError("\n".join(sorted(messages)))


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor | None, int]]:
    """Yield what executes chapters, None for this machine, and how many at once."""
    if not address:
        yield None, os.cpu_count() or 1
        return
    try:
        from distributed import Client
    except ImportError:
        raise BuildError("Dask is not installed: pip install distributed") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise BuildError(f"there is no Dask scheduler at {address}: {error}") from None
    with client:
        yield client.get_executor(pure=False), max(1, sum(client.nthreads().values()))


def summary(built: Built) -> str:
    """Say what a build did, in a line or two."""
    if not built.ran and not built.changed:
        return f"Nothing changed. The book is at {built.site / 'index.html'}"
    names = ", ".join(Path(page).name for page in built.ran) or "none"
    return (
        f"Chapters executed: {names}. Files of the site that changed: {len(built.changed)}.\n"
        f"The book is at {built.site / 'index.html'}"
    )
