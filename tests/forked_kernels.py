"""A pytest plugin for nbval: kernels are forked from one process that has imported what chapters import.

Each chapter still has a kernel of its own, which runs as JupyterLab would run it: no result server, no record of what
it read. Only the imports, two seconds for each chapter, are shared. As in a build, no progress bar appears, since nbval
would compare it with the outputs: on a busy machine many loops take long enough for one. ``make nbval`` loads this
plugin with ``-p``.
"""

from __future__ import annotations

from typing import Any

from ipykernel.kernelapp import IPKernelApp

from lib.commands.book import PROJECT
from lib.engine import fork_server, kernel


class PlainKernel(kernel.ForkedProvisioner):
    """Starts a kernel as a fork, without the settings of a build."""

    @staticmethod
    def run(arguments: list[str], environment: dict[str, str], folder: str) -> None:
        kernel.enter(environment, "", folder)
        app: Any = IPKernelApp.instance()
        app.initialize(arguments)
        app.start()


def pytest_configure() -> None:
    fork_server.preload(PROJECT.preload)
    kernel.install(PlainKernel)
