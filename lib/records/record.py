"""Define a bibliographic record, an entry that was refused, and what a file or a search contains.

Belongs here: the classes that readers, searches and the import share. Does not belong here: how a file is read
(`readers`), and how a record becomes a row of ``records.csv`` (`importing`).
"""

from __future__ import annotations

from dataclasses import dataclass

FACTS = (
    *("kind", "title", "authors", "published", "journal", "volume", "issue", "pages"),
    *("doi", "pmid", "registry", "url"),
)
"""Attributes of a record that are columns of ``records.csv`` with the same name, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Record:
    """An entry of a file or of an answer: bibliographic facts, as text. What was not seen is empty.

    Attributes
    ----------
    position : int
        Number of the entry within its file or search, from 1; 0 until it is numbered. Refused entries count.
    kind : str
        A code: article, preprint, registry_record, congress_abstract, erratum, retraction_notice, review, thesis,
        other or unknown.
    title : str
        Title.
    authors : str
        Authors as "Surname A; Surname B".
    published : str
        Date of publication as YYYY, YYYY-MM or YYYY-MM-DD.
    journal, volume, issue, pages : str
        Where it was published.
    doi, pmid, registry, url : str
        Identifiers: a DOI without prefix, a PubMed number, the number of a trial register such as NCT00000000, an
        address.
    line, last_line : int
        First and last line of the entry in its file, from 1; 0 if the entry was not read from lines.
    abstract : str
        The abstract. It is text of third parties: no table holds it.
    links : tuple of str
        What the entry says of other reports, such as "erratum in: Made-up J. 2020;1:2. PMID: 1". No table
        holds them, but errata become links between two records (`lib.records.errata`).
    """

    position: int = 0
    kind: str = "unknown"
    title: str = ""
    authors: str = ""
    published: str = ""
    journal: str = ""
    volume: str = ""
    issue: str = ""
    pages: str = ""
    doi: str = ""
    pmid: str = ""
    registry: str = ""
    url: str = ""
    line: int = 0
    last_line: int = 0
    abstract: str = ""
    links: tuple[str, ...] = ()

    def facts(self) -> dict[str, str]:
        """Return the values of the columns of ``records.csv`` that a record has.

        Examples
        --------
        >>> {name: value for name, value in Record(1, title="Made-up trial 17").facts().items() if value}
        {'kind': 'unknown', 'title': 'Made-up trial 17'}
        """
        return {name: getattr(self, name) for name in FACTS}


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that cannot be imported.

    Attributes
    ----------
    position : int
        Number of the entry within its file or answer, from 1.
    line : int
        Line of the file on which the entry starts, from 1; 0 if the entry was not read from lines.
    reason : str
        Why the entry cannot be imported.
    last_line : int
        Last line of the entry.
    """

    position: int
    line: int
    reason: str
    last_line: int = 0


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a file or an answer contains. Every entry is either a record or refused.

    Attributes
    ----------
    records : tuple of Record
        The entries that can be imported.
    refused : tuple of Refused
        The entries that cannot.
    form : str
        The format in words, such as "RIS"; empty if none was recognised.
    other_lines : tuple of int
        Numbers of the lines that belong to no entry: blank lines and headers.
    remarks : tuple of str
        What the maintainer should look at, such as a value that was left out.

    Examples
    --------
    >>> parsed = Parsed((Record(1), Record(3)), (Refused(2, 7, "has no title"),))
    >>> parsed.entries
    3
    """

    records: tuple[Record, ...]
    refused: tuple[Refused, ...] = ()
    form: str = ""
    other_lines: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def entries(self) -> int:
        """Number of entries: records and refused ones."""
        return len(self.records) + len(self.refused)
