"""The kernel of a chapter: forked, isolated, and observed, so that the build knows what the chapter read.

Belongs here: starting a kernel by forking, recording what it reads, and preventing reads that cannot be recorded. Does
not belong here: executing cells (`lib.engine.chapter`).

A kernel records the parts of the inputs, the modules of the library and the packages that its chapter used. These are
the chapter's dependencies; they are not guessed from its source. A chapter that reads data other than through the
project's reader is stopped, because the build would not know when to run it again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from types import FrameType
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from lib.caching.safe_files import replace_if_changed
from lib.caching.shared_results import ADDRESS
from lib.engine import fork_server, packages
from lib.engine.project import Project, recorded

NAME = "forked"
_SETTINGS = "--chapter-settings="


class UnknownRead(Exception):
    """A chapter tried to read a file in a way that the build cannot record as a dependency."""


def arguments(source: Path, reads: Path, server: str, project: Project) -> list[str]:
    """Return the command-line arguments of a kernel that executes a chapter of the snapshot ``source``.

    Parameters
    ----------
    source : Path
        The snapshot of the sources.
    reads : Path
        File in which the kernel records what was read.
    server : str
        Socket of the result server (`lib.engine.result_server`); empty if there is none.
    project : Project
        The project.
    """
    settings = {"source": str(source), "reads": str(reads), "server": server, "project": dataclasses.asdict(project)}
    return [_SETTINGS + json.dumps(settings)]


class ForkedProvisioner(LocalProvisioner):
    """Starts a kernel as a fork of the server process, while Jupyter's own provisioner starts a new interpreter."""

    # Private interface: `process`, `pid` and `connection_info` of jupyter_client's LocalProvisioner. If it breaks:
    # compare launch_kernel and kill with the installed version; the base class works too, but more slowly.

    @staticmethod
    def run(arguments: list[str], environment: dict[str, str], folder: str) -> None:
        """Run the kernel of a chapter, in the forked process, until it is ended; ``folder`` is that of the chapter."""
        _run_kernel(arguments, environment)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork the kernel; ``cmd`` is the command that would start it otherwise."""
        arguments, environment = cmd[cmd.index("-m") + 2 :], dict(kwargs.get("env") or os.environ)
        process: Any = _ForkedProcess(self.run, arguments, environment, kwargs.get("cwd") or "")
        self.process, self.pid = process, process.pid
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """End the kernel and return when it has ended; Jupyter's own method checks only every tenth of a second."""
        if self.process:
            self.process.kill()


def install(provisioner: type[ForkedProvisioner] = ForkedProvisioner) -> None:
    """Make Jupyter fork the kernels that this process starts.

    Parameters
    ----------
    provisioner : type
        What starts them.
    """
    # Private interface: jupyter_client documents provisioners that are installed as entry points, but not adding one to
    # the factory at run time. If it breaks: declare the entry point in pyproject.toml, in the group GROUP_NAME, and set
    # the traitlet KernelProvisionerFactory.default_provisioner_name.
    factory = KernelProvisionerFactory.instance()
    entry = EntryPoint(NAME, f"{provisioner.__module__}:{provisioner.__name__}", KernelProvisionerFactory.GROUP_NAME)
    factory.provisioners[NAME] = entry
    factory.default_provisioner_name = NAME


