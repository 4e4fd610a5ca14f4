"""Serve one page of the desk to the person at this machine, and to nobody else.

Belongs here: the checks that every request passes, the headers that every answer has, the name of the person at the
desk, and the form of messages. Does not belong here: the content of any page.

The desk listens on the loopback address only, but every page in the person's browser can send requests there. Each
request must therefore name the desk as its host (so that no other name can be pointed at this machine), a form must
come from a page of the desk (``Origin``), and it must carry a token that other sites cannot read (Tornado's XSRF
token). The content security policy allows no inline script and no other host.
"""

from __future__ import annotations

import re
import unicodedata
import urllib.parse
from http import HTTPStatus
from typing import Any

import tornado.web

from lib.caching.os_errors import describe
from lib.desk.workspace import Refusal, Workspace
from lib.evidence import DataError
from lib.evidence.characters import fault_of

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Without a referrer a browser would hide the origin of a form, too.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NAME_COOKIE, SHORTCUTS_COOKIE = "desk_name", "desk_shortcuts"
_LONGEST_TEXT, _LONGEST_NAME = 5000, 60


class Page(tornado.web.RequestHandler):
    """A page of the desk.

    Attributes
    ----------
    desk : Workspace
        The data folder that the desk works on.
    """

    def initialize(self, desk: Workspace) -> None:
        """Receive the workspace."""
        self.desk = desk

    def set_default_headers(self) -> None:
        """Set the headers of every answer, also of one that reports an error."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse a request that another site may have caused."""
        hosts = self.application.settings["hosts"]
        if self.request.headers.get_list("Host") != [self.request.host] or self.request.host.lower() not in hosts:
            raise tornado.web.HTTPError(403, reason="This is not the address of the desk")
        origins = {f"http://{host}" for host in hosts}
        if self.request.method not in ("GET", "HEAD") and self.request.headers.get("Origin") not in origins:
            raise tornado.web.HTTPError(403, reason="The form did not come from a page of the desk")

    # --- Who is at the desk -------------------------------------------------------------------------------

    @property
    def reviewer(self) -> str:
        """Name of the person at the desk; empty if none was given."""
        return clean_name(urllib.parse.unquote(self.get_cookie(NAME_COOKIE) or "")) or ""

    def require_reviewer(self) -> str:
        """Return the name of the person at the desk.

        Raises
        ------
        Refusal
            If none was given.
        """
        if not self.reviewer:
            raise Refusal("Say who you are first: choose or enter your name on the first page.")
        return self.reviewer

    def set_private_cookie(self, name: str, value: str) -> None:
        """Store a value in a cookie that no script and no other site can read."""
        self.set_cookie(name, urllib.parse.quote(value), expires_days=90, httponly=True, samesite="Strict")

    # --- What a form sends --------------------------------------------------------------------------------

    def text(self, name: str) -> str:
        """Return one value of a form, with single spaces; it can be put into a table.

        Raises
        ------
        Refusal
            If it is too long, or a spreadsheet would run it as a formula.
        """
        value = one_line(self.get_argument(name, ""))
        if fault := text_fault(value):
            raise Refusal(f"{name.capitalize()}: {fault}.")
        return value

    # --- What a page shows --------------------------------------------------------------------------------

    def show(self, template: str, **values: Any) -> None:
        """Send a page."""
        shared = {
            "reviewer": self.reviewer,
            "path": self.request.path,
            "notice": self.desk.take_notice(self.reviewer),
            "xsrf": self.xsrf_token.decode(),
            "problems": self.desk.outbox.problems,
            "shortcuts": self.get_cookie(SHORTCUTS_COOKIE) != "off",
        }
        self.finish(self.desk.templates.get_template(template).render(shared | values))

    def go_to(self, address: str, notice: str = "") -> None:
        """Redirect to another page after a form was handled; that page shows a message."""
        self.desk.leave_notice(self.reviewer, notice)
        self.redirect(address, status=303)

    def write_error(self, status_code: int, **details: Any) -> None:
        """Send a page that says what is wrong and what to do; nothing was saved."""
        error = details.get("exc_info", (None, None, None))[1]
        faults: list[str] = []
        if isinstance(error, Refusal):
            status_code, message, faults = 409, str(error), error.details
        elif isinstance(error, DataError):
            status_code, message = 409, "The data have faults. Mend them first; nothing was saved."
            faults = [str(fault) for fault in error.faults]
        elif isinstance(error, OSError):
            message = f"{describe(error)}. Nothing was saved."
        elif isinstance(error, tornado.web.HTTPError):
            reason = error.reason or HTTPStatus(status_code).phrase
            message = "There is no such page." if status_code == 404 else f"{reason}. Nothing was saved."
        else:
            message = "The desk met an error that it does not know; the terminal shows it. Nothing was saved."
        self.set_status(status_code)
        if self.request.host.lower() not in self.application.settings["hosts"]:
            # A stranger learns nothing about the review.
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(message)
            return
        self.show("message.html", message=message, faults=faults, status=status_code)

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        """Write only what is an error of the desk to the terminal."""
        if not isinstance(value, Refusal | DataError | tornado.web.HTTPError):
            super().log_exception(kind, value, trace)


class Missing(Page):
    """The answer to an address that no page has."""

    def prepare(self) -> None:
        """Check the request as for any page, and find nothing."""
        super().prepare()
        raise tornado.web.HTTPError(404)


def clean_name(text: str) -> str:
    """Return the name of a person with single spaces; empty if it cannot stand in a table.

    Examples
    --------
    >>> clean_name("  Ada   Example "), clean_name("=A1"), clean_name("rule")
    ('Ada Example', '', '')
    """
    name = one_line(unicodedata.normalize("NFC", text))
    is_name = bool(re.search(r"\w", name)) and name.lower() not in ("rule", "resolution")
    return name if is_name and not text_fault(name, _LONGEST_NAME) else ""


def one_line(text: str) -> str:
    """Return a text with single spaces and no line ends, as a table holds it."""
    return " ".join(text.split())


def refuse_text(name: str, value: str) -> None:
    """Refuse an answer that cannot stand in a table.

    Raises
    ------
    Refusal
        With the name of its field and the reason.
    """
    if fault := text_fault(value):
        raise Refusal(f"{name}: {value[:60]!r} {fault}.")


def text_fault(value: str, longest: int = _LONGEST_TEXT) -> str:
    """Return what prevents a text from standing in a table; empty if nothing does.

    Examples
    --------
    >>> text_fault("Wrong comparator")
    ''
    >>> text_fault("=1+1")
    "begins with '=', which a spreadsheet takes for a formula: begin with another character"
    """
    if len(value) > longest:
        return f"may have at most {longest} characters, and has {len(value)}: shorten it"
    return fault_of(value)
