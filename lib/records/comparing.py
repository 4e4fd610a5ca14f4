"""Compare two records: how similar they are, and what speaks against their being the same report.

Belongs here: the normal form of titles, names and pages, similarity, and the guards. Does not belong here: which pairs
are compared and what follows (`deduplication`).
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from lib.records.readers import values

SPECIAL = frozenset({"retraction_notice", "erratum", "congress_abstract", "registry_record", "preprint", "comment"})
"""Kinds that a machine never merges with another kind, and with the same kind only if both are the same entry."""
IDENTIFIERS = {"pmid": "PubMed number", "doi": "DOI", "registry": "registry number"}
"""Names of the numbers of a record, in words."""
_PLACES = {"volume": "volume", "page": "first page"}
_GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "κ": "kappa", "μ": "mu", "ω": "omega"}
_COMMENT = re.compile(
    r"(?:re\s*:|comments? (?:on|to)\b|commentary (?:on|to)\b|reply\b|(?:in )?response to\b|letter(?: to\b|:)|editorial:"
    r"|authors?'?s? (?:reply|response)|invited commentary)"
)
_MARKS = re.compile(
    r"\b(?:protocol|rationale and design|study design|design and rationale|interim|preliminary|pilot|follow-?up"
    r"|extension|post-?hoc|subgroup|secondary analys[ie]s|long-?term|abstract|supplement|retracted|withdrawn"
    r"|cost-?effectiveness)\b"
)
"""Words by which two titles on one study tell different reports apart."""
_PART = re.compile(
    r"\b(?:part|study|paper|volume|chapter|phase|trial|report|section|stage)\s+([0-9]+|[ivx]+|one|two|three|four)\b"
)
_ROMAN = re.compile(r"\b(?:i|ii|iii|iv|v|vi|vii|viii|ix|x)\b(?=\s*(?:$|[:.)\]]))")


@dataclass(frozen=True, slots=True)
class Item:
    """A record in a form that can be compared.

    Attributes
    ----------
    key : str
        Key of the record.
    kind : str
        Its kind; a title such as "Erratum: ..." decides it where the source did not.
    title : str
        Words of the title, in lower case without accents and signs.
    marks : tuple of str
        Numbers, parts and words by which reports with similar titles differ.
    surname : str
        Surname of the first author.
    year : int
        Year of publication; 0 if there is none.
    journal, volume, page, doi, pmid, registry : str
        As in the table, in a form that can be compared; ``page`` is the first page.
    """

    key: str
    kind: str
    title: str
    marks: tuple[str, ...]
    surname: str
    year: int
    journal: str
    volume: str
    page: str
    doi: str
    pmid: str
    registry: str

    @property
    def sort_key(self) -> tuple[str, int, str]:
        """Order of records: by search, and by position as a number."""
        search, _, position = self.key.rpartition(".")
        return search, int(position) if position.isdecimal() else 0, self.key

    @property
    def source(self) -> str:
        """The database that the record is from: its search without the date."""
        return re.sub(r"-[0-9]{4}-[0-9]{2}-[0-9]{2}.*", "", self.key.rpartition(".")[0])


def item(row: Mapping[str, str]) -> Item:
    """Return a row of ``records.csv`` in a form that can be compared.

    Examples
    --------
    >>> title = "Part II: <i>Made-up</i> Trial 17."
    >>> made_up = item({"record": "a.1", "title": title, "authors": "Müller-Lüdenscheidt A"})
    >>> made_up.title, made_up.marks, made_up.surname
    ('part ii made up trial 17', ('17', 'ii'), 'mullerludenscheidt')
    """
    plain = _plain(row.get("title", ""))
    kind = row.get("kind", "") or "unknown"
    kind_by_title = values.kind((), title=row.get("title", ""))
    if kind_by_title in ("erratum", "retraction_notice"):
        kind = kind_by_title
    elif kind not in SPECIAL and _COMMENT.match(plain.strip(" [\"'")):
        kind = "comment"
    words = re.sub(r"[^\w]+", " ", plain).replace("_", " ").strip()
    author = row.get("authors", "").partition(";")[0].strip()
    page = re.sub(r"^[^0-9]*0*", "", row.get("pages", "").partition("-")[0].strip().lower())
    return Item(
        key=row["record"],
        kind=kind,
        title=words,
        marks=_marks(plain, words),
        surname=re.sub(r"[^a-z]", "", _plain(author.rpartition(" ")[0] or author)),
        year=int(row["published"][:4]) if row.get("published", "")[:4].isdecimal() else 0,
        journal=_journal(row.get("journal", "")),
        volume=row.get("volume", "").strip().lower(),
        page=page,
        doi=row.get("doi", "").lower(),
        pmid=row.get("pmid", ""),
        registry=row.get("registry", "").upper(),
    )


def _plain(text: str) -> str:
    """Return text in lower case, without tags, entities and accents."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = "".join(_GREEK.get(c, c) for c in text.casefold() if not unicodedata.combining(c)).replace("ß", "ss")
    if "<" in text or "&" in text:
        text = html.unescape(re.sub(r"</?[a-zA-Z][^<>]{0,40}>", "", text))
    return text.lower()


