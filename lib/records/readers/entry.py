"""Collect the entries of an exported file while it is read.

Belongs here: what the readers of all formats share. Does not belong here: what a field means in one format.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lib.records.readers.source_lines import first_few
from lib.records.record import Parsed, Record, Refused

Line = tuple[int, str]
"""A line of a file with its number, from 1."""
JOINED = "has two titles: the lines between two entries are missing"
"""Why an entry is refused that holds two."""


class ReadError(ValueError):
    """A file cannot be read at all. The message says why, and what to do."""


@dataclass(slots=True)
class Entry:
    """The fields of an entry as they are written.

    Attributes
    ----------
    line, last_line : int
        First and last line of the entry.
    fields : dict of str to list of str
        The values of each field, in the order of the file.
    """

    line: int
    last_line: int = 0
    fields: dict[str, list[str]] = field(default_factory=dict)
    _last: str = ""

    def add(self, name: str, value: str) -> None:
        """Add a value to a field."""
        self.fields.setdefault(name, []).append(value)
        self._last = name

    def extend(self, text: str) -> None:
        """Add the text of a continuation line to the last value."""
        values = self.fields.setdefault(self._last, [])
        values[-1:] = [f"{values[-1]} {text}" if values and values[-1] else text]

    def first(self, *names: str) -> str:
        """Return the first value that is not empty, of the first field that has one."""
        return next((value for name in names for value in self.fields.get(name, ()) if value), "")

    def all(self, *names: str) -> list[str]:
        """Return all values of some fields, in the order of the names."""
        return [value for name in names for value in self.fields.get(name, ()) if value]

    @property
    def has_tags(self) -> bool:
        """Whether a field was read; lines before the first tag are a value of the field with the empty name."""
        return bool(self.fields.keys() - {""})


class Reading:
    """Records, refused entries and other lines of a file while it is read.

    Attributes
    ----------
    form : str
        The format in words.
    abstracts : bool
        Whether records keep their abstracts, which take most of the memory.
    """

    def __init__(self, form: str, abstracts: bool = True):
        self.form, self.abstracts = form, abstracts
        self._records: list[Record] = []
        self._refused: list[Refused] = []
        self._other_lines: list[int] = []
        self._without_end: list[int] = []

    @property
    def position(self) -> int:
        """Number of the next entry, from 1."""
        return len(self._records) + len(self._refused) + 1

    def keep(self, entry: Entry, record: Record) -> None:
        """Keep the record of an entry, with its place; one by which no publication could be found again is refused."""
        if record.title or record.doi or record.pmid or record.registry:
            abstract = record.abstract if self.abstracts else ""
            position, line, last_line = self.position, entry.line, entry.last_line
            record = replace(record, position=position, line=line, last_line=last_line, abstract=abstract)
            self._records.append(record)
        else:
            self.refuse(entry.line, entry.last_line, "has no title, DOI, PubMed number or registry number")

    def refuse(self, line: int, last_line: int, reason: str) -> None:
        """Refuse an entry."""
        self._refused.append(Refused(self.position, line, reason, last_line))

    def refuse_text(self, line: int, reason: str) -> None:
        """Refuse a line of text outside of the entries; adjoining lines are one refused entry."""
        last = self._refused[-1] if self._refused else None
        if last and last.reason == reason and last.last_line == line - 1:
            self.refuse_more(line)
        else:
            self.refuse(line, line, reason)

    def refuse_more(self, line: int) -> None:
        """Add a line to the last refused entry."""
        last = self._refused[-1]
        self._refused[-1] = Refused(last.position, last.line, last.reason, line)

    def other(self, *lines: int) -> None:
        """Note lines that belong to no entry: blank lines and known headers."""
        self._other_lines.extend(lines)

    def ended_early(self, line: int) -> None:
        """Note an entry whose end is not marked."""
        self._without_end.append(line)

    def parsed(self, remarks: list[str]) -> Parsed:
        """Return the result, with further remarks."""
        if self._without_end:
            remarks = [
                *remarks,
                f"entries without an end mark were read up to the next entry (those of line "
                f"{first_few(self._without_end)}): compare them with the source",
            ]
        return Parsed(tuple(self._records), tuple(self._refused), self.form, tuple(self._other_lines), tuple(remarks))
