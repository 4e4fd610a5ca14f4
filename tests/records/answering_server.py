"""A local server that answers as the databases do, with records that are made up, and that fails as it is told to.

The shapes follow the databases' documentation. It needs the standard library alone.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import email.utils
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

JSON, XML, HTML = "application/json", "text/xml", "text/html"
Parameters = dict[str, str]


@dataclass(frozen=True)
class MadeUp:
    """A made-up record: everything follows from its number."""

    number: int
    day: dt.date
    corrects: int = 0
    """Number of the record whose erratum this is."""

    @property
    def title(self) -> str:
        return f"Made-up trial {self.number}"

    @property
    def doi(self) -> str:
        return f"10.5555/made-up.{self.number}"

    @property
    def pmid(self) -> str:
        return str(90_000_000 + self.number)

    @property
    def nct(self) -> str:
        return f"NCT{99_000_000 + self.number:08}"

    @property
    def openalex(self) -> str:
        return f"W{9_900_000_000 + self.number}"


def made_up(number: int, since: dt.date, until: dt.date) -> list[MadeUp]:
    """Return some records whose days are spread over a window."""
    days = (until - since).days + 1
    return [MadeUp(n + 1, since + dt.timedelta(days=n * days // number)) for n in range(number)]


Fault = str
"""What a request gets in place of its answer: a status such as "500", or a name that `_Handler._send` knows."""


@dataclass
class Answers:
    """What the server knows and how it behaves.

    Attributes
    ----------
    records : list of MadeUp
        The records of every database.
    faults : list of str or None
        Faults of the next requests, in order; None: the request gets its answer.
    always : str
        The fault of every request after those.
    grows : bool
        Whether every page states one record more than the one before.
    repeats : int
        How many pages are answered with the page before them.
    withheld : set of int
        Numbers of records that are counted, and listed by PubMed, but never delivered.
    wait : str
        Value of ``Retry-After`` in answers with status 429; "date": a date in two seconds.
    silence : float
        Seconds that a request with the fault "timeout" waits.
    lost : set of str
        Tokens of pages that the server no longer knows.
    retractions : dict of str to list
        What Crossref states in ``updated-by`` of a DOI.
    retracted : dict of str to list
        Publication types and corrections of a PubMed number: pairs of kind and text.
    unknown : set of str
        DOIs and PubMed numbers that Crossref and PubMed do not have.
    """

    records: list[MadeUp] = field(default_factory=list)
    faults: list[Fault | None] = field(default_factory=list)
    always: Fault = ""
    grows: bool = False
    repeats: int = 0
    withheld: set[int] = field(default_factory=set)
    wait: str = "3"
    silence: float = 1.0
    lost: set[str] = field(default_factory=set)
    retractions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    retracted: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    requests: list[tuple[str, Parameters]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    held: list[list[MadeUp]] = field(default_factory=list)
    """Results on PubMed's history server, by query key."""

    def answer(self, path: str, parameters: Parameters) -> tuple[str, bytes]:
        """Return the type and content of the answer to a request."""
        service = {
            "/pubmed/esearch.fcgi": self.esearch,
            "/pubmed/efetch.fcgi": self.efetch,
            "/europe_pmc/search": self.europe_pmc,
            "/clinicaltrials/studies": self.clinicaltrials,
            "/crossref/works": self.crossref,
            "/openalex/works": self.openalex,
        }[path]
        return service(parameters)

    def within(self, since: str, until: str) -> list[MadeUp]:
        first, last = (dt.date.fromisoformat(day.replace("/", "-")) for day in (since, until))
        return [record for record in self.records if first <= record.day <= last]

    def stated(self, total: int) -> int:
        """Return the number that a page states."""
        return total + (len(self.requests) if self.grows else 0)

    def page(self, found: list[MadeUp], at: int, size: int) -> list[MadeUp]:
        """Return a page; the one before it if pages are to be repeated."""
        if at and self.repeats:
            self.repeats -= 1
            at -= size
        return [record for record in found[at : at + size] if record.number not in self.withheld]

    # PubMed

    def esearch(self, parameters: Parameters) -> tuple[str, bytes]:
        days = re.findall(r'"([0-9/]{10})"\[Date - Create\]', parameters["term"])
        found = self.within(*days)
        self.held.append(found)
        ids = "".join(f"<Id>{record.pmid}</Id>" for record in found[: int(parameters["retmax"])])
        lists = "<ErrorList><PhraseNotFound>madeupphrase</PhraseNotFound></ErrorList>"
        unknown = lists if "madeupphrase" in parameters["term"] else ""
        body = (
            '<?xml version="1.0" encoding="UTF-8" ?>\n<!DOCTYPE eSearchResult PUBLIC "-//NLM//DTD esearch 20060628//EN"'
            ' "https://eutils.ncbi.nlm.nih.gov/eutils/dtd/20060628/esearch.dtd">\n'
            f"<eSearchResult><Count>{self.stated(len(found))}</Count><RetMax>{len(found)}</RetMax>"
            "<RetStart>0</RetStart>"
            f"<QueryKey>{len(self.held)}</QueryKey><WebEnv>MADE_UP_{len(self.held)}</WebEnv>"
            f"<IdList>{ids}</IdList><TranslationSet/>{unknown}</eSearchResult>"
        )
        return XML, body.encode()

    def efetch(self, parameters: Parameters) -> tuple[str, bytes]:
        head = '<?xml version="1.0" ?>\n<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 2026//EN"'
        head += ' "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_260101.dtd">\n'
        if "id" in parameters:
            articles = "".join(self._article_of(p) for p in parameters["id"].split(",") if p not in self.unknown)
            return XML, f"{head}<PubmedArticleSet>{articles}</PubmedArticleSet>".encode()
        if parameters["WebEnv"] in self.lost:
            return XML, b"<eFetchResult><ERROR>Unable to obtain query #1</ERROR></eFetchResult>"
        found = self.held[int(parameters["query_key"]) - 1]
        shown = self.page(found, int(parameters["retstart"]), int(parameters["retmax"]))
        return XML, f"{head}<PubmedArticleSet>{''.join(map(_article, shown))}</PubmedArticleSet>".encode()

    def _article_of(self, pmid: str) -> str:
        stated = self.retracted.get(pmid, [])
        types = "".join(f"<PublicationType>{text}</PublicationType>" for kind, text in stated if kind == "type")
        said = "".join(
            f'<CommentsCorrections RefType="{kind}"><RefSource>Made-up J. 2026</RefSource>'
            f'<PMID Version="1">{text}</PMID></CommentsCorrections>'
            for kind, text in stated
            if kind != "type"
        )
        return (
            f'<PubmedArticle><MedlineCitation><PMID Version="1">{pmid}</PMID><Article>'
            "<ArticleTitle>Made-up</ArticleTitle><PublicationTypeList>"
            f"<PublicationType>Journal Article</PublicationType>{types}</PublicationTypeList></Article>"
            f"<CommentsCorrectionsList>{said}</CommentsCorrectionsList></MedlineCitation></PubmedArticle>"
        )

    # Europe PMC

    def europe_pmc(self, parameters: Parameters) -> tuple[str, bytes]:
        found = self.within(*re.findall(r"FIRST_IDATE:\[(\S+) TO (\S+)\]", parameters["query"])[0])
        at, size = _place(parameters["cursorMark"]), int(parameters["pageSize"])
        shown = self.page(found, at, size)
        following = parameters["cursorMark"] if not found[at:] else _cursor(at + size)
        # The service repeats the request, with every parameter, in the address of the next page.
        repeated = "&".join(f"{name}={value}" for name, value in parameters.items())
        return JSON, _json(
            {
                "version": "6.9",
                "hitCount": self.stated(len(found)),
                "nextCursorMark": following,
                "nextPageUrl": f"https://example.org/search?{repeated}",
                "request": {"queryString": parameters["query"], "resultType": "core", "pageSize": size},
                "resultList": {"result": [_europe_pmc(record) for record in shown]},
            }
        )

    # ClinicalTrials.gov

    def clinicaltrials(self, parameters: Parameters) -> tuple[str, bytes]:
        found = self.within(*re.findall(r"StudyFirstPostDate\]RANGE\[(\S+),(\S+)\]", parameters["filter.advanced"])[0])
        at, size = _place(parameters.get("pageToken", "")), int(parameters["pageSize"])
        answer: dict[str, Any] = {"studies": [_trial(record) for record in self.page(found, at, size)]}
        if at == 0:
            answer["totalCount"] = self.stated(len(found))
        if found[at + size :]:
            answer["nextPageToken"] = _cursor(at + size)
        return JSON, _json(answer)

    # Crossref

    def crossref(self, parameters: Parameters) -> tuple[str, bytes]:
        dois = re.findall(r"doi:([^,]+)", parameters["filter"])
        if dois:
            known = [doi for doi in dois if doi not in self.unknown]
            items = [{"DOI": doi} | ({"updated-by": u} if (u := self.retractions.get(doi)) else {}) for doi in known]
            return JSON, _json({"status": "ok", "message": {"total-results": len(items), "items": items}})
        found = self.within(*re.findall(r"from-created-date:(\S+),until-created-date:(\S+)", parameters["filter"])[0])
        at, size = _place(parameters.get("cursor", "*")), int(parameters["rows"])
        shown = self.page(found, at, size)
        message: dict[str, Any] = {"total-results": self.stated(len(found)), "items": [_work(r) for r in shown]}
        if "cursor" in parameters:
            # There is a cursor after the last page, too.
            message["next-cursor"] = _cursor(at + size)
        return JSON, _json({"status": "ok", "message-type": "work-list", "message": message})

    # OpenAlex

    def openalex(self, parameters: Parameters) -> tuple[str, bytes]:
        window = re.findall(r"from_publication_date:(\S+),to_publication_date:(\S+)", parameters["filter"])[0]
        found, size = self.within(*window), int(parameters["per_page"])
        meta: dict[str, Any] = {"count": self.stated(len(found)), "per_page": size}
        if "cursor" in parameters:
            at = _place(parameters["cursor"])
            meta["next_cursor"] = _cursor(at + size) if found[at:] else None
        else:
            at = (int(parameters.get("page", "1")) - 1) * size
        return JSON, _json(
            {"meta": meta, "results": [_open_work(r) for r in self.page(found, at, size)], "group_by": []}
        )


