"""Serve the book while it is being written: build it again at every save, and refresh the open pages.

Belongs here: the local server, and the messages to open pages. Does not belong here: the build itself
(`lib.engine.build`), whose preloaded processes live on from one save to the next. Pages are served with an additional
script that the published site does not have.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import queue
import sys
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

from watchfiles import Change
from watchfiles import watch as watch_files

from lib.caching.code_hash import LIBRARY
from lib.caching.os_errors import describe
from lib.engine import build, render
from lib.engine.project import Project
from lib.engine.snapshot import require_data_folder

_SCRIPT = b"""<script>
(function () {
  var state;
  function show(event) {
    var message = JSON.parse(event.data), banner = document.getElementById("review-fault");
    if (message.reload) { state.close(); location.reload(); return; }
    if (banner) banner.remove();
    if (!message.fault) return;
    banner = document.createElement("pre");
    banner.id = "review-fault";
    banner.setAttribute("role", "alert");
    banner.style.cssText = "position:fixed;z-index:9999;left:0;right:0;bottom:0;max-height:40vh;overflow:auto;" +
      "margin:0;padding:1em;background:#7a0c0c;color:#fff;white-space:pre-wrap;font-size:0.85rem";
    banner.textContent = "This is the last good book. The build after it failed:\\n" + message.fault;
    document.body.appendChild(banner);
  }
  // A browser keeps few connections open to one server, so a hidden page closes its own.
  function listen() {
    if (state) state.close();
    if (document.hidden) return;
    state = new EventSource("/__state?page=" + encodeURIComponent(location.pathname) + "&since=%d");
    state.onmessage = show;
  }
  document.addEventListener("visibilitychange", listen);
  listen();
})();
</script>"""
_SILENCE = 15
"""Seconds after which an open page gets an empty message if there is nothing else to send."""


class _State:
    """State for open pages: the last build that changed each file, and the current fault."""

    def __init__(self) -> None:
        # Start above the numbers of any earlier watch, whose pages may still be open.
        self.number, self.fault = int(time.time()), ""
        self._first = self.number
        self._changed: dict[str, int] = {}
        self._updated = threading.Condition()

    def built(self, changed: list[str]) -> None:
        """Record a successful build and the files that it changed."""
        with self._updated:
            self.number, self.fault = self.number + 1, ""
            self._changed.update(dict.fromkeys(changed, self.number))
            self._updated.notify_all()

    def failed(self, fault: str) -> None:
        """Record why the last build failed."""
        with self._updated:
            self.fault = fault
            self._updated.notify_all()

    def wait_for_message(self, page: str, since: int, last: dict[str, Any] | None) -> dict[str, Any]:
        """Return the message for a page that was loaded after build ``since``, once it differs from the last one."""

        def current_message() -> dict[str, Any]:
            changes = [n for f, n in self._changed.items() if f == page or f.startswith("_static/")]
            # It is not known what changed between an earlier watch and this one.
            return {"reload": since < self._first or max(changes, default=0) > since, "fault": self.fault}

        with self._updated:
            self._updated.wait_for(lambda: current_message() != last, timeout=_SILENCE)
            return current_message()


def watch(
    root: str | Path,
    data: str | Path = "data",
    as_of: str = "",
    *,
    project: Project,
    port: int = 8000,
    time_limit: float = build.TIME_LIMIT,
    dask: str = "",
) -> None:
    """Build the book, serve it on this machine, and build it again whenever a source changes.

    Parameters
    ----------
    root, data, as_of, project, time_limit, dask
        As in `build.build`.
    port : int
        Port on the loopback address; 0: any free one.

    Raises
    ------
    build.DataFaults
        If there is no data folder to watch.
    build.BuildError
        If the port cannot be used.
    """
    root = Path(root).resolve()
    require_data_folder(root / data)
    state = _State()
    handler = functools.partial(_Handler, directory=str(root / "_build" / render.LINK), state=state)
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise build.BuildError(
            f"Port {port} cannot be used: {reason}. Choose another: make watch PORT=8001, or --port"
        ) from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sources = ((root / data).resolve(), root / "book", root / "_config.yml", root / "_toc.yml", LIBRARY)

    def is_source(change: Change, path: str) -> bool:
        below = [Path(path).relative_to(source).parts for source in sources if Path(path).is_relative_to(source)]
        return any(not any(part.startswith(".") or part == "__pycache__" for part in parts) for parts in below)

    def rebuild() -> None:
        try:
            built = build.build(root, data, as_of, project=project, time_limit=time_limit, dask=dask)
        except (build.BuildError, OSError) as error:
            message = describe(error) if isinstance(error, OSError) else str(error)
            print(message, file=sys.stderr, flush=True)
            state.failed(message)
        else:
            print(build.summary(built), flush=True)
            state.built(built.changed)
        # Prepare for the next save; an error is reported when the process is used.
        with contextlib.suppress(OSError):
            render.prepare_renderer(root / "_build")

    saves: queue.SimpleQueue[set[tuple[Change, str]]] = queue.SimpleQueue()

    def observe(*folders: Path, recursive: bool) -> None:
        """Record saves in some folders (if ``recursive``, also below them) in ``saves`` from now on."""
        batches = watch_files(
            *folders, recursive=recursive, watch_filter=is_source, step=50, yield_on_timeout=True, rust_timeout=200
        )
        next(batches)

        def forward() -> None:
            for batch in batches:
                if batch:
                    saves.put(batch)

        threading.Thread(target=forward, daemon=True).start()

    try:
        # Folders are observed and not files, because an editor may save by replacing a file. The project's own folder
        # is observed without its subfolders: a virtual environment there has thousands.
        observe((root / data).resolve(), root / "book", LIBRARY, recursive=True)
        observe(root, recursive=False)
        rebuild()
        print(f"Serving http://127.0.0.1:{server.server_address[1]}/ (stop with Ctrl-C)", flush=True)
        while True:
            changes = saves.get()
            while not saves.empty():
                changes |= saves.get()
            paths = [Path(path) for _, path in changes]
            print(f"Changed: {', '.join(sorted({path.name for path in paths}))}", flush=True)
            if any(path.is_relative_to(part) for path in paths for part in _RUNS_THE_BUILD):
                # This process and its fork server run the old code: replace this process.
                address = str(server.server_address[1])
                server.server_close()
                render.close_renderer()
                os.execv(sys.executable, [sys.executable, "-m", "lib", *sys.argv[1:], "--port", address])
            rebuild()
    except KeyboardInterrupt:
        pass  # Ctrl+C is the way to stop the server.
    finally:
        server.shutdown()


_RUNS_THE_BUILD = (LIBRARY / "engine", LIBRARY / "caching", LIBRARY / "commands", LIBRARY / "__main__.py")
"""Parts of the library that run in this process; all others are imported anew in every forked process."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site, with a script added to each page that listens for messages."""

    def __init__(self, *arguments: Any, state: _State, **options: Any):
        self.state = state
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        """Send messages, a page, or a file."""
        # A browser may close the connection in the middle of a page.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            address = urllib.parse.urlsplit(self.path)
            path = Path(self.translate_path(address.path))
            if address.path == "/__state":
                self._stream_state(urllib.parse.parse_qs(address.query))
            elif (path / "index.html").is_file() or (path.suffix == ".html" and path.is_file()):
                self._send_page(path / "index.html" if path.is_dir() else path)
            else:
                super().do_GET()

    def _send_page(self, path: Path) -> None:
        # Read the number before the page: if a build ends in between, the page gets its message again.
        number = self.state.number
        try:
            content = path.read_bytes()
        except OSError:
            self.send_error(404)
            return
        page = content.replace(b"</body>", _SCRIPT % number + b"</body>")
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def _stream_state(self, query: dict[str, list[str]]) -> None:
        page = urllib.parse.unquote(query.get("page", ["/"])[0]).lstrip("/") or "index.html"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        since = query.get("since", ["0"])[0]
        last: dict[str, Any] | None = None
        while True:
            message = self.state.wait_for_message(page, int(since) if since.isdecimal() else 0, last)
            self.wfile.write(b": still here\n\n" if message == last else f"data: {json.dumps(message)}\n\n".encode())
            self.wfile.flush()
            last = message

    def end_headers(self) -> None:
        """Prevent the browser from caching anything."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Write nothing: the terminal shows only messages of builds."""