class ForkedKernelClient(AsyncKernelClient):
    """Uses a kernel as soon as it replies, while Jupyter's own client listens for another fifth of a second.

    Messages that remain from the start belong to no cell, and nbclient ignores them.
    """

    # Private interface: that nbclient calls wait_for_ready of jupyter_client's client, and ignores messages without a
    # cell. If it breaks: remove this class and "client_factory" in lib.engine.chapter; a chapter takes 0.2 s longer.

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel has replied on both channels, or for ``timeout`` seconds.

        A kernel that died or does not reply is reported for the first cell: nbclient does not clean up if this raises.
        """
        start = time.monotonic()
        while await self.is_alive() and (timeout is None or time.monotonic() - start < timeout):
            self.kernel_info()
            with contextlib.suppress(Empty):
                await self.get_shell_msg(timeout=1)
                await self.get_iopub_msg(timeout=1)
                return


class _ForkedProcess:
    """A forked process with the methods of `subprocess.Popen` that Jupyter uses for a kernel."""

    stdin = stdout = stderr = None

    def __init__(self, function: Callable[..., object], *arguments: Any):
        self._process: BaseProcess = fork_server.start(function, *arguments)
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        # The process may have ended in the meantime.
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self._process.join(5)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def enter(environment: Mapping[str, str], server: str, folder: str | Path) -> None:
    """Take over the environment of a kernel and its folder, and name its result server (empty: there is none)."""
    os.environ.clear()
    # Jupyter gives the process that requested the kernel as its parent, but the parent is the fork server.
    os.environ.update({k: v for k, v in environment.items() if k != "JPY_PARENT_PID"})
    os.environ[ADDRESS] = server
    os.chdir(folder)


def _run_kernel(arguments: list[str], environment: dict[str, str]) -> None:
    """Run the kernel of one chapter until it is shut down, and record after each cell what was read."""
    settings = json.loads(next(a.removeprefix(_SETTINGS) for a in arguments if a.startswith(_SETTINGS)))
    source, reads, project = Path(settings["source"]), Path(settings["reads"]), Project(**settings["project"])
    enter(environment, settings["server"], source / "book")
    fork_server.use_library(source)

    from ipykernel.kernelapp import IPKernelApp

    app: Any = IPKernelApp.instance()
    app.initialize([argument for argument in arguments if not argument.startswith(_SETTINGS)])
    _refuse_unknown_reads(source, project.reader)

    names: list[str] = []
    modules: list[str] = []
    used: list[str] = []

    def record_reads(*_: object) -> None:
        nonlocal names, modules, used
        # There are thousands of modules, and few cells import one.
        if names != list(sys.modules):
            names, modules, used = list(sys.modules), fork_server.library_modules(source), packages.imported()
        files = set().union(*map(recorded, project.files_read))
        record = {
            "modules": sorted({*modules, *files}),
            "packages": used,
            "parts": sorted(recorded("lib.caching.shared_results:READ")),
            "editions": sorted(recorded(project.editions_loaded)),
        }
        replace_if_changed(reads, json.dumps(record, indent=1).encode())

    # Record after each cell, because the kernel is killed after the last one.
    app.shell.events.register("post_run_cell", record_reads)
    app.start()


def _refuse_unknown_reads(source: Path, reader: str) -> None:
    """Prevent this process from reading data or sources, except through the module ``reader``."""
    guarded: dict[str, tuple[str, ...]] = {"open": ("data", "book"), "sqlite3.connect": ("data", "book")}
    guarded |= {"os.listdir": ("data",), "os.scandir": ("data",)}
    # The snapshot, and the folder that it is a copy of.
    roots = (source.resolve(), source.resolve().parents[1])
    folders = {
        event: tuple(f"{root / name}{os.sep}" for name in names for root in roots) for event, names in guarded.items()
    }

    # Private interface: the names of Python's audit events and the order of their arguments may change between
    # versions, and compiled code can read files without raising one. If it breaks: test_build's cases of refused reads
    # fail; the table of events in the documentation of sys.addaudithook lists today's names.
    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("subprocess.Popen", "os.system", "os.posix_spawn"):
            raise UnknownRead("another program is started here, and the build cannot know what it reads: use Python")
        if event not in folders or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if f"{path}{os.sep}".startswith(folders[event]) and not _is_called_by(reader):
            name = next(os.path.relpath(path, root) for root in roots if path.startswith(f"{root}{os.sep}"))
            raise UnknownRead(
                f"{name} is read directly and not through {reader}, so the build cannot know when this chapter has to"
                f" run again: use what {reader} provides"
            )

    sys.addaudithook(check)


def _is_called_by(module: str) -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__") == module:
            return True
        frame = frame.f_back
    return False