def _json(answer: object) -> bytes:
    return json.dumps(answer).encode()


def _cursor(at: int) -> str:
    return base64.b64encode(f"made-up {at}".encode()).decode()


def _place(cursor: str) -> int:
    return 0 if cursor in ("", "*") else int(base64.b64decode(cursor).split()[1])


def _article(record: MadeUp) -> str:
    day = record.day
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{record.pmid}</PMID>'
        '<Article PubModel="Print-Electronic"><Journal><JournalIssue CitedMedium="Internet"><Volume>7</Volume>'
        f"<Issue>2</Issue><PubDate><Year>{day.year}</Year><Month>{day:%b}</Month></PubDate></JournalIssue>"
        "<Title>Journal of made-up trials</Title><ISOAbbreviation>J Made Up</ISOAbbreviation></Journal>"
        f"<ArticleTitle>Made-up <i>trial</i> {record.number}</ArticleTitle><Pagination><MedlinePgn>1-9</MedlinePgn>"
        f'</Pagination><ELocationID EIdType="doi" ValidYN="Y">{record.doi}</ELocationID>'
        "<Abstract><AbstractText>Made up &lt; 5 for a test.</AbstractText></Abstract>"
        '<AuthorList CompleteYN="Y"><Author ValidYN="Y"><LastName>Made-Up</LastName><ForeName>Ada B</ForeName>'
        "<Initials>AB</Initials></Author><Author><CollectiveName>Made-Up Group</CollectiveName></Author></AuthorList>"
        "<PublicationTypeList><PublicationType>Journal Article</PublicationType></PublicationTypeList>"
        f'<ArticleDate DateType="Electronic"><Year>{day.year}</Year><Month>{day:%m}</Month><Day>{day:%d}</Day>'
        f"</ArticleDate></Article>{_corrections(record)}</MedlineCitation><PubmedData><ArticleIdList>"
        f'<ArticleId IdType="pubmed">{record.pmid}</ArticleId></ArticleIdList><ReferenceList><Reference><ArticleIdList>'
        '<ArticleId IdType="doi">10.5555/cited</ArticleId></ArticleIdList></Reference></ReferenceList></PubmedData>'
        "</PubmedArticle>"
    )


