"""Send requests to a database at the pace that it allows, and repeat those that fail for a moment.

Belongs here: the pace of requests, retries, `Retry-After`, and the removal of keys from everything that is stored or
shown. Does not belong here: what an answer means (`answers`, and one module for each database).
"""

from __future__ import annotations

import contextlib
import email.utils
import functools
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote, quote_plus

import httpx
import tenacity

from lib.caching.os_errors import without_number
from lib.records.searching.raw_answers import RawAnswers

ATTEMPTS = 6
"""How often a request is sent before it counts as failed."""
LONGEST_WAIT = 300.0
"""Seconds that a database may ask us to wait; if it asks for more, the search ends and says so."""
TIMEOUT = 60.0
"""Seconds without an answer after which a request is sent again."""
LARGEST_ANSWER = 200 * 2**20
"""Bytes that one answer may have."""
AGENT = "living-review (bibliographic search of a living systematic review)"

_Read = TypeVar("_Read")


class SearchError(Exception):
    """A search that failed, with a message for the person at the terminal."""


class UnusableAnswer(Exception):
    """An answer that is cut off or not of the expected form; asking again may help."""


class RejectedRequest(SearchError):
    """A request that the database rejects; asking again does not help."""


class ExpiredResult(SearchError):
    """A result that the database no longer holds, so that the query must be put to it anew."""


@dataclass(frozen=True)
class Request:
    """A request without keys and addresses of persons, as it may be stored.

    Attributes
    ----------
    url : str
        Address.
    parameters : mapping of str to str
        Parameters of the query string.
    """

    url: str
    parameters: Mapping[str, str]

    def address(self) -> str:
        """Return the address with its parameters.

        Examples
        --------
        >>> Request("https://example.org/search", {"query": "a b"}).address()
        'https://example.org/search?query=a+b'
        """
        return str(httpx.URL(self.url, params=dict(self.parameters)))


