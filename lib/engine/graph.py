"""The steps of a build as a dependency graph, and the executor that runs the steps that are not up to date.

Belongs here: the dependencies and products of each step, and the order in which steps run. Does not belong here: how a
chapter is executed (`lib.engine.chapter`) or the site rendered (`lib.engine.render`), and any chapter by name.

A step runs again when the content of its dependencies or its products has changed; times do not count. The
dependencies of a chapter were recorded when it last ran: its source, the parts of the inputs, the modules of the
library and the packages that it used, and the date of the edition.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import json
import multiprocessing
import os
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lib.caching.safe_files import files, hash_files, mirror, replace_if_changed
from lib.caching.shared_results import ADDRESS
from lib.engine import editions, fork_server, packages, render
from lib.engine.errors import PROCESS_KILLED, BuildError, sentence
from lib.engine.progress import Progress
from lib.engine.project import Project, look_up
from lib.engine.result_server import ResultServer
from lib.engine.snapshot import content_of, digest, engine_code

# --- Steps and the order in which they run ----------------------------------------------------------------


class Step:
    """A step of the build, with a record of the state of its dependencies when it last ran.

    Parameters
    ----------
    name : str
        Name of the step: that of a page for a chapter.
    build_folder : Path
        The build folder (``_build``).
    state : callable
        Returns a hash of the step's dependencies (except packages) and of its products; None if the step must run.
    work : callable
        Runs the step, and returns the packages that it used.
    predecessors : iterable of Step
        Steps that must be up to date before this one runs.
    label : str
        What is shown while the step runs; by default that the page of its name is executed.
    """

    def __init__(
        self,
        name: str,
        build_folder: Path,
        state: Callable[[], str | None],
        work: Callable[[], list[str]],
        predecessors: Iterable[Step] = (),
        label: str = "",
    ):
        self.name, self.predecessors = name, tuple(predecessors)
        self.label = label or f"executing {Path(name).name}"
        self._build_folder, self._record = build_folder, build_folder / "records" / f"{name.replace('/', '.')}.json"
        self._state, self._work = state, work

    def bring_up_to_date(self, on_begin: Callable[[str], None] = lambda label: None) -> bool:
        """Run the step unless it is up to date, and return whether it ran; ``on_begin`` gets its label before that."""
        if self.is_done():
            return False
        on_begin(self.label)
        self._write_record(self._work())
        return True

    def is_done(self) -> bool:
        """Return whether nothing has changed since the step last ran."""
        try:
            record = json.loads(self._record.read_bytes())
            state = self._state()
            return state is not None and record["state"] == digest(
                state, packages.versions(record["packages"], self._build_folder)
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False  # It has never run, or its record is damaged.

    def _write_record(self, used: list[str]) -> None:
        state = digest(self._state() or "", packages.versions(used, self._build_folder))
        replace_if_changed(self._record, json.dumps({"state": state, "packages": used}).encode())


def run(steps: Sequence[Step], workers: int) -> tuple[list[str], list[Exception]]:
    """Bring steps up to date, several at a time, each after those it depends on.

    After a failure, the steps that do not depend on the failed one still run.

    Parameters
    ----------
    steps : sequence of Step
        All steps; those that are ready start in this order.
    workers : int
        Number of steps that may run at once.

    Returns
    -------
    steps_run : list of str
        The names of the steps that had to run.
    faults : list of Exception
        The errors of the steps that failed.
    """
    ready: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[Step, bool, BaseException | None]] = queue.SimpleQueue()
    progress = Progress(len(steps))

    def work() -> None:
        while (step := ready.get()) is not None:
            try:
                ended.put((step, step.bring_up_to_date(progress.begin), None))
            except BaseException as fault:
                ended.put((step, False, fault))

    for _ in range(workers):
        # Daemons: an interrupted build does not wait for a chapter.
        threading.Thread(target=work, daemon=True).start()
    steps_run: list[str] = []
    faults: list[Exception] = []
    waiting, running, finished = list(steps), set[Step](), set[Step]()
    try:
        with progress:
            while True:
                for step in [step for step in waiting if finished.issuperset(step.predecessors)]:
                    waiting.remove(step)
                    running.add(step)
                    ready.put(step)
                if not running:
                    # All steps that still wait depend on a step that failed.
                    return steps_run, faults
                step, had_to_run, fault = ended.get()
                running.remove(step)
                progress.end(step.label)
                if fault is None:
                    finished.add(step)
                    steps_run += [step.name] if had_to_run else []
                elif isinstance(fault, Exception):
                    faults.append(fault)
                else:
                    raise fault
    finally:
        # After an interrupt, no further step may start.
        with contextlib.suppress(queue.Empty):
            while True:
                ready.get_nowait()
        for _ in range(workers):
            ready.put(None)


# --- Steps ------------------------------------------------------------------------------------------------


class Graph:
    """The steps of a build: check the inputs, execute each chapter, compute the results, render the site.

    Parameters
    ----------
    build_folder : Path
        The build folder (``_build``), with a snapshot of the sources.
    notebooks : list of str
        The pages that are executed, as paths without their suffix.
    as_of : str
        Date of the edition, YYYY-MM-DD; empty for the newest.
    time_limit : float
        Time limit of one cell of a chapter in seconds.
    project : Project
        The project.
    executor : Executor or None
        Executes the chapters; None for this machine.

    Attributes
    ----------
    steps : list of Step
        All steps.
    changed : list of str
        Files of the site that rendering has changed.
    """

    def __init__(
        self,
        build_folder: Path,
        notebooks: list[str],
        as_of: str,
        time_limit: float,
        project: Project,
        executor: concurrent.futures.Executor | None,
    ):
        self.build_folder, self.source, self.stage = build_folder, build_folder / "source", build_folder / "stage"
        self.as_of, self.time_limit, self.project, self.executor = as_of, time_limit, project, executor
        self.server = ResultServer(self.source, as_of, project)
        self.changed: list[str] = []
        self._executed = {f"{page}.ipynb" for page in notebooks}
        inputs = Step("inputs", build_folder, self._inputs_state, self._check_inputs, label="checking the data")
        chapter_steps = [
            Step(
                page,
                build_folder,
                functools.partial(self._chapter_state, page),
                functools.partial(self._execute, page),
                [inputs],
            )
            for page in sorted(notebooks, key=self._start_order, reverse=True)
        ]
        label = "computing the results file"
        results = Step("results", build_folder, self._results_state, self._write_results, [inputs], label)
        site = Step(
            "site", build_folder, self._site_state, self._render, [*chapter_steps, results], "rendering the pages"
        )
        self.steps = [inputs, *chapter_steps, results, site]

    # Inputs

    @property
    def _fingerprints_file(self) -> Path:
        return self.build_folder / "inputs.json"

    def _inputs_state(self) -> str | None:
        if not self._fingerprints_file.is_file():
            return None
        # The loader is in a package, which is a folder, or in a module, which is one file.
        loader = self.project.loader.partition(":")[0].replace(".", "/")
        names = [f"{folder}/{name}" for folder in ("data", loader) for name in files(self.source / folder)]
        code = engine_code(self.source, "result_server")
        sources = hash_files(self.source, [*names, f"{loader}.py"])
        return digest(self.as_of, sources, code, content_of(self._fingerprints_file))

    def _check_inputs(self) -> list[str]:
        fingerprints, used = self.server.wait_until_loaded()
        replace_if_changed(self._fingerprints_file, json.dumps(fingerprints, indent=1).encode())
        return used

    # Chapters

    def _reads_file(self, page: str) -> Path:
        return self.build_folder / "reads" / f"{page}.json"

    def _start_order(self, page: str) -> tuple[bool, float]:
        """Return the sort key of a chapter: whether it is marked ``long_running``, and the seconds of its last run."""

        def read(path: Path) -> dict[str, Any]:
            # A chapter that cannot be read is reported when it is executed.
            with contextlib.suppress(ValueError):
                content = json.loads(content_of(path))
                return content if isinstance(content, dict) else {}
            return {}

        metadata = read(self.source / f"{page}.ipynb").get("metadata")
        is_long = isinstance(metadata, dict) and bool(metadata.get("long_running"))
        return is_long, read(self._reads_file(page)).get("seconds", 0.0)

    def _chapter_state(self, page: str) -> str | None:
        """Return a hash of the current state of what a chapter used when it last ran, and of its executed notebook."""
        try:
            executed = (self.stage / f"{page}.ipynb").read_bytes()
            reads = json.loads(self._reads_file(page).read_bytes())
            fingerprints = json.loads(self._fingerprints_file.read_bytes())
        except (OSError, ValueError):
            return None
        parts = [f"{view}/{name}: {fingerprints.get(view, {}).get(name)}" for view, name in reads["parts"]]
        used = hash_files(self.source, [f"{page}.ipynb", *reads["modules"]])
        return digest(self.as_of, used, engine_code(self.source, "chapter", "preload"), *parts, executed)

    def _execute(self, page: str) -> list[str]:
        # Imported here because the imports take longer than checking that nothing has changed.
        from lib.engine.chapter import execute

        arguments = (self.source / f"{page}.ipynb", self.as_of, self.time_limit, self.project)
        if self.executor is None:
            self.server.wait_until_loaded()
            notebook, reads = execute(*arguments, self.server.address)
        else:
            # Cluster workers get no address: the result server accepts connections from this machine only.
            notebook, reads = self.executor.submit(execute, *arguments, "").result()
        replace_if_changed(self.stage / f"{page}.ipynb", notebook)
        replace_if_changed(self._reads_file(page), reads)
        used: list[str] = json.loads(reads)["packages"]
        return used

    # Results

    @property
    def _notices_file(self) -> Path:
        return self.build_folder / "notices.json"

    @property
    def notices(self) -> list[str]:
        """The project's notices of the last build: what someone must act on."""
        notices: list[str] = json.loads(self._notices_file.read_bytes())
        return notices

    def _results_state(self) -> str | None:
        written, checked, notices = self.build_folder / render.RESULTS, self._fingerprints_file, self._notices_file
        if not (written.is_file() and checked.is_file() and notices.is_file()):
            return None
        # Notices can be about the form of the data, which the fingerprints of their content do not cover.
        sources = [f"{folder}/{name}" for folder in ("data", "lib") for name in files(self.source / folder)]
        contents = map(content_of, (checked, written, notices))
        return digest(self.as_of, hash_files(self.source, sources), *contents)

    def _write_results(self) -> list[str]:
        """Write the file of results; rendering copies it into the site."""
        self.server.wait_until_loaded()
        text, notices, used = _results(self.source, self.as_of, self.project, self.server.address)
        replace_if_changed(self._notices_file, json.dumps(notices, indent=1).encode())
        replace_if_changed(self.build_folder / render.RESULTS, text.encode())
        return used

    # Site

    def _site_state(self) -> str | None:
        present = render.hash_site(self.build_folder / render.LINK)
        if present is None:
            return None
        pages = hash_files(self.source, self._unexecuted()), hash_files(self.stage, sorted(self._executed))
        results = content_of(self.build_folder / render.RESULTS)
        others = [f"{date} {site}" for date, site in editions.built_editions(self.build_folder).items()]
        return digest(engine_code(self.source, "render"), *pages, results, *others, present)

    def _unexecuted(self) -> list[str]:
        """Return the names in the snapshot of the site's sources other than executed chapters."""
        return [name for name in files(self.source) if not name.startswith("lib/") and name not in self._executed]

    def _render(self) -> list[str]:
        # The prepared process must not load files while they are replaced. If the settings are others afterwards, a new
        # process takes its place.
        render.prepare_renderer(self.build_folder).wait_for_loading()
        mirror(self.stage, {name: self.source / name for name in self._unexecuted()}, protected=self._executed)
        try:
            folder, self.changed, used = render.prepare_renderer(self.build_folder).render()
        finally:
            render.close_renderer()
        render.publish(self.build_folder, folder)
        return used


def _results(source: Path, as_of: str, project: Project, address: str) -> tuple[str, list[str], list[str]]:
    """Compute the text of the results file and the notices in a process of its own, with the library of the snapshot.

    Returns
    -------
    text : str
        The file.
    notices : list of str
        The project's notices.
    used : list of str
        The packages that were imported to compute it.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with receiver:
        with sender:
            process = fork_server.start(_send_results, source, as_of, project, address, sender)
        try:
            text, notices, used, fault = receiver.recv()
        except EOFError:
            text, notices, used, fault = "", [], [], PROCESS_KILLED
        process.join()
    if fault:
        raise BuildError(f"the results of the book could not be computed: {fault}")
    return text, notices, used


def _send_results(source: Path, as_of: str, project: Project, address: str, sender: Connection) -> None:
    os.environ[ADDRESS] = address
    fork_server.use_library(source)
    try:
        inputs = look_up(project.loader)(source / "data", as_of)
        text = look_up(project.results)(inputs)
        notices = look_up(project.notices)(inputs) if project.notices else []
        sender.send((text, notices, packages.imported(), ""))
    except Exception as error:
        sender.send(("", [], [], sentence(error)))
