"""Reserve a DOI on Zenodo, and upload the files and metadata of a deposit to a draft.

Belongs here: the requests, and what an answer that is not expected means. Does not belong here: the files and metadata
(`folder`, `metadata`). Nothing here publishes: a person looks at the draft and publishes it on Zenodo's site.

Written after the documentation of Zenodo's REST API (https://developers.zenodo.org, "Depositions", "Deposition files"
and "Deposition actions"). The token goes only to the server that was named, over HTTPS, and into no message.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

from lib.deposit import SERVER, TOKEN
from lib.deposit.folder import METADATA, UPLOADED
from lib.deposit.metadata import DepositError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TIMEOUT = 300
_HINTS = {
    401: f"the token in {TOKEN} is not valid; make a new one on Zenodo under Applications",
    403: f"the token in {TOKEN} does not allow this; it needs the scope deposit:write",
    404: "there is no such draft; check the number of the deposit, and whether the token belongs to its owner",
    429: "too many requests; wait a few minutes and run the command again",
}


@dataclass(frozen=True)
class Draft:
    """A draft on Zenodo.

    Attributes
    ----------
    number : int
        Its number.
    doi : str
        The DOI that is reserved for it.
    page : str
        Address of the page on which a person looks at it and publishes it.
    """

    number: int
    doi: str
    page: str


class Zenodo:
    """The interface of one server for one account.

    Parameters
    ----------
    token : str
        Access token with the scope ``deposit:write``.
    server : str
        Address of the server: Zenodo, its sandbox (``https://sandbox.zenodo.org``), or a server on this machine.

    Raises
    ------
    DepositError
        If there is no token, or if the server would get it without encryption.
    """

    def __init__(self, token: str, server: str = SERVER):
        parts = urlsplit(server)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise DepositError(f"{server}: the address must begin with https://, because the token is sent there")
        # The standard library's error about a character that no header may have would show the token.
        if not re.fullmatch(r"[\w.~+/=-]+", token, re.ASCII):
            reason = "holds characters that no token has" if token else "is not set"
            raise DepositError(f"{TOKEN} {reason}: give an access token of Zenodo in this environment variable")
        self._server, self._token = server.rstrip("/"), token
        self._open = urllib.request.build_opener(_NoRedirect).open

    def reserve(self, previous: int | None = None) -> Draft:
        """Make an empty draft with a reserved DOI.

        Parameters
        ----------
        previous : int, optional
            Number of the deposit of the previous edition: the draft becomes a new version of it.

        Raises
        ------
        DepositError
            If the server refuses, cannot be reached, or answers in another form.
        """
        address = f"{self._server}/api/deposit/depositions"
        if previous is None:
            return _draft(self._json("POST", address, {"metadata": {"prereserve_doi": True}}))
        answer = self._json("POST", f"{address}/{previous}/actions/newversion")
        return _draft(self._json("GET", _text(answer, "links", "latest_draft")))

    def upload(self, number: int, folder: Path, doi: str) -> Draft:
        """Make the content of a draft that of a prepared deposit.

        Files that the draft has already are not sent again, so that an upload that was interrupted goes on where it
        stopped. Files that the deposit does not have (those of the previous version) are removed from the draft.

        Parameters
        ----------
        number : int
            Number of the draft.
        folder : Path
            Folder of the deposit.
        doi : str
            The DOI that the site states; it must be that of the draft.

        Raises
        ------
        DepositError
            If the draft is published already or has another DOI, or as for `reserve`. Nothing is then published.
        """
        address = f"{self._server}/api/deposit/depositions/{number}"
        answer = self._json("GET", address)
        draft, bucket = _draft(answer), _text(answer, "links", "bucket")
        if answer.get("submitted"):
            raise DepositError(
                f"{draft.page}: this deposit is published already. Reserve a new version with"
                f" --reserve --new-version-of {number}"
            )
        if draft.doi.lower() != doi.lower():
            raise DepositError(
                f"data/settings.csv, doi: {doi} is not the DOI reserved for deposit {number}, {draft.doi}"
            )
        present = {}
        for file in answer.get("files") or []:
            name = _text(file, "filename")
            if name in UPLOADED:
                present[name] = str(file.get("checksum", "")).rpartition(":")[2]
            else:
                self._json("DELETE", _text(file, "links", "self"))
        for name in UPLOADED:
            checksum = _md5(folder / name)
            if present.get(name) != checksum:
                self._send(f"{bucket}/{quote(name)}", folder / name, checksum)
        self._json("PUT", address, {"metadata": json.loads((folder / METADATA).read_bytes())})
        return draft

    def _send(self, address: str, path: Path, checksum: str) -> None:
        with path.open("rb") as file:
            answer = self._request("PUT", address, file, "application/octet-stream", path.stat().st_size)
        stored = str(answer.get("checksum", "")).rpartition(":")[2]
        if stored != checksum:
            raise DepositError(f"{path.name}: Zenodo has stored other bytes than were sent; run the command again")

    def _json(self, method: str, address: str, content: Any = None) -> dict[str, Any]:
        body = b"" if content is None else json.dumps(content).encode()
        return self._request(method, address, body or None, "application/json", len(body))

    def _request(
        self, method: str, address: str, body: bytes | IO[bytes] | None, kind: str, size: int
    ) -> dict[str, Any]:
        """Send a request, and return the object that the server answers with; empty for an answer without content."""
        if urlsplit(address)[:2] != urlsplit(self._server)[:2]:
            raise DepositError(
                f"{address}: {self._server} names an address on another server; the token is not sent there"
            )
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json",
            "User-Agent": "living-review",
        }
        if body is not None:
            headers |= {"Content-Type": kind, "Content-Length": str(size)}
        request = urllib.request.Request(address, data=body, headers=headers, method=method)
        try:
            with self._open(request, timeout=_TIMEOUT) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            raise DepositError(f"{method} {address}: {_refusal(error)}") from None
        except urllib.error.URLError as error:
            raise DepositError(
                f"{self._server} cannot be reached: {error.reason}. Run the command again later"
            ) from None
        except (OSError, http.client.HTTPException):
            raise DepositError(f"{self._server} ended the connection. Run the command again later") from None
        try:
            answer = json.loads(content) if content.strip() else {}
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise DepositError(
                f"{method} {address}: the answer is not the object that Zenodo's documentation describes"
            )
        return answer


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: it would take the token along."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


def _refusal(error: urllib.error.HTTPError) -> str:
    """Return why the server refused a request, in the server's words where it has any."""
    try:
        answer = json.loads(error.read())
        parts = [str(answer["message"])]
        parts += [f"{fault.get('field', '')}: {fault.get('message', '')}" for fault in answer.get("errors") or []]
        words = "; ".join(part.rstrip(".") for part in parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, http.client.HTTPException):
        words = ""
    hint = _HINTS.get(error.code, "the server has a fault; run the command again later" if error.code >= 500 else "")
    return ". ".join(filter(None, [f"Zenodo answers {error.code}", words, hint]))


def _draft(answer: dict[str, Any]) -> Draft:
    number = answer.get("id")
    if not isinstance(number, int):
        raise DepositError("Zenodo's answer has no number of the deposit (id)")
    return Draft(number, _text(answer, "metadata", "prereserve_doi", "doi"), _text(answer, "links", "html"))


def _text(answer: Any, *path: str) -> str:
    """Return a text within an answer."""
    value = answer
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str):
        raise DepositError(f"Zenodo's answer has no {'.'.join(path)}, which its documentation describes")
    return value


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        # Zenodo's checksum of a file; it protects nothing.
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