class Redaction(logging.Filter):
    """Replace secrets by ``***`` in texts, in answers and in the log of the HTTP library.

    Parameters
    ----------
    secrets : iterable of str
        Keys and e-mail addresses; empty ones are left out.

    Examples
    --------
    >>> Redaction(["hunter2"]).text("api_key=hunter2&db=pubmed")
    'api_key=***&db=pubmed'
    """

    def __init__(self, secrets: Iterable[str] = ()):
        super().__init__()
        forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""), quote_plus(secret))}
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        for form in self._forms:
            text = text.replace(form, "***")
        return text

    def content(self, content: bytes) -> bytes:
        """Return an answer without the secrets: some databases repeat the request in it."""
        for form in self._forms:
            content = content.replace(form.encode(), b"***")
        return content

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove the secrets from an entry of a log, which is kept."""
        record.msg, record.args = self.text(record.getMessage()), ()
        return True


class _TransientError(Exception):
    """A failure after which the request is sent again, and the seconds to wait if the database states them."""

    def __init__(self, message: str, wait: float | None = None):
        super().__init__(message)
        self.wait = wait


@dataclass
class Client:
    """Requests to one database.

    Parameters
    ----------
    name : str
        Name of the database, for messages.
    raw : RawAnswers
        Where raw answers are kept.
    per_second : float
        Largest number of requests in a second.
    secret_parameters : mapping of str to str
        Keys and e-mail addresses that are added to each request, by parameter. They are never stored or shown.
    pause : callable
        Waits for some seconds.
    clock : callable
        Seconds since some moment.
    timeout : float
        Seconds without an answer after which a request is sent again.
    say : callable
        Takes a message about a request that has to wait before it is sent again.
    """

    name: str
    raw: RawAnswers
    per_second: float = 3.0
    secret_parameters: Mapping[str, str] = field(default_factory=dict)
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    timeout: float = TIMEOUT
    say: Callable[[str], None] = lambda message: None

    def __post_init__(self) -> None:
        self.secret_parameters = {name: value for name, value in self.secret_parameters.items() if value}
        self._redaction = Redaction(self.secret_parameters.values())
        self._next = -1e9
        self._http: httpx.Client | None = None

    def __enter__(self) -> Client:
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._redaction)
        # A redirect could carry a key to another host, so none is followed.
        self._http = httpx.Client(
            timeout=self.timeout,
            follow_redirects=False,
            headers={"User-Agent": AGENT},
            verify=_tls_context(),
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._http is not None:
            self._http.close()
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._redaction)

    def ask(self, request: Request, read: Callable[[bytes], _Read]) -> tuple[_Read, str]:
        """Send a request, keep the raw answer, and read it.

        Parameters
        ----------
        request : Request
            What to ask.
        read : callable
            Reads the content of an answer. It raises `UnusableAnswer` for one that is cut off or of another form; the
            request is then sent again.

        Returns
        -------
        answer : object
            What ``read`` returned.
        sha256 : str
            Hash of the raw answer, under which it is kept.

        Raises
        ------
        SearchError
            If the database rejects the request, or does not answer it usably in `ATTEMPTS` attempts.
        """

        def once() -> tuple[_Read, str]:
            content = self._redaction.content(self._send(request))
            sha256 = self.raw.keep(content)
            try:
                return read(content), sha256
            except UnusableAnswer as error:
                raise _TransientError(f"{error} (kept as .raw/{sha256[:12]}…)") from None

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            retry=tenacity.retry_if_exception_type(_TransientError),
            wait=_wait,
            sleep=self.pause,
            before_sleep=self._say_why,
            reraise=True,
        )
        try:
            return retrying(once)
        except _TransientError as error:
            raise SearchError(
                f"{self.name} could not be read after {ATTEMPTS} attempts: {self._redaction.text(str(error))}. "
                "Run the search again later: it goes on where it stopped."
            ) from None

    def _say_why(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0
        if wait >= 2:
            self.say(f"{self.name}: {self._redaction.text(str(error))}; trying again in {wait:.0f} seconds")

    def _send(self, request: Request) -> bytes:
        """Return the content of an answer with status 200."""
        assert self._http is not None, "the client is used outside of its with block"
        self._keep_pace()
        parameters = {**request.parameters, **self.secret_parameters}
        try:
            with self._http.stream("GET", request.url, params=parameters) as response:
                content = b""
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > LARGEST_ANSWER:
                        raise SearchError(f"{self.name} sent an answer of more than {LARGEST_ANSWER >> 20} MB.")
        except httpx.TimeoutException:
            raise _TransientError(f"no answer within {self.timeout:g} seconds") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            # The text of some errors has the address, and with it the key.
            reason = self._redaction.text(without_number(str(error))) or type(error).__name__
            raise _TransientError(f"the connection failed ({reason})") from None
        status = response.status_code
        if status == httpx.codes.OK:
            return content
        if status in (408, 425, 429) or status >= 500:
            wait = _stated_wait(response)
            if wait is not None and wait > LONGEST_WAIT:
                raise SearchError(
                    f"{self.name} asks us to wait {wait:.0f} seconds (status {status}). "
                    "Run the search again after that: it goes on where it stopped."
                )
            raise _TransientError(f"status {status}", wait)
        raise RejectedRequest(
            f"{self.name} rejects the request with status {status}{_HINTS.get(status, '')}: "
            f"{self._redaction.text(_first_words(content))}"
        )

    def _keep_pace(self) -> None:
        now = self.clock()
        if now < self._next:
            self.pause(self._next - now)
        self._next = max(now, self._next) + 1 / self.per_second


# The certificates take longer to read than a small answer.
_tls_context = functools.cache(httpx.create_ssl_context)
_LOGGERS = ("httpx", "httpcore.http11", "httpcore.connection")
_HINTS = {
    400: " (check the query in queries.csv)",
    401: " (check the key in the environment)",
    403: " (check the key in the environment)",
}


def _wait(state: tenacity.RetryCallState) -> float:
    """Return the seconds before the next attempt: what the database states, else twice as long each time."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _TransientError) and error.wait is not None:
        return error.wait
    return float(min(2 ** (state.attempt_number - 1), 60)) * random.uniform(1.0, 1.25)


def _stated_wait(response: httpx.Response) -> float | None:
    """Return the seconds that `Retry-After` asks for, stated as a number or as a date."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    with contextlib.suppress(ValueError, TypeError):
        moment = email.utils.parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None


def _first_words(content: bytes) -> str:
    """Return the beginning of an answer for a message, on one line."""
    return " ".join(content[:200].decode("utf-8", "replace").split()) or "no text"
