"""Citations of studies, from the bibliography and the records.

Belongs here: the text of a citation, and the identifiers by which readers find a report. Does not belong here: the
bibliography as a page, which Sphinx makes from ``references.bib``, and how the book itself is cited.
"""

from __future__ import annotations

from pybtex.richtext import Text

from lib.evidence import Evidence


def citation(evidence: Evidence, study: str) -> str:
    """Return the citation of a study; a field that is not known is left out.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    study : str
        Key of the study. A record that is not in the bibliography is cited by its title and year.

    Returns
    -------
    str
        Authors, title, journal, year, volume and pages.

    Examples
    --------
    >>> from lib import evidence
    >>> citation(evidence.load("data"), "lepe2003").partition(".")[0]
    'Lepe et al'
    """
    entry = evidence.references.entries.get(study)
    if entry is None:
        rows = evidence.screening[evidence.screening.study == study]
        parts = [text for row in rows.itertuples() for text in (row.title, row.published[:4]) if text]
        return " ".join(f"{part.rstrip('.')}." for part in parts) or "Citation not available."
    fields = {name: str(Text.from_latex(value)) for name, value in entry.fields.items()}
    names = [str(Text.from_latex(" ".join(p.last_names))) for p in entry.persons.get("author", ())]
    authors = ", ".join("et al" if name == "others" else name for name in names)
    journal = " ".join(filter(None, [fields.get("journal"), fields.get("year")]))
    volume_and_pages = ":".join(filter(None, [fields.get("volume"), fields.get("pages", "").replace("--", "–")]))
    place = f"{journal};{volume_and_pages}" if journal and volume_and_pages else journal
    if volume_and_pages and not journal:
        place = f"{'Volume' if fields.get('volume') else 'Page'} {volume_and_pages}"
    parts = [authors.replace(", et al", " et al"), fields.get("title", ""), place]
    return ". ".join(part.rstrip(" .") for part in parts if part) + "." if any(parts) else "Citation not available."


def identifiers(evidence: Evidence, study: str) -> list[str]:
    """Return the DOI and PubMed number of a study in the form of sources, ``doi:10.1001/…`` and ``pmid:12756094``."""
    entry = evidence.references.entries.get(study)
    fields = dict(entry.fields) if entry else {}
    screening = evidence.screening[["study", "doi", "pmid"]]
    for row in screening[screening.study == study].itertuples():
        fields = {"doi": row.doi, "pmid": row.pmid} | fields
    return [f"{name}:{fields[name]}" for name in ("doi", "pmid") if fields.get(name)]
