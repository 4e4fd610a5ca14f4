"""A desk on a copy of the data, and visitors that use it without a browser."""

from __future__ import annotations

import asyncio
import csv
import html
import http.client
import io
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lib.desk.application import HOST, start
from lib.desk.workspace import Workspace

REASON = "Randomised and placebo-controlled; made up for a test."


def made_up(number: int, **others: str) -> dict[str, str]:
    """Return a record that nobody can take for evidence."""
    return {
        "record": f"other.madeup{number}",
        "kind": "article",
        "title": f"Made-up trial {number} of tacrolimus against placebo for vitiligo",
        "authors": f"Example{number} A; Sample B",
        "published": "2024-05-03",
        "journal": "Made-up J",
        "volume": "1",
        "pages": "3-9",
        "doi": f"10.5555/madeup.{number}",
        "entered": "2026-11-26",
    } | others


def decision(record: str, reviewer: str, what: str = "include", stage: str = "title_abstract") -> dict[str, str]:
    reason = "design" if what == "exclude" else ""
    values = {"record": record, "stage": stage, "reviewer": reviewer, "role": "reviewer", "decision": what}
    return values | {"reason": reason, "note": REASON, "date": "2026-11-26"}


def add_rows(data: Path, table: str, rows: list[dict[str, str]]) -> None:
    """Append rows to a table of a copy of the data."""
    path = data / f"{table}.csv"
    header = next(csv.reader(path.open(encoding="utf-8")))
    text = io.StringIO(newline="")
    csv.DictWriter(text, header, lineterminator="\n", restval="").writerows(rows)
    path.write_bytes(path.read_bytes() + text.getvalue().encode())


def rows_of(data: Path, table: str, **values: str) -> list[dict[str, str]]:
    """Return the rows of a table that have some values."""
    with (data / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if values.items() <= row.items()]


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: str

    @property
    def text(self) -> str:
        """The text that a reader sees, with single spaces."""
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.body)).split())

    def value(self, name: str) -> str:
        """Return the value of a hidden field."""
        found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', self.body)
        assert found, f"no field {name} in {self.text[:500]}"
        return html.unescape(found[1])


@dataclass
class Visitor:
    """A person with a browser of their own, which has cookies and no scripts."""

    port: int
    name: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.get("/")
        if self.name:
            assert self.post("/reviewer", name=self.name).status == 303

    def request(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=120)
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        cookies = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        connection.request(method, path, body, {"Cookie": cookies, **named})
        response = connection.getresponse()
        for cookie in response.headers.get_all("Set-Cookie", []):
            key, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[key] = value
        answer = Answer(response.status, response.headers, response.read().decode())
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, **headers)

    def post(self, path: str, **fields: str) -> Answer:
        """Send a form as a page of the desk does; underscores of arm fields are written as they are."""
        return self.send(path, fields)

    def send(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        body = urllib.parse.urlencode({"_xsrf": self.cookies.get("desk_xsrf", ""), **fields})
        form = {"Content_Type": "application/x-www-form-urlencoded", "Origin": f"http://{HOST}:{self.port}"}
        return self.request("POST", path, body, **{**form, **headers})


@dataclass
class Desk:
    """A running desk."""

    workspace: Workspace
    port: int

    @property
    def data(self) -> Path:
        return self.workspace.folder

    def visitor(self, name: str = "") -> Visitor:
        return Visitor(self.port, name)

    def saved(self) -> None:
        """Wait until all decisions are saved."""
        assert self.workspace.outbox.wait(120)


@contextmanager
def running_desk(data: Path) -> Iterator[Desk]:
    """Run a desk on a data folder, in a thread of its own."""
    workspace = Workspace(data.parent, data)
    loop = asyncio.new_event_loop()
    ready: list[int] = []
    started = threading.Event()

    def run() -> None:
        async def serve() -> None:
            server, port = start(workspace, 0)
            ready.append(port)
            started.set()
            await stop.wait()
            server.stop()

        stop = asyncio.Event()
        ready_to_stop.append(stop)
        loop.run_until_complete(serve())

    ready_to_stop: list[asyncio.Event] = []
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield Desk(workspace, ready[0])
    finally:
        loop.call_soon_threadsafe(ready_to_stop[0].set)
        thread.join(30)
        workspace.close()


def waiting_file(data: Path) -> list:
    """Return the decisions that are written down and not saved yet."""
    path = data / ".raw" / "desk" / "waiting.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