def _marks(plain: str, words: str) -> tuple[str, ...]:
    numbers = re.findall(r"[0-9]+", words)
    parts = [match for match in _PART.findall(words) if not match.isdecimal()]
    romans = [] if parts else _ROMAN.findall(plain)
    named = [match.replace("-", "") for match in _MARKS.findall(plain)]
    return tuple(sorted([*numbers, *parts, *romans, *named]))


def _journal(name: str) -> str:
    name = re.sub(r"\s*[:=(\[].*", "", _plain(name))
    return " ".join(
        word for word in re.findall(r"[a-z0-9]+", name) if word not in ("the", "of", "and", "in", "for", "de")
    )


def same_journal(one: str, other: str) -> bool:
    """Return whether two names of journals can be the same, one of them perhaps abbreviated.

    Examples
    --------
    >>> same_journal("j made up dermatol", "journal made up dermatology"), same_journal("made up", "other journal")
    (True, False)
    """
    if one == other:
        return bool(one)
    first, second = one.split(), other.split()
    if not first or not second:
        return False
    if len(first) == len(second):
        return all(a.startswith(b) or b.startswith(a) for a, b in zip(first, second, strict=True))
    return fuzz.ratio(one, other) >= 90


def similarity(one: Item, other: Item) -> float:
    """Return how alike two titles are, from 0 to 100."""
    return fuzz.ratio(one.title, other.title)


def differ_in_spelling(one: str, other: str) -> bool:
    """Return whether two titles have the same words, apart from single letters and spaces.

    "Adults" and "infants" are other words, and so are "hypo..." and "hyper...".

    Examples
    --------
    >>> differ_in_spelling("made up trial in adults", "made up trail in adults")
    True
    >>> differ_in_spelling("made up trial in adults", "made up trial in infants")
    False
    """
    if one.replace(" ", "") == other.replace(" ", ""):
        return True
    first, second = one.split(), other.split()
    return len(first) == len(second) and all(
        a == b or (min(len(a), len(b)) >= 4 and OSA.distance(a, b) <= 1) for a, b in zip(first, second, strict=True)
    )


def conflicts(one: Item, other: Item) -> list[str]:
    """Return what speaks against two records being the same report, in words; a machine then merges nothing.

    Examples
    --------
    >>> rows = ({"record": f"a.{n}", "title": f"Made-up trial, part {n}", "pmid": str(n)} for n in (1, 2))
    >>> conflicts(*map(item, rows))
    ['the PubMed numbers differ', 'the titles differ in: 1, 2']
    """
    reasons = []
    if one.kind != other.kind and (one.kind in SPECIAL or other.kind in SPECIAL):
        reasons.append(f"one is {_kind(one)} and the other {_kind(other)}")
    reasons += _differing(one, other, IDENTIFIERS)
    if one.title and other.title and one.marks != other.marks:
        differ = sorted(set(one.marks) ^ set(other.marks)) or [*one.marks]
        reasons.append(f"the titles differ in: {', '.join(differ)}")
    return reasons


def place_conflicts(one: Item, other: Item) -> list[str]:
    """Return where two records were published in different places: authors, year, volume or first page."""
    reasons = []
    if one.surname and other.surname and not _same_name(one.surname, other.surname):
        reasons.append("the first authors differ")
    if one.year and other.year and abs(one.year - other.year) > 1:
        reasons.append("the years differ")
    reasons += _differing(one, other, _PLACES)
    if one.journal and other.journal and not same_journal(one.journal, other.journal):
        reasons.append("the journals differ")
    return reasons


def _differing(one: Item, other: Item, words_by_name: Mapping[str, str]) -> list[str]:
    """Return which values differ that both records have, in words."""
    reasons = []
    for name, words in words_by_name.items():
        first, second = getattr(one, name), getattr(other, name)
        if first and second and first != second:
            reasons.append(f"the {words}s differ")
    return reasons


def _same_name(one: str, other: str) -> bool:
    """Return whether two surnames can be the same, one of them perhaps misspelt or without a part."""
    if one == other:
        return True
    return fuzz.ratio(one, other) >= 80 or (min(len(one), len(other)) > 3 and (one in other or other in one))


def _kind(record: Item) -> str:
    article = "an" if record.kind[0] in "aeiou" and record.kind != "unknown" else "a"
    return "of unknown kind" if record.kind == "unknown" else f"{article} {record.kind.replace('_', ' ')}"
