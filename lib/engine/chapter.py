"""Execute one chapter in a forked kernel, and remove everything from it that differs from run to run.

Belongs here: the execution of a chapter, and the message if it fails. Does not belong here: other chapters, or pages.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from lib.caching.os_errors import without_number
from lib.engine import fork_server, kernel
from lib.engine.errors import BuildError, sentence
from lib.engine.project import Project

_ENGINE = "forked"


class _CellFault(Exception):
    """An error that no code of a cell raised, such as the death of its kernel, and the number of that cell."""

    def __init__(self, index: int, cause: str):
        super().__init__(cause)
        self.index, self.cause = index, cause


class _Engine(NBClientEngine):  # type: ignore[misc]
    """papermill's engine, which also reports in which cell a kernel died or ran out of time."""

    # Private interface: cell.metadata.papermill["status"] and ["duration"], which papermill's engine writes, and the
    # option execution_timeout. If it breaks: the tests of hanging and dying chapters fail; take the last cell that has
    # an execution count.

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
        """Execute the cells, with the options of papermill's engine."""
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **options)
        except (CellTimeoutError, DeadKernelError) as error:
            started = [i for i, cell in enumerate(nb_man.nb.cells) if cell.metadata.papermill["status"] != "pending"]
            overrun = f"ran longer than {options['execution_timeout']} seconds"
            cause = overrun if isinstance(error, CellTimeoutError) else "its process died"
            raise _CellFault(max(started, default=0), cause) from None


def execute(source: Path, as_of: str, time_limit: float, project: Project, server: str) -> tuple[bytes, bytes]:
    """Execute one chapter and return the executed notebook, with a record of what it read.

    This function writes no file: a worker that is still busy when its build has ended must not change the files of the
    next one.

    Parameters
    ----------
    source : Path
        The notebook, in the folder ``book`` next to ``data`` and ``lib``.
    as_of : str
        Date of the edition, YYYY-MM-DD; empty for the newest.
    time_limit : float
        Time limit of one cell in seconds, unless the notebook's ``metadata.execution.timeout`` sets another.
    project : Project
        The project.
    server : str
        Socket of the result server (`lib.engine.result_server`); empty if there is none.

    Returns
    -------
    notebook : bytes
        The executed notebook.
    reads : bytes
        What the chapter read, and the duration of its cells in seconds, as JSON.

    Raises
    ------
    BuildError
        If a cell fails, warns or takes too long, or its process dies.
    OSError
        If there is no space for the files of its kernel.
    """
    fork_server.preload(project.preload)
    kernel.install()
    papermill_engines.register(_ENGINE, _Engine)
    # Silence papermill's log: the exception that is raised below reports the error already.
    logging.getLogger("papermill").setLevel(logging.CRITICAL + 1)
    with tempfile.TemporaryDirectory(prefix=f"{fork_server.SOCKETS}{os.getpid()}-") as folder:
        reads = Path(folder) / "reads.json"
        settings = Config(
            KernelManager={
                # Use sockets in a folder: a free port may be taken between its choice and its use by the kernel.
                "transport": "ipc",
                "connection_file": os.path.join(folder, "kernel.json"),
                "client_factory": kernel.ForkedKernelClient,
            },
            # The kernel can be killed immediately, because it records after each cell what was read.
            NotebookClient={"shutdown_kernel": "immediate"},
        )
        try:
            notebook = papermill.execute_notebook(
                source,
                None,
                parameters={"data": "../data", "as_of": as_of},
                engine_name=_ENGINE,
                kernel_name="python3",
                progress_bar=False,
                execution_timeout=_own_time_limit(source) or time_limit,
                config=settings,
                # A fault in a kernel is returned as the error of a cell; the kernel's log would only repeat it.
                extra_arguments=[
                    "--IPKernelApp.log_level=50",
                    *kernel.arguments(source.parents[1], reads, server, project),
                ],
            )
        except PapermillExecutionError as error:
            raise _fault(source, error.cell_index, f": {error.ename}: {without_number(error.evalue)}") from None
        except _CellFault as error:
            raise _fault(source, error.index, f": {error.cause}") from None
        except BuildError:
            raise
        except Exception as error:
            raise BuildError(f"chapter {source.stem}: {sentence(error)}") from None
        if not reads.is_file():
            raise BuildError(f"chapter {source.stem}: its process ended without recording what it read")
        record = json.loads(reads.read_text(encoding="utf-8"))
    if record.pop("editions") not in ([], [[str((source.parents[1] / "data").resolve()), as_of]]):
        raise BuildError(
            f"chapter {source.stem}: it loads other data or another edition than this build; use the parameters"
            " data and as_of"
        )
    record["seconds"] = round(sum(cell.metadata.papermill["duration"] or 0 for cell in notebook.cells), 3)
    _clean(notebook, source)
    written: str = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    return written.encode() + b"\n", json.dumps(record, indent=1).encode()


def _read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def _own_time_limit(source: Path) -> float | None:
    """Return a chapter's own time limit of a cell in seconds; None if its metadata set none."""
    limit: Any = _read(source).metadata.get("execution", {}).get("timeout")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0):
        raise BuildError(
            f"chapter {source.stem}: metadata.execution.timeout must be a number of seconds above 0, not {limit!r}"
        )
    return None if limit is None else float(limit)


def _clean(notebook: nbformat.NotebookNode, source: Path) -> None:
    """Remove everything that differs from run to run; raise `BuildError` if a cell wrote a warning."""
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise _fault(source, index, f": wrote a warning: {output.text.strip()}")
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("remove-cell")
            cell.id = "injected-parameters"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
    notebook.metadata.pop("papermill", None)
    # Without the version of Python, every supported version gives the same bytes.
    notebook.metadata.get("language_info", {}).pop("version", None)


def _fault(source: Path, index: int, cause: str) -> BuildError:
    """Return an error that names a cell by its number in the source: papermill inserts a cell into the executed one."""
    cells = _read(source).cells
    parameters = next((i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])), -1)
    return BuildError(f"chapter {source.stem}, cell {index + 1 - (index > parameters)}{cause}")