def _corrections(record: MadeUp) -> str:
    if not record.corrects:
        return ""
    other = MadeUp(record.corrects, record.day)
    return (
        '<CommentsCorrectionsList><CommentsCorrections RefType="ErratumFor"><RefSource>J Made Up. 2026</RefSource>'
        f'<PMID Version="1">{other.pmid}</PMID></CommentsCorrections></CommentsCorrectionsList>'
    )


def _europe_pmc(record: MadeUp) -> dict[str, Any]:
    return {
        "id": record.pmid,
        "source": "MED",
        "pmid": record.pmid,
        "doi": record.doi,
        "title": f"{record.title}.",
        "authorString": "Made-Up AB.",
        "authorList": {"author": [{"fullName": "Made-Up AB", "lastName": "Made-Up", "initials": "AB"}]},
        "journalInfo": {"issue": "2", "volume": "7", "journal": {"title": "Journal of made-up trials"}},
        "pageInfo": "1-9",
        "pubTypeList": {"pubType": ["research-article", "Journal Article"]},
        "firstPublicationDate": record.day.isoformat(),
        "abstractText": "Made up for a test.",
    }


def _trial(record: MadeUp) -> dict[str, Any]:
    names = {"nctId": record.nct, "briefTitle": record.title, "officialTitle": f"{record.title} of a made-up ointment"}
    posted = {"studyFirstPostDateStruct": {"date": record.day.isoformat(), "type": "ACTUAL"}}
    return {"protocolSection": {"identificationModule": names, "statusModule": posted}, "hasResults": False}


