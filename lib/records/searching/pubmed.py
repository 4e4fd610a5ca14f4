"""Search PubMed through the E-utilities: `esearch` with the history server, then `efetch`.

Belongs here: the requests and the XML of PubMed. Does not belong here: pages and retries in general (`fetching`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from lib.records.record import Record
from lib.records.searching.answers import (
    Entry,
    Page,
    Start,
    UnusableAnswer,
    Window,
    date_of,
    doi_from,
    pmid_from,
    read_xml,
    words,
)
from lib.records.searching.client import Client, ExpiredResult, Request, SearchError
from lib.records.searching.source import Source

PAGE = 200
"""Records in one page."""
_KINDS = (
    ("retraction of publication", "retraction_notice"),
    ("retraction notice", "retraction_notice"),
    ("published erratum", "erratum"),
    ("preprint", "preprint"),
    ("meta-analysis", "review"),
    ("systematic review", "review"),
    ("review", "review"),
    ("congress", "congress_abstract"),
    ("academic dissertation", "thesis"),
    ("journal article", "article"),
    ("letter", "article"),
)
"""Kind of record by publication type; the first that a record has counts."""


class PubMed(Source):
    """PubMed."""

    code = "pubmed"
    name = "PubMed"
    platform = "E-utilities"
    home = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"
    overlap = 7
    why_overlap = "a record can become searchable some days after the day on which it was created"
    most = 9_999
    environment = {"api_key": "NCBI_API_KEY", "email": "SEARCH_EMAIL"}

    def __init__(self, address: str = "", secrets: dict[str, str] | None = None):
        super().__init__(address, secrets)
        # What NCBI allows: 3 requests a second, and 10 with a key.
        self.per_second = 10.0 if "api_key" in self.secrets else 3.0

    def start(self, client: Client, query: str, window: Window) -> Start:
        """Put a query to the history server."""
        since, until = (f'"{day:%Y/%m/%d}"[Date - Create]' for day in (window.since, window.until))
        parameters = {
            "db": "pubmed",
            "term": f"({query}) AND ({since} : {until})",
            "usehistory": "y",
            "retmax": "10000",
            "retmode": "xml",
            "tool": "living-review",
        }
        answer, _ = client.ask(Request(f"{self.address}/esearch.fcgi", parameters), _read_search)
        return answer

    def request(self, query: str, window: Window, token: str) -> Request:
        """Return the request for records that the history server holds."""
        place = json.loads(token)
        parameters = {
            "db": "pubmed",
            "query_key": place["key"],
            "WebEnv": place["env"],
            "retstart": str(place["from"]),
            "retmax": str(PAGE),
            "retmode": "xml",
            "tool": "living-review",
        }
        return Request(f"{self.address}/efetch.fcgi", parameters)

    def expected(self, token: str) -> int:
        """Return how many of the records that remain fit on a page."""
        place = json.loads(token)
        return min(PAGE, int(place["total"]) - int(place["from"]))

    def read(self, content: bytes, token: str) -> Page:
        """Read a set of articles."""
        if re.search(rb"<ERROR>[^<]*(unable to obtain query|query[ _]key|webenv)", content, re.IGNORECASE):
            raise ExpiredResult("PubMed no longer holds the result of the query.")
        root = read_xml(content, "PubmedArticleSet")
        entries = tuple(_entry(element) for element in root if element.tag in ("PubmedArticle", "PubmedBookArticle"))
        place = json.loads(token)
        place["from"] += PAGE
        return Page(entries, json.dumps(place) if place["from"] < place["total"] else "")


def _read_search(content: bytes) -> Start:
    root = read_xml(content, "eSearchResult")
    error = words(root.findtext("ERROR"))
    if error:
        if re.search("backend|timeout|temporar|unavailable", error, re.IGNORECASE):
            raise UnusableAnswer(error)
        raise SearchError(f"PubMed rejects the query: {error}. Mend it in queries.csv.")
    count, env, key = (words(root.findtext(name)) for name in ("Count", "WebEnv", "QueryKey"))
    if not count.isdecimal() or (count != "0" and not (env and key)):
        raise UnusableAnswer("the answer states no count or no place on the history server")
    remarks = [
        f"PubMed did not find {words(element.text)!r}"
        for element in root.findall("ErrorList/*") + root.findall("WarningList/QuotedPhraseNotFound")
        if words(element.text)
    ]
    token = json.dumps({"env": env, "key": key, "from": 0, "total": int(count)})
    return Start(int(count), token, tuple(words(e.text) for e in root.findall("IdList/Id")), tuple(remarks))


def _entry(element: Element) -> Entry:
    is_book = element.tag == "PubmedBookArticle"
    citation = element.find("BookDocument" if is_book else "MedlineCitation")
    pmid = pmid_from(_text(citation, "PMID"))
    if citation is None or not pmid:
        return Entry("", reason="has no PubMed number")
    article = citation if is_book else citation.find("Article")
    if article is None:
        return Entry(pmid, reason=f"PubMed has no article for PMID {pmid}")
    types = [words(e.text).casefold() for e in article.iter("PublicationType")]
    pages = _text(article, "Pagination/MedlinePgn")
    if not pages and (begin := _text(article, "Pagination/StartPage")):
        pages = "-".join(filter(None, [begin, _text(article, "Pagination/EndPage")]))
    record = Record(
        kind="other" if is_book else next((kind for name, kind in _KINDS if name in types), "article"),
        title=_text(article, "ArticleTitle") or _text(article, "VernacularTitle") or _text(article, "Book/BookTitle"),
        authors="; ".join(filter(None, map(_author, article.findall("AuthorList/Author")))),
        published=_published(article),
        journal=_text(article, "Journal/ISOAbbreviation") or _text(article, "Journal/Title"),
        volume=_text(article, "Journal/JournalIssue/Volume"),
        issue=_text(article, "Journal/JournalIssue/Issue"),
        pages=pages,
        doi=_doi(element, article),
        pmid=pmid,
        registry=_registry(article),
        url=f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/",
        abstract=" ".join(words("".join(e.itertext())) for e in article.findall("Abstract/AbstractText")),
        links=tuple(_links(citation)),
    )
    return Entry(pmid, record)


def _text(element: Element | None, path: str) -> str:
    """Return the text of an element and of those within it."""
    child = None if element is None else element.find(path)
    return "" if child is None else words("".join(child.itertext()))


def _author(element: Element) -> str:
    if surname := _text(element, "LastName"):
        return f"{surname} {_text(element, 'Initials')}".strip()
    return _text(element, "CollectiveName")


def _published(article: Element) -> str:
    """Return the day of electronic publication, else the date of the issue."""
    for path in ("ArticleDate", "Journal/JournalIssue/PubDate", "Book/PubDate"):
        element = article.find(path)
        if element is not None:
            text = _text(element, "MedlineDate")
            match = re.match(r"([12][0-9]{3})(?: ([A-Z][a-z]{2}))?", text) if text else None
            parts = match.groups() if match else (_text(element, name) for name in ("Year", "Month", "Day"))
            if date := date_of(*parts):
                return date
    return ""


def _doi(element: Element, article: Element) -> str:
    # The list of references has identifiers of other articles, which an unlimited path would find.
    places = article.findall("ELocationID[@EIdType='doi']") + element.findall(
        "PubmedData/ArticleIdList/ArticleId[@IdType='doi']"
    )
    return next(filter(None, (doi_from(place.text) for place in places)), "")


def _registry(article: Element) -> str:
    numbers = (words(e.text) for e in article.findall("DataBankList/DataBank/AccessionNumberList/AccessionNumber"))
    return next((number for number in numbers if re.fullmatch(r"NCT[0-9]{8}", number)), "")


def _links(citation: Element) -> Iterator[str]:
    """Yield what a record says of other reports: errata, retractions and comments, but not what it cites."""
    for element in citation.findall("CommentsCorrectionsList/CommentsCorrections"):
        kind = element.get("RefType", "")
        if kind and kind != "Cites":
            name = " ".join(re.findall("[A-Z][a-z]*", kind)).lower()
            pmid = pmid_from(_text(element, "PMID"))
            source = _text(element, "RefSource").rstrip(".")
            yield f"{name}: {source}" + (f". PMID: {pmid}" if pmid else "")
