"""Add, replace and remove rows of a CSV file so that all its other lines keep every byte.

Belongs here: the bytes of a table before and after a change. Does not belong here: which rows change, and whether the
result is right (`checking`).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

Values = Mapping[str, str]
"""Values of a row by column."""
_ROW = re.compile(rb'(?:[^"\r\n]|"[^"]*")*+(?:\r\n|\r|\n|\Z)')
"""A row of a CSV file with its line end; a line end between quotation marks belongs to a value."""


def header_of(content: bytes) -> list[str]:
    r"""Return the names of the columns of a CSV file, in their order.

    Examples
    --------
    >>> header_of(b"study,arm\na2024,placebo\n")
    ['study', 'arm']
    """
    records = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return [column.strip() for column in next(record for record in records if any(record))]


def rows_of(content: bytes) -> Iterator[dict[str, str]]:
    r"""Yield the rows of a CSV file as text by column, whether or not the check of the data accepts them.

    Examples
    --------
    >>> list(rows_of(b"study,arm\na2024,placebo\n"))
    [{'study': 'a2024', 'arm': 'placebo'}]
    """
    yield from (row for _, row in numbered_rows(content))


def numbered_rows(content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    r"""Yield the rows of a CSV file, as `rows_of` does, with the number that a spreadsheet gives each.

    Examples
    --------
    >>> list(numbered_rows(b"study,arm\n\na2024,placebo\n"))
    [(3, {'study': 'a2024', 'arm': 'placebo'})]
    """
    header = header_of(content)
    for number, line in enumerate(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")), start=1):
        row = [value.strip() for value in line]
        if any(row) and row != header:
            yield number, dict(zip(header, row, strict=False))


def with_rows(content: bytes, rows: Iterable[Values]) -> bytes:
    r"""Return the content of a CSV file with rows added at its end, in its order of columns and with its line ends.

    Parameters
    ----------
    content : bytes
        The file as it is.
    rows : iterable of mapping
        The values of each row by column; a column without a value stays empty.

    Raises
    ------
    ValueError
        If a row has a column that the file lacks.

    Examples
    --------
    >>> with_rows(b"study,arm\r\na2024,placebo\r\n", [{"arm": "tacrolimus, twice daily", "study": "b2025"}])
    b'study,arm\r\na2024,placebo\r\nb2025,"tacrolimus, twice daily"\r\n'
    """
    return with_text(content, _as_lines(header_of(content), rows))


def with_text(content: bytes, text: str) -> bytes:
    r"""Return the content of a file with lines added at its end, with the line ends that it has.

    Examples
    --------
    >>> with_text(b"a\r\nb", "c\n")
    b'a\r\nb\r\nc\r\n'
    """
    end = b"\r\n" if b"\r\n" in content else b"\n"
    between = b"" if content.endswith((b"\n", b"\r")) else end
    return content + (between if text else b"") + text.encode().replace(b"\n", end)


def with_changed_rows(content: bytes, change: Callable[[dict[str, str]], Values | None]) -> bytes:
    r"""Return the content of a CSV file with some rows replaced or removed.

    Parameters
    ----------
    content : bytes
        The file as it is.
    change : callable
        Takes the values of a row by column and returns the values of its replacement, None to remove the row, or the
        very object that it was given to keep the line as it is.

    Examples
    --------
    >>> table = b'study,n\na2024,"1"\nb2025,2\nc2026,3\n'
    >>> with_changed_rows(table, lambda row: {"a2024": row, "b2025": None}.get(row["study"], {**row, "n": "4"}))
    b'study,n\na2024,"1"\nc2026,4\n'
    """
    header, end = header_of(content), b"\r\n" if b"\r\n" in content else b"\n"
    lines: list[bytes] = []
    is_header_past = False
    for match in _ROW.finditer(content):
        line = match[0]
        values = _values(line)
        if not is_header_past or not any(values):
            is_header_past = is_header_past or any(values)
            lines.append(line)
            continue
        row = dict(zip(header, [*values, *[""] * len(header)], strict=False))
        new = change(row)
        if new is row:
            lines.append(line)
        elif new is not None:
            lines.append(_as_lines(header, [new]).encode().replace(b"\n", end))
    return b"".join(lines)


def _values(line: bytes) -> list[str]:
    """Return the values of one row, as the check of the data reads them."""
    row = next(csv.reader(io.StringIO(line.decode("utf-8-sig"), newline="")), [])
    return [value.strip() for value in row]


def _as_lines(header: list[str], rows: Iterable[Values]) -> str:
    text = io.StringIO(newline="")
    csv.DictWriter(text, header, lineterminator="\n", restval="").writerows(rows)
    return text.getvalue()
