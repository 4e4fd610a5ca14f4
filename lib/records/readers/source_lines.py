"""Turn the bytes of an exported file into numbered lines of text, whatever its encoding and line ends.

Belongs here: encodings, byte-order marks, NUL bytes and line ends. Does not belong here: what a line means.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

_UTF16 = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class SourceLines:
    r"""The lines of a file, numbered from 1 as a text editor numbers them.

    Each line that is not UTF-8 is read as Windows-1252, so that files joined from exports in both are read well.

    Parameters
    ----------
    content : bytes
        The file.

    Attributes
    ----------
    count : int
        Number of the lines so far; of all lines after the last.

    Examples
    --------
    >>> list(SourceLines(b"\xef\xbb\xbfTY  - JOUR\r\nAU  - M\xfcller, A\r\n"))
    [(1, 'TY  - JOUR'), (2, 'AU  - Müller, A')]
    """

    def __init__(self, content: bytes):
        self.count = 0
        self._nul_lines: list[int] = []
        self._other_lines: list[int] = []
        self._is_utf8_seen = self._is_cut = False
        self._utf16 = utf16_of(content)
        if self._utf16:
            # What cannot be decoded is the last character of a file that was cut off.
            text = content.decode(self._utf16, errors="ignore")
            self._is_cut = len(content) % 2 == 1
            content = text.encode("utf-8", errors="ignore")
        self._content = content.removeprefix(codecs.BOM_UTF8)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        size, at = len(self._content), 0
        for line in io.BytesIO(self._content):
            at += len(line)
            end = 2 if line.endswith(b"\r\n") else 1 if line.endswith(b"\n") else 0
            line = line[: len(line) - end] if end else line
            if b"\r" not in line:
                self.count += 1
                yield self.count, self._text(line, at == size and not end)
                continue
            parts = line.split(b"\r")
            if not end and not parts[-1]:
                # The file ends with a carriage return: no line follows it.
                parts.pop()
            for number, part in enumerate(parts, start=1):
                self.count += 1
                yield self.count, self._text(part, at == size and number == len(parts))

    def _text(self, line: bytes, is_last: bool) -> str:
        if line.isascii() and b"\0" not in line:
            return line.decode("ascii")
        if b"\0" in line:
            self._nul_lines.append(self.count)
            line = line.replace(b"\0", b"")
        try:
            text = line.decode("utf-8")
            self._is_utf8_seen = self._is_utf8_seen or not text.isascii()
        except UnicodeDecodeError as error:
            if is_last and self._is_utf8_seen and not self._other_lines and error.end == len(line):
                self._is_cut = True
                return line[: error.start].decode("utf-8")
            self._other_lines.append(self.count)
            text = _windows(line)
        # A mark at the start of a line was the start of a file, before several were joined.
        return text.removeprefix("\ufeff")

    def remarks(self) -> list[str]:
        """Return what was unusual in the lines so far."""
        remarks = []
        if self._nul_lines:
            remarks.append(f"NUL bytes were left out in {_lines(self._nul_lines)}: check these entries")
        if self._other_lines and self._is_utf8_seen:
            remarks.append(
                f"the file is UTF-8, but not in {_lines(self._other_lines)}, read as Windows-1252: check letters"
            )
        if self._is_cut:
            remarks.append(
                "the file ends within a character: it may be cut off, so compare its last entry with the source"
            )
        return remarks


def utf16_of(content: bytes) -> str:
    r"""Return the name of the encoding of a file in UTF-16, with or without a mark; empty if it is in none.

    Examples
    --------
    >>> utf16_of("TY  - JOUR".encode("utf-16-be")), utf16_of(b"TY  - JOUR")
    ('utf-16-be', '')
    """
    for mark, name in _UTF16:
        if content.startswith(mark):
            return name
    start = content[:200]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) * 2 >= len(start) * 0.8 and min(even, odd) * 20 <= max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return ""


def _windows(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _lines(numbers: list[int]) -> str:
    return f"line{'s' * (len(numbers) > 1)} {first_few(numbers)}"


def first_few(numbers: list[int]) -> str:
    """List at most five numbers, and say how many more there are.

    Examples
    --------
    >>> first_few([2, 3]), first_few([1, 2, 3, 4, 5, 6, 7])
    ('2, 3', '1, 2, 3, 4, 5 and 2 more')
    """
    return ", ".join(map(str, numbers[:5])) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
