"""Serve the desk on this machine.

Belongs here: the addresses of the pages, the settings of the server, and its start and end. Does not belong here: the
pages themselves.

Tornado comes with JupyterLab, so that the desk adds no dependency; with it come the server, XSRF tokens and cookies.
Files are served from a fixed list and pages from fixed addresses, so that no path of a request reaches the file system.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from lib.caching.os_errors import describe
from lib.desk import duplicate_pages, edition_pages, screening_pages, study_pages, trial_pages
from lib.desk.page import Missing, Page
from lib.desk.workspace import Workspace
from lib.evidence import DataError

HOST = "127.0.0.1"
_LARGEST_FORM = 1_000_000
"""Bytes of the largest form that the desk reads."""
_FILES = {"desk.css": "text/css", "desk.js": "text/javascript", "icon.svg": "image/svg+xml"}
_PAGES: dict[str, type[Page]] = {
    "/": screening_pages.Home,
    "/reviewer": screening_pages.Reviewer,
    "/shortcuts": screening_pages.Shortcuts,
    "/problems": screening_pages.Problems,
    "/screen": screening_pages.Screen,
    "/full-texts": screening_pages.FullTexts,
    "/decide": screening_pages.Decide,
    "/undo": screening_pages.Undo,
    "/conflicts": screening_pages.Conflicts,
    "/resolve": screening_pages.Resolve,
    "/trials": trial_pages.Trials,
    "/trial": trial_pages.Trial,
    "/trial/save": trial_pages.SaveTrial,
    "/study": study_pages.Study,
    "/study/save": study_pages.SaveStudy,
    "/duplicates": duplicate_pages.Duplicates,
    "/duplicates/by-rule": duplicate_pages.DuplicatesByRule,
    "/edition": edition_pages.Edition,
}


class _File(Page):
    """One of the files of the desk, read when it starts."""

    def initialize(self, desk: Workspace, kind: str, content: bytes) -> None:  # type: ignore[override]
        """Receive the workspace and the file."""
        super().initialize(desk)
        self.kind, self.content = kind, content

    def get(self) -> None:
        """Send the file."""
        self.set_header("Content-Type", f"{self.kind}; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Etag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        self.finish(self.content)


def application(desk: Workspace, port: int) -> tornado.web.Application:
    """Return the desk of a workspace, which is served on a port."""
    static = Path(__file__).parent / "static"
    files: list[Any] = [
        (f"/static/{name}", _File, {"desk": desk, "kind": kind, "content": (static / name).read_bytes()})
        for name, kind in _FILES.items()
    ]
    return tornado.web.Application(
        [*files, *((address, page, {"desk": desk}) for address, page in _PAGES.items())],
        default_handler_class=Missing,
        default_handler_args={"desk": desk},
        hosts={f"{name}:{port}" for name in (HOST, "localhost")},
        addresses=set(_PAGES),
        xsrf_cookies=True,
        # JupyterLab, on another port of this host, has a cookie of the usual name.
        xsrf_cookie_name="desk_xsrf",
        xsrf_cookie_kwargs={"httponly": True, "samesite": "Strict"},
        log_function=lambda handler: None,
    )


def start(desk: Workspace, port: int) -> tuple[tornado.httpserver.HTTPServer, int]:
    """Serve a workspace on the loopback address; return the server and its port, which is a free one for port 0.

    Raises
    ------
    OSError
        If the port cannot be used.
    """
    sockets = tornado.netutil.bind_sockets(port, HOST)
    port = sockets[0].getsockname()[1]
    server = tornado.httpserver.HTTPServer(application(desk, port), max_body_size=_LARGEST_FORM)
    server.add_sockets(sockets)
    return server, port


def serve(root: Path, data: Path, port: int = 8010) -> int:
    """Serve the desk until it is stopped; return the exit code of the command.

    Parameters
    ----------
    root, data : Path
        The project's folder, and the data folder relative to it.
    port : int
        Port on the loopback address; 0: any free one.
    """
    folder = (root / data).resolve()
    desk = Workspace(root.resolve(), folder)
    try:
        desk.table("decisions")
    except DataError as error:
        print(error, "Mend these faults first.", sep="\n", file=sys.stderr)
        desk.close()
        return 1

    async def run() -> None:
        server, at = start(desk, port)
        print(f"The desk is at http://{HOST}:{at}/ (stop with Ctrl-C)", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            server.stop()

    try:
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(run())
    except (OSError, OverflowError) as error:
        reason = describe(error) if isinstance(error, OSError) else error
        print(f"Port {port} cannot be used: {reason}. Choose another: make desk PORT=8011, or --port", file=sys.stderr)
        return 1
    finally:
        if waiting := len(desk.outbox.waiting()):
            print(f"Saving {waiting} decision{'s' * (waiting != 1)} ...", flush=True)
        desk.close()
    return 0
