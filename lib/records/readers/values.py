"""Bring names, dates, pages, identifiers and kinds of publications into one form, however a source writes them.

Belongs here: single values. Does not belong here: which field of a format holds a value (the module of the format).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from urllib.parse import unquote

MONTHS = {
    name: number
    for number, names in enumerate(
        "jan january|feb february|mar march|apr april|may|jun june|jul july|aug august|sep sept september|"
        "oct october|nov november|dec december".split("|"),
        start=1,
    )
    for name in names.split()
}
"""Number of each month by its name and its abbreviations."""
_DOI = re.compile(r"10\.[0-9]{4,9}/[^\s\"]+")
_REGISTRY = re.compile(
    r"\b(?:NCT[0-9]{8}|ISRCTN ?[0-9]{8}|ACTRN ?[0-9]{14}p?|ChiCTR[-A-Z]*[0-9]{8,12}|CTRI/[0-9]{4}/[0-9]{2,3}/[0-9]{6}"
    r"|IRCT[0-9]{8,}N[0-9]+|DRKS[0-9]{8}|UMIN[0-9]{9}|KCT[0-9]{7}|PACTR[0-9]{15,16}|TCTR[0-9]{11}|jRCTs?[0-9]{9,10}"
    r"|EUCTR ?[0-9]{4}-[0-9]{6}-[0-9]{2}|RBR-[0-9a-z]{6,})\b",
    re.IGNORECASE,
)
_LONG_NUMBER = re.compile(r"[0-9]{5}|RBR-", re.IGNORECASE)
_PREPRINT_SERVERS = re.compile(
    r"\b(?:medrxiv|biorxiv|arxiv|research square|ssrn|preprints?\.org|psyarxiv|osf preprints?)\b"
)
_PREPRINT_DOI = re.compile(r"10\.(?:1101|21203/rs|20944/preprints|2139/ssrn|31234|31219|48550)[/.]", re.IGNORECASE)
_REGISTERS = re.compile(
    r"clinicaltrials\.gov|trialsearch\.who\.int|who\.int/trialsearch|isrctn\.com|clinicaltrialsregister\.eu"
)
_ERRATUM = re.compile(
    r"(?:erratum|errata|corrigend(?:um|a))\b|published erratum"
    r"|(?:author |publisher )?corrections?\s*(?:[:\-\u2013\u2014]|to\b|\.?$)"
)
_RETRACTION = re.compile(
    r"(?:notice of retraction|retraction(?: notice| note)?\s*(?:[:.\-–—]|of\b|to\b|$)|statement of retraction)"
)
_KIND_BY_WORDS = tuple(
    (re.compile(pattern), code)
    for pattern, code in (
        (r"\b(?:conference (?:abstract|proceeding)|meeting[ -]abstract|congress(?:es)?|abst)\b", "congress_abstract"),
        (r"\b(?:thes|thesis|phdthesis|mastersthesis|dissertation)\b", "thesis"),
        (r"\b(?:review|meta-analysis)\b", "review"),
        (
            r"\b(?:jour|article|journal ?article|ejour|mgzn|inpr|article in press|clinical trial|editorial|letter)\b",
            "article",
        ),
        (r"\b(?:conf|cpaper|conference ?paper|inproceedings|proceedings|s|c)\b", "congress_abstract"),
        (r"\bj\b", "article"),
        (r"\w", "other"),
    )
)
"""Kind of a publication by words in the names of its types; the first that fits counts."""
_DASHES = re.compile(r"\s*[\u2010-\u2015\u2212]\s*")


def author(name: str) -> str:
    """Return the name of an author as surname and initials; the name of a group stays as it is.

    Examples
    --------
    >>> author("Made-Up, Anna B."), author("Made-Up A.B."), author("Made-Up AB"), author("The Made-Up Group")
    ('Made-Up AB', 'Made-Up AB', 'Made-Up AB', 'The Made-Up Group')
    """
    name = " ".join(name.replace(";", ",").split()).strip(" ,")
    surname, comma, rest = name.partition(",")
    if comma:
        forenames, _, suffix = (part.strip() for part in rest.partition(","))
        return " ".join(filter(None, (surname.strip(), _initials(forenames), suffix.strip(". "))))
    before, _, last = name.rpartition(" ")
    if before and re.fullmatch(r"(?:[A-ZÀ-Ž]\.?-?){1,5}", last):
        return f"{before} {re.sub('[.-]', '', last)}"
    return name


def _initials(forenames: str) -> str:
    parts = re.findall(r"[^\W\d_]+", forenames.replace("'", "").replace("’", ""))
    return "".join(part if part.isupper() and len(part) <= 3 else part[0].upper() for part in parts)


def authors(names: Iterable[str]) -> str:
    """Return the authors as "Surname A; Surname B".

    Examples
    --------
    >>> authors(["Made-Up, A.", "Invented, B. C.; Third, D."])
    'Made-Up A; Invented BC; Third D'
    """
    each = (author(part) for name in names for part in name.split(";"))
    return "; ".join(name for name in each if name)


def split_authors(text: str) -> list[str]:
    """Return the single authors of a text that lists them, separated by semicolons or by commas.

    Examples
    --------
    >>> split_authors("Made-Up A., Invented B.C."), split_authors("Made-Up, Anna; Invented, B")
    (['Made-Up A.', 'Invented B.C.'], ['Made-Up, Anna', 'Invented, B'])
    >>> split_authors("Made-Up, A")
    ['Made-Up, A']
    """
    text = text.strip()
    if ";" in text or "\n" in text:
        return [part.strip() for part in re.split(r"[;\n]", text)]
    parts = [part.strip() for part in text.rstrip(".").split(",")]
    if len(parts) > 1 and all(re.search(r"\S [^\W\d_a-z][\w.\-]{0,6}$", part) for part in parts):
        return [part.strip() for part in text.split(",")]
    return [text]


def without_point(title: str) -> str:
    """Return a title without the full stop that a source adds; that of an abbreviation or an ellipsis stays.

    Examples
    --------
    >>> without_point("Made-up trial 17."), without_point("Made-up trial...")
    ('Made-up trial 17', 'Made-up trial...')
    """
    return title[:-1] if title.endswith(".") and not title.endswith("..") else title


def date(*texts: str) -> str:
    """Return the most precise date that some texts agree on, as YYYY, YYYY-MM or YYYY-MM-DD.

    The first text with a year decides the year; the others may add the month and the day of that year. The first day
    of a month is often a month alone, and is returned as such.

    Examples
    --------
    >>> date("2021//"), date("2010", "SEP 22"), date("2024 Dec 20"), date("2023 Apr-Jun"), date("", "1 Dec 2024")
    ('2021', '2010-09-22', '2024-12-20', '2023-04', '2024-12')
    """
    dates = [_date(text) for text in texts if text]
    year = next((year for year, _, _ in dates if year), 0)
    if not year:
        return ""
    month, day = 0, 0
    for other_year, other_month, other_day in dates:
        if other_year in (0, year) and (bool(other_month), bool(other_day)) > (bool(month), bool(day)):
            month, day = other_month, other_day
    if day > 1 and month:
        try:
            return dt.date(year, month, day).isoformat()
        except ValueError:
            day = 0
    return f"{year}-{month:02}" if month else f"{year}"


def _date(text: str) -> tuple[int, int, int]:
    """Return year, month and day of a text; 0 for what it does not give."""
    text = text.strip()
    if match := re.match(r"([12][0-9]{3})(?:[-/.]([01]?[0-9]))?(?:[-/.]([0-3]?[0-9]))?(?![0-9])", text):
        year, month, day = (int(part or 0) for part in match.groups())
        if month or not re.search("[A-Za-z]", text):
            return year, month if month <= 12 else 0, day
    elif match := re.fullmatch(r"([12][0-9]{3})([01][0-9])([0-3][0-9])", text):
        return int(match[1]), int(match[2]), int(match[3])
    year = next((int(word) for word in re.findall(r"(?<![0-9])[12][0-9]{3}(?![0-9])", text)), 0)
    names = [MONTHS.get(word.lower(), 0) for word in re.findall("[A-Za-z]+", text)]
    month = next(filter(None, names), 0)
    # A range of months has no day, even if its ends are days.
    is_range = sum(map(bool, names)) > 1
    days = [int(word) for word in re.findall(r"(?<![0-9])[0-3]?[0-9](?![0-9])", text)]
    return year, month, days[0] if month and len(days) == 1 and not is_range else 0


def pages(first: str, last: str = "", article: str = "") -> str:
    """Return pages with a plain hyphen; the number of the article if there are none.

    Examples
    --------
    >>> pages("43", "58"), pages("43\u201058"), pages("", "", "e12292"), pages("7", "7")
    ('43-58', '43-58', 'e12292', '7')
    """
    first, last = (_DASHES.sub("-", text.strip().replace("--", "-")) for text in (first, last))
    if last and last != first and "-" not in first and first:
        return f"{first}-{last}"
    return first or last or article.strip()


def doi(*texts: str) -> str:
    """Return the first DOI in some texts, without a prefix; empty if there is none.

    Examples
    --------
    >>> doi("https://dx.doi.org/10.5555/made.up"), doi("", "doi: 10.5555/made(up)1."), doi("10.5555/a<1::b>2")
    ('10.5555/made.up', '10.5555/made(up)1', '10.5555/a%3C1::b%3E2')
    """
    for text in texts:
        if match := _DOI.search(unquote(text) if "%2" in text else text):
            doi = match[0].replace("<", "%3C").replace(">", "%3E").rstrip(".,;]}")
            while doi.endswith(")") and doi.count(")") > doi.count("("):
                doi = doi[:-1].rstrip(".,;")
            return doi
    return ""


def pmid(*texts: str) -> str:
    """Return the first PubMed number in some texts, which is the whole text or marked as such.

    Examples
    --------
    >>> pmid("PUBMED 123,EMBASE 45"), pmid("https://pubmed.ncbi.nlm.nih.gov/123/"), pmid("CN-00123"), pmid("0123")
    ('123', '123', '', '123')
    """
    for text in texts:
        match = re.fullmatch(r"\s*0*([1-9][0-9]{0,7})\s*(?:\[pmid\])?\s*", text, re.IGNORECASE) or re.search(
            r"(?:pubmed(?:\.ncbi\.nlm\.nih\.gov/|\.gov/|[: ])|pmid:?|/pubmed/)\s*0*([1-9][0-9]{0,7})\b",
            text,
            re.IGNORECASE,
        )
        if match:
            return match[1]
    return ""


def registry(*texts: str) -> str:
    """Return the number of a trial register, if exactly one occurs in some texts.

    Examples
    --------
    >>> registry("ClinicalTrials.gov/NCT00000000"), registry("NCT00000000 and NCT00000001")
    ('NCT00000000', '')
    """
    numbers = {
        match.replace(" ", "")
        for text in texts
        # Most abstracts have none, and a look for a long number takes a tenth of the time.
        if _LONG_NUMBER.search(text)
        for match in _REGISTRY.findall(text)
    }
    numbers = {number.upper() if number[:3].lower() == "nct" else number for number in numbers}
    return numbers.pop() if len(numbers) == 1 else ""


def url(texts: Iterable[str], doi: str, pmid: str) -> str:
    """Return the first address in some texts that says more than the DOI and the PubMed number, if these are known."""
    for text in texts:
        match = re.search(r"https?://[^\s\"<>]+", text)
        if match and not (doi and "doi.org/" in match[0]) and not (pmid and "pubmed" in match[0]):
            return match[0]
    return ""


def kind(types: Iterable[str], *, title: str = "", journal: str = "", doi: str = "", urls: Iterable[str] = ()) -> str:
    """Return the kind of a publication: what its types, its title and where it was published say.

    Parameters
    ----------
    types : iterable of str
        Types of the publication as sources name them: "JOUR", "Journal Article", "Conference Abstract".
    title, journal, doi : str
        Facts of the publication.
    urls : iterable of str
        Its addresses.

    Examples
    --------
    >>> kind(["JOUR", "Erratum"]), kind(["JOUR"], title="Retraction: Made-up trial 17")
    ('erratum', 'retraction_notice')
    >>> kind(["JOUR"], journal="medRxiv"), kind(["JOUR"], title="Correction of pigment loss"), kind(["CONF"])
    ('preprint', 'article', 'congress_abstract')
    >>> kind(["JOUR"], title="RETRACTED: Made-up trial 17"), kind(["Journal Article", "Review"]), kind([])
    ('article', 'review', 'unknown')
    """
    named = " | ".join(types).lower()
    title, journal = title.strip(" [(\"'").lower(), journal.lower()
    if re.search(r"\bretraction\b", named) or _RETRACTION.match(title):
        return "retraction_notice"
    if re.search(r"\berrat(?:um|a)\b|\bcorrigend|\bcorrection\b", named) or _ERRATUM.match(title):
        return "erratum"
    if "registry record" in named or _REGISTERS.search(journal) or any(_REGISTERS.search(text) for text in urls):
        return "registry_record"
    if "preprint" in named or _PREPRINT_SERVERS.search(journal) or _PREPRINT_DOI.match(doi):
        return "preprint"
    return next((code for pattern, code in _KIND_BY_WORDS if pattern.search(named)), "unknown")
