"""The kernel of a chapter: forked warm, isolated, and watched for what it reads.

A kernel writes down the parts of the evidence and the modules of the library that its chapter used: that, and not a
guess from its source, is what a chapter depends on. A chapter that reads data past `lib.evidence.edition` is stopped:
nobody would know when to run it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from lib.caching.safe_files import replace_if_changed
from lib.caching.shared_results import ADDRESS
from lib.engine import fork_server

NAME = "warm"
_SOURCE, _READS, _EVIDENCE = "--chapter-source=", "--chapter-reads=", "--chapter-evidence="
# The library that a kernel imports is a copy; what it keeps from run to run stays in one place.
_KEPT = str(Path(__file__).parents[2] / "_build" / "kept")


class UnknownRead(Exception):
    """A chapter read a file that the build does not know it depends on."""


def arguments(source: Path, reads: Path, evidence: str) -> list[str]:
    """Return the arguments of a kernel that works in ``source`` and notes what was read in the file ``reads``.

    It asks for the evidence at the socket ``evidence`` (see `lib.caching.shared_results`); empty: nobody answers.
    """
    return [f"{_SOURCE}{source}", f"{_READS}{reads}", f"{_EVIDENCE}{evidence}"]


def use() -> None:
    """Let kernels that this process starts be forked."""
    factory = KernelProvisionerFactory.instance()
    entry = EntryPoint(NAME, f"{__name__}:{WarmKernel.__name__}", KernelProvisionerFactory.GROUP_NAME)
    factory.provisioners[NAME] = entry
    factory.default_provisioner_name = NAME


class WarmKernel(LocalProvisioner):
    """Starts a kernel as a fork of the warm process, where Jupyter's own starts a new interpreter."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """Fork the kernel; ``cmd`` is the command that would start it otherwise."""
        environment = {"REVIEW_KEPT": _KEPT, **(kwargs.get("env") or os.environ)}
        self.process = _Forked(cmd[cmd.index("-m") + 2 :], environment)
        self.pid = self.process.pid
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """End the kernel, and return when it is gone: Jupyter's own looks again after a tenth of a second."""
        if self.process:
            self.process.kill()


class WarmClient(AsyncKernelClient):
    """Speaks with a kernel as soon as it answers, where Jupyter's own goes on listening a fifth of a second.

    What is left of the first messages belongs to no cell, and nbclient passes over it.
    """

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel has answered and is heard, or for ``timeout`` seconds.

        That it died, or does not answer, is told of the first cell: nbclient does not clean up where this raises.
        """
        begun = time.monotonic()
        while await self.is_alive() and (timeout is None or time.monotonic() - begun < timeout):
            self.kernel_info()
            with contextlib.suppress(Empty):
                await self.get_shell_msg(timeout=1)
                await self.get_iopub_msg(timeout=1)
                return


class _Forked:
    """A forked process with the part of `subprocess.Popen` that Jupyter asks of a kernel's process."""

    stdin = stdout = stderr = None

    def __init__(self, arguments: list[str], environment: dict[str, str]):
        self._process = fork_server.start(_serve, arguments, environment)
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        # It may end just now.
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self._process.join(5)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _serve(arguments: list[str], environment: dict[str, str]) -> None:
    """Be the kernel of one chapter until it is shut down, and write down after each cell what was read."""
    keys = (_SOURCE, _READS, _EVIDENCE)
    own = {key: arg[len(key) :] for key in keys for arg in arguments if arg.startswith(key)}
    source, reads = Path(own[_SOURCE]), Path(own[_READS])
    os.environ.clear()
    # Its parent, as Jupyter sees it, is another process than the one it was forked from.
    os.environ.update({k: v for k, v in environment.items() if k != "JPY_PARENT_PID"})
    os.environ[ADDRESS] = own[_EVIDENCE]
    os.chdir(source / "book")
    fork_server.use_library(source)

    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize([arg for arg in arguments if not arg.startswith(keys)])
    _refuse_unknown_reads(source)

    def note(*_) -> None:
        modules = ("evidence.edition", "caching.shared_results", "simulations.committed")
        evidence, shared, simulations = (sys.modules.get(f"lib.{name}") for name in modules)
        results = simulations.READ if simulations else set()
        noted = {
            "modules": sorted({*fork_server.library_modules(source), *results}),
            "parts": sorted(shared.READ) if shared else [],
            "editions": sorted(evidence.LOADED) if evidence else [],
        }
        replace_if_changed(reads, json.dumps(noted, indent=1).encode())

    # After each cell: what comes after the last is of no interest, and may be cut short.
    app.shell.events.register("post_run_cell", note)
    app.start()


def _refuse_unknown_reads(source: Path) -> None:
    """Stop this process from reading data or sources by itself; the library may."""
    guarded = {"open": ("data", "book"), "sqlite3.connect": ("data", "book")}
    guarded |= {"os.listdir": ("data",), "os.scandir": ("data",)}
    # The snapshot, and what it was taken of.
    roots = (source.resolve(), source.resolve().parents[1])
    folders = {
        event: tuple(f"{root / name}{os.sep}" for name in names for root in roots) for event, names in guarded.items()
    }

    def look(event: str, given: tuple) -> None:
        if event in ("subprocess.Popen", "os.system", "os.posix_spawn"):
            raise UnknownRead("another program is started here, and no build would know what it reads")
        if event not in folders or not isinstance(given[0], str | bytes | os.PathLike):
            return
        path = os.path.realpath(os.fsdecode(given[0]))
        if f"{path}{os.sep}".startswith(folders[event]) and not _asked_by_library():
            name = next(os.path.relpath(path, root) for root in roots if path.startswith(f"{root}{os.sep}"))
            raise UnknownRead(
                f"{name} is read past lib.evidence.edition, so no build would know when this chapter has to run again;"
                " ask evidence.load(data, as_of) for it"
            )

    sys.addaudithook(look)


def _asked_by_library() -> bool:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__") == "lib.evidence.edition":
            return True
        frame = frame.f_back
    return False
