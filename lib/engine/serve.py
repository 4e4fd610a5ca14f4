"""The book while it is written: served on this machine, built again at every save, refreshed in the browser.

Knows the server and what an open page is told; the build itself is `build.build`, which keeps its warm processes from
one save to the next. What pages are served has a script that the published site has not.
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

from watchfiles import watch as changes_of

from lib.engine import build, render

_SCRIPT = b"""<script>
(function () {
  var state;
  function tell(event) {
    var told = JSON.parse(event.data), banner = document.getElementById("review-fault");
    if (told.reload) { state.close(); location.reload(); return; }
    if (banner) banner.remove();
    if (!told.fault) return;
    banner = document.createElement("pre");
    banner.id = "review-fault";
    banner.setAttribute("role", "alert");
    banner.style.cssText = "position:fixed;z-index:9999;left:0;right:0;bottom:0;max-height:40vh;overflow:auto;" +
      "margin:0;padding:1em;background:#7a0c0c;color:#fff;white-space:pre-wrap;font-size:0.85rem";
    banner.textContent = "This is the last good book. The build after it failed:\\n" + told.fault;
    document.body.appendChild(banner);
  }
  // A browser keeps few connections open to one server: a page that nobody sees gives up its own.
  function listen() {
    if (state) state.close();
    if (document.hidden) return;
    state = new EventSource("/__state?page=" + encodeURIComponent(location.pathname) + "&since=%d");
    state.onmessage = tell;
  }
  document.addEventListener("visibilitychange", listen);
  listen();
})();
</script>"""
_SILENCE = 15
"""Seconds after which an open page is told that the server is still there."""


class _State:
    """What open pages need to know: which build changed which file last, and what is wrong now."""

    def __init__(self) -> None:
        # Higher than in any watch before this one, whose pages may still be open.
        self.number, self.fault = int(time.time()), ""
        self._first = self.number
        self._changed: dict[str, int] = {}
        self._news = threading.Condition()

    def built(self, changed: list[str]) -> None:
        """Take in a good build and the files that it changed."""
        with self._news:
            self.number, self.fault = self.number + 1, ""
            self._changed.update(dict.fromkeys(changed, self.number))
            self._news.notify_all()

    def failed(self, fault: str) -> None:
        """Take in why the last build failed."""
        with self._news:
            self.fault = fault
            self._news.notify_all()

    def wait_for_news(self, page: str, since: int, known: dict | None) -> dict:
        """Return what a page shown since a build has to know, as soon as it is other than what it was told."""

        def now() -> dict:
            own = [n for f, n in self._changed.items() if f == page or f.startswith("_static/")]
            # Nobody knows what changed between a watch before and this one.
            return {"reload": since < self._first or max(own, default=0) > since, "fault": self.fault}

        with self._news:
            self._news.wait_for(lambda: now() != known, timeout=_SILENCE)
            return now()


def watch(
    root: str | Path, data: str | Path = "data", as_of: str = "", *, port: int = 8000, **options: float | str
) -> None:
    """Build the book, serve it on this machine, and build it again whenever a source changes.

    Parameters
    ----------
    root, data, as_of, options
        As in `build.build`.
    port : int
        Port on the loopback address; 0: any free one.

    Raises
    ------
    build.BuildError
        If the port cannot be had.
    """
    root = Path(root).resolve()
    state = _State()
    handler = functools.partial(_Handler, directory=str(root / "_build" / render.LINK), state=state)
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise build.BuildError(f"port {port} cannot be had ({error}): choose another with --port") from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    library = Path(build.__file__).parents[1]
    sources = ((root / data).resolve(), root / "book", root / "_config.yml", root / "_toc.yml", library)

    def is_source(change, path: str) -> bool:
        below = [Path(path).relative_to(source).parts for source in sources if Path(path).is_relative_to(source)]
        return any(not any(part.startswith(".") or part == "__pycache__" for part in parts) for parts in below)

    def rebuild() -> None:
        try:
            built = build.build(root, data, as_of, **options)
        except (build.BuildError, OSError) as error:
            print(error, file=sys.stderr, flush=True)
            state.failed(str(error))
        else:
            print(build.summary(built), flush=True)
            state.built(built.changed)
        # For the next save; what hinders it is told when it is needed.
        with contextlib.suppress(OSError):
            build.prepare_renderer(root / "_build")

    saves: queue.SimpleQueue[set] = queue.SimpleQueue()

    def look_on(*folders: Path, below: bool) -> None:
        """Have saves in some folders, and perhaps below them, put among ``saves`` from when this returns."""
        options = {"step": 50, "yield_on_timeout": True, "rust_timeout": 200}
        looks = changes_of(*folders, recursive=below, watch_filter=is_source, **options)
        next(looks)

        def tell() -> None:
            for found in looks:
                if found:
                    saves.put(found)

        threading.Thread(target=tell, daemon=True).start()

    try:
        # The folders, and not the files in them: an editor that saves by renaming puts a new file in place. Of the
        # project's own folder nothing below it: an environment there has thousands of folders.
        look_on((root / data).resolve(), root / "book", library, below=True)
        look_on(root, below=False)
        rebuild()
        print(f"Serving http://127.0.0.1:{server.server_address[1]}/ (stop with Ctrl-C)", flush=True)
        while True:
            changes = saves.get()
            while not saves.empty():
                changes |= saves.get()
            names = {Path(path).name for _, path in changes}
            print(f"Changed: {', '.join(sorted(names))}", flush=True)
            if names & _OF_THE_BUILD:
                # The build itself runs in this process and its server of processes, which have the old one.
                port = str(server.server_address[1])
                server.server_close()
                build.close_renderer()
                os.execv(sys.executable, [sys.executable, "-m", "lib", *sys.argv[1:], "--port", port])
            rebuild()
    except KeyboardInterrupt:
        pass  # It was stopped as it said it could be.
    finally:
        server.shutdown()


_OF_THE_BUILD = {
    f"{name}.py" for name in "__main__ build chapters files kernels pages processes site warm watch".split()
}


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site; to pages it adds the script that asks for the state."""

    def __init__(self, *arguments, state: _State, **options):
        self.state = state
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        """Answer with the state, a page, or a file."""
        # A browser that goes away in mid-page is no news.
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
        # The number first: a build that ends in between is then told to the page once more.
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
        since, told = query.get("since", ["0"])[0], None
        while True:
            news = self.state.wait_for_news(page, int(since) if since.isdecimal() else 0, told)
            self.wfile.write(b": still here\n\n" if news == told else f"data: {json.dumps(news)}\n\n".encode())
            self.wfile.flush()
            told = news

    def end_headers(self) -> None:
        """Have the browser ask again each time."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *arguments) -> None:
        """Say nothing: the terminal is for the builds."""
