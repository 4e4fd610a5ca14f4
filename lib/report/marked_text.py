"""Texts that carry the key of the result that they state, or the place in the book to which they link.

Belongs here: kinds of text (`Stated`, `Phrase`, `PageLink`), how they become HTML and Markdown, and the ids of the
entries and records to which they lead. Does not belong here: the form of a number or of a sentence
(`lib.report.wording`), and escaping (`lib.report.text_safety`).
"""

from __future__ import annotations

from lib.report.text_safety import for_html, for_markdown


class Stated(str):
    """The text of a result for a cell of a table, which carries the key of the result.

    Attributes
    ----------
    key : str
        Key of the result.
    part : str
        Part of the result that the text states: "" for the estimate (with or without its interval), "interval" for the
        confidence interval alone, "prediction" for the prediction interval.
    """

    key: str
    part: str

    def __new__(cls, text: str, key: str, part: str = "") -> Stated:
        """Return a text with its key."""
        stated_text = super().__new__(cls, text)
        stated_text.key, stated_text.part = key, part
        return stated_text

    def __reduce__(self):
        """Preserve the key when the text is copied or sent to another process."""
        return Stated, (str(self), self.key, self.part)

    def _repr_html_(self) -> str:
        part = f' data-part="{self.part}"' if self.part else ""
        key = for_html(self.key)
        return f'<a href="{result_address(key)}" data-result="{key}"{part}>{for_html(self)}</a>'


class PageLink(str):
    """Text of a cell of a table that leads to a place in the book.

    Attributes
    ----------
    target : str
        File of the page, followed by an anchor unless the place is the beginning of the page.
    """

    target: str

    def __new__(cls, text: str, target: str) -> PageLink:
        """Return a text with the place to which it leads."""
        link = super().__new__(cls, text)
        link.target = target
        return link

    def __reduce__(self):
        """Preserve the place when the text is copied or sent to another process."""
        return PageLink, (str(self), self.target)

    def _repr_html_(self) -> str:
        return f'<a href="{for_html(self.target)}">{for_html(self)}</a>'


class Phrase(str):
    """Plain text in which some words are results with their keys, for a cell, a caption or a sentence.

    Attributes
    ----------
    parts : tuple of str
        The words in order: text and results (`Stated`).
    """

    parts: tuple[str, ...]

    def __new__(cls, *parts: str) -> Phrase:
        """Join texts and results."""
        phrase = super().__new__(cls, "".join(parts))
        phrase.parts = tuple(part for whole in parts for part in getattr(whole, "parts", (whole,)))
        return phrase

    def __reduce__(self):
        """Preserve the results when the phrase is copied or sent to another process."""
        return Phrase, self.parts

    def _repr_html_(self) -> str:
        return "".join(map(with_keys, self.parts))

    def _repr_markdown_(self) -> str:
        return "".join(part._repr_html_() if isinstance(part, Stated) else for_markdown(part) for part in self.parts)


def marked(text: str, *results: str) -> Phrase:
    """Return a text in which each of the results (`Stated`) carries its key wherever the text contains its words.

    Examples
    --------
    >>> marked("the rate is 18.1%", Stated("18.1%", "rate.x")).parts
    ('the rate is ', '18.1%')
    """
    parts: list[str] = [*getattr(text, "parts", (text,))]
    for result in results:
        if isinstance(result, Stated) and result:
            parts = [piece for part in parts for piece in _split(part, result)]
    return Phrase(*filter(None, parts))


def _split(part: str, result: Stated) -> list[str]:
    if isinstance(part, Stated):
        return [part]
    first, *others = part.split(str(result))
    return [first, *(piece for other in others for piece in (result, other))]


def with_keys(text: str) -> str:
    """Return the HTML of a text: its results with their keys, and everything else escaped."""
    return text._repr_html_() if isinstance(text, Stated | Phrase) else for_html(text)


def in_markdown(text: str) -> str:
    """Return a text for a Markdown sentence: its results with their keys, and everything else escaped."""
    return text._repr_markdown_() if isinstance(text, Phrase) else for_markdown(text)


def in_sentence(text: str, key: str, part: str = "") -> str:
    """Return the text of a result, or of a part of it (`Stated`), for a Markdown sentence, with its key."""
    return Stated(text, key, part)._repr_html_()


def page_link(page: str) -> PageLink:
    """Return the name of a page, which leads there.

    Parameters
    ----------
    page : str
        File of the page, perhaps with an anchor.

    Examples
    --------
    >>> page_link("data-wanted.html#bounds"), page_link("table-3.html").target
    ('Data wanted', 'table-3.html')
    """
    return PageLink(page.partition(".")[0].replace("-", " ").capitalize(), page)


def result_address(key: str) -> str:
    """Return the address of the entry of a result on the page *All results*."""
    return f"all-results.html#{result_anchor(key)}"


def study_link(name: str, study: str) -> PageLink:
    """Return the name of a study, which leads to the record of the study."""
    return PageLink(name, f"study-records.html#{study_anchor(study)}")


def study_anchor(key: str) -> str:
    """Return the id of the record of a study on the page *Study records*."""
    return f"study-{key}"


def result_anchor(key: str) -> str:
    """Return the id of a result on the page *All results*."""
    return f"result-{key}"
