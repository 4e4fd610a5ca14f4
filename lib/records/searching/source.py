"""Define the interface that the module of each database implements.

Belongs here: how a query is put to a database, and how its answers are read. Does not belong here: the order in which
pages are fetched (`fetching`).
"""

from __future__ import annotations

import abc
from typing import ClassVar

from lib.records.searching.answers import Page, Start, Window
from lib.records.searching.client import Client, Request


class Source(abc.ABC):
    """A database: how a query is put to it, and how its answers are read.

    Attributes
    ----------
    code : str
        Code of the source in ``queries.csv``.
    name, platform : str
        Names of the database and of the interface, for ``searches.csv`` and messages.
    home : str
        Address of the interface.
    overlap, why_overlap : int, str
        Days by which a search reaches back before the end of the last one, and why.
    per_second : float
        Largest number of requests in a second.
    most : int
        Largest number of records that one query gives out; 0 if there is no limit.
    environment : dict of str to str
        Environment variable that holds the value of a secret parameter, by parameter.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    platform: ClassVar[str]
    home: ClassVar[str]
    overlap: ClassVar[int]
    why_overlap: ClassVar[str]
    per_second: float = 3.0
    most: int = 0
    environment: ClassVar[dict[str, str]] = {}

    def __init__(self, address: str = "", secrets: dict[str, str] | None = None):
        self.address = (address or self.home).rstrip("/")
        self.secrets = {name: value for name, value in (secrets or {}).items() if value}

    @abc.abstractmethod
    def start(self, client: Client, query: str, window: Window) -> Start:
        """Return how many records a query finds in a window of days, and the token of the first page."""

    @abc.abstractmethod
    def request(self, query: str, window: Window, token: str) -> Request:
        """Return the request for a page."""

    @abc.abstractmethod
    def read(self, content: bytes, token: str) -> Page:
        """Read a page.

        Raises
        ------
        UnusableAnswer
            If the answer is cut off or has another form.
        """

    def expected(self, token: str) -> int:
        """Return how many entries a page must have; 0 if only the page itself can say."""
        return 0