def _work(record: MadeUp) -> dict[str, Any]:
    day = record.day
    return {
        "DOI": record.doi.upper(),
        "type": "journal-article",
        "title": [record.title],
        "author": [{"given": "Ada Berta", "family": "Made-Up", "sequence": "first"}],
        "container-title": ["Journal of made-up trials"],
        "issued": {"date-parts": [[day.year, day.month, day.day]]},
        "volume": "7",
        "issue": "2",
        "page": "1-9",
    } | ({"update-to": [_update(record)]} if record.corrects else {})


def _update(record: MadeUp) -> dict[str, Any]:
    other = MadeUp(record.corrects, record.day)
    return {"DOI": other.doi.upper(), "type": "erratum", "label": "Erratum", "source": "publisher"}


def _open_work(record: MadeUp) -> dict[str, Any]:
    return {
        "id": f"https://openalex.org/{record.openalex}",
        "doi": f"https://doi.org/{record.doi}",
        "title": record.title,
        "type": "article",
        "publication_date": record.day.isoformat(),
        "ids": {"pmid": f"https://pubmed.ncbi.nlm.nih.gov/{record.pmid}"},
        "authorships": [{"author": {"display_name": "Ada B. Made-Up"}}],
        "primary_location": {"source": {"display_name": "Journal of made-up trials"}},
        "biblio": {"volume": "7", "issue": "2", "first_page": "1", "last_page": "9"},
        "abstract_inverted_index": {"Made": [0], "up": [1]},
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers: Answers

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        with self.answers.lock:
            self.answers.requests.append((parts.path, parameters))
            fault = self.answers.faults.pop(0) if self.answers.faults else self.answers.always
            kind, content = self.answers.answer(parts.path, parameters)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._send(fault, kind, content)

    def _send(self, fault: Fault | None, kind: str, content: bytes) -> None:
        status, headers = 200, {}
        if fault == "timeout":
            time.sleep(self.answers.silence)
            self.close_connection = True
            return
        if fault == "cut off":
            content = content[: len(content) * 2 // 3]
        elif fault == "web page":
            kind, content = HTML, b"<!DOCTYPE html>\n<html><body><h1>Made-up maintenance</h1></body></html>"
        elif fault == "nothing":
            content = b""
        elif fault == "other form":
            content = b"<made-up/>" if kind == XML else b'{"made": "up"}'
        elif fault and fault.isdecimal():
            status, kind = int(fault), JSON
            # NCBI repeats the key in this answer.
            content = _json({"error": "made-up failure", "request": self.path})
            if status == 429:
                in_two = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2), usegmt=True)
                headers["Retry-After"] = in_two if self.answers.wait == "date" else self.answers.wait
            if status in (301, 302):
                headers["Location"] = "http://127.0.0.1:9/elsewhere"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if fault == "connection lost":
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@contextlib.contextmanager
def answering(answers: Answers) -> Iterator[Callable[[str], str]]:
    """Serve answers, and give the address of each database by its code."""
    handler = type("Handler", (_Handler,), {"answers": answers})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield lambda code: f"http://127.0.0.1:{server.server_address[1]}/{code}"
    finally:
        server.shutdown()
        server.server_close()
