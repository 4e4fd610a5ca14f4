"""One chapter: executed by papermill in a warm kernel, cleaned of what differs from run to run, or a message.

Knows how a chapter is run and what its failure looks like to a person; nothing of other chapters or of pages.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from lib.engine import fork_server, kernel

_ENGINE = "warm"


class ChapterError(Exception):
    """A chapter could not be executed; the message names chapter, cell and cause."""


class _CellFault(Exception):
    """What went wrong outside the code of a cell, and in which."""

    def __init__(self, index: int, cause: str):
        super().__init__(cause)
        self.index, self.cause = index, cause


class _Engine(NBClientEngine):
    """papermill's engine, which tells as well where a kernel died or a cell hung."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **options):
        """Execute the cells; options as papermill's engine takes them."""
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **options)
        except (CellTimeoutError, DeadKernelError) as error:
            begun = [i for i, cell in enumerate(nb_man.nb.cells) if cell.metadata.papermill["status"] != "pending"]
            late = f"ran longer than {options['execution_timeout']} seconds"
            cause = late if isinstance(error, CellTimeoutError) else "its process died"
            raise _CellFault(max(begun, default=0), cause) from None


def execute(source: Path, as_of: str, time_limit: float, evidence: str) -> tuple[bytes, bytes]:
    """Execute one chapter; what it gives is returned and not written, so that it spoils nothing once nobody waits.

    Parameters
    ----------
    source : Path
        The notebook, in the folder ``book`` next to ``data`` and ``lib``.
    as_of : str
        Date of the edition, YYYY-MM-DD; empty: the newest.
    time_limit : float
        Seconds that one cell may take.
    evidence : str
        The socket at which its kernel asks for the evidence (see `lib.caching.shared_results`); empty: nobody answers.

    Returns
    -------
    notebook : bytes
        The executed notebook.
    reads : bytes
        What it read, and the seconds that its cells took, as JSON.

    Raises
    ------
    ChapterError
        If a cell fails, warns, hangs, or its process dies.
    OSError
        If there is no room for what its kernel needs.
    """
    kernel.use()
    papermill_engines.register(_ENGINE, _Engine)
    # What goes wrong is told once, by what is raised here.
    logging.getLogger("papermill").setLevel(logging.CRITICAL + 1)
    with tempfile.TemporaryDirectory(prefix=f"{fork_server.SOCKETS}{os.getpid()}-") as folder:
        noted = Path(folder) / "reads.json"
        settings = Config(
            KernelManager={
                # Sockets in a folder: a port that is free when it is chosen may be taken when the kernel comes to it.
                "transport": "ipc",
                "connection_file": os.path.join(folder, "kernel.json"),
                "client_factory": kernel.WarmClient,
            },
            # What it read is written down after each cell: nothing is left for it to end.
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
                execution_timeout=time_limit,
                config=settings,
                # What goes wrong in a kernel comes back as the error of a cell; its log would only repeat it.
                extra_arguments=["--IPKernelApp.log_level=50", *kernel.arguments(source.parents[1], noted, evidence)],
            )
        except PapermillExecutionError as error:
            raise _fault(source, error.cell_index, f": {error.ename}: {error.evalue}") from None
        except _CellFault as error:
            raise _fault(source, error.index, f": {error.cause}") from None
        except Exception as error:
            raise ChapterError(f"chapter {source.stem}: {type(error).__name__}: {error}") from None
        if not noted.is_file():
            raise ChapterError(f"chapter {source.stem}: its process ended without saying what it read")
        note = json.loads(noted.read_text(encoding="utf-8"))
    if note.pop("editions") not in ([], [[str((source.parents[1] / "data").resolve()), as_of]]):
        raise ChapterError(f"chapter {source.stem}: it loads other data or another edition than this build is of")
    note["seconds"] = round(sum(cell.metadata.papermill["duration"] or 0 for cell in notebook.cells), 3)
    _clean(notebook, source)
    return nbformat.writes(notebook).encode() + b"\n", json.dumps(note, indent=1).encode()


def _clean(notebook: nbformat.NotebookNode, source: Path) -> None:
    """Take out what differs from run to run, and refuse a chapter that warned."""
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


def _fault(source: Path, index: int, what: str) -> ChapterError:
    """Name the cell as a person counts it in the source, which lacks the one that papermill puts in."""
    cells = nbformat.read(source, as_version=4).cells
    after = next((i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])), -1)
    return ChapterError(f"chapter {source.stem}, cell {index + 1 - (index > after)}{what}")
