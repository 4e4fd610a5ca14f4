"""Made-up bibliographic records, written in each format as its sources write them, with and without faults."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass

from hypothesis import strategies as st

WORDS = "ointment cream light patches skin repigmentation children adults tacrolimus placebo twice weekly sun".split()
LETTERS = "abcdefghijklmnopqrstuvwxyzéüßşñø"
SURNAMES = ["Made-Up", "Invented", "Example", "Müller-Beispiel", "Fictício", "Nemo"]


@dataclass(frozen=True)
class Entry:
    """A record before it is written; every value is one that all formats can hold."""

    number: int
    title: str
    authors: tuple[str, ...]
    year: int
    journal: str
    volume: str
    issue: str
    first: str
    last: str
    doi: str
    pmid: str
    abstract: str

    @property
    def facts(self) -> dict[str, str]:
        """What a reader must return."""
        return {
            "title": self.title,
            "authors": "; ".join(self.authors),
            "published": str(self.year),
            "journal": self.journal,
            "volume": self.volume,
            "issue": self.issue,
            "pages": f"{self.first}-{self.last}",
            "doi": self.doi,
            "pmid": self.pmid,
        }


def entry(number: int, seed: int = 0) -> Entry:
    """A made-up record: the same for the same number and seed."""
    chance = random.Random(f"{seed} {number}")
    words = chance.sample(WORDS, 5)
    names = tuple(
        f"{chance.choice(SURNAMES)} {chance.choice('ABCDE')}{chance.choice('FGHIJ')}"
        for _ in range(chance.randint(1, 4))
    )
    first = chance.randint(1, 900)
    return Entry(
        number=number,
        title=f"Made-up trial {number}: {' '.join(words)}",
        authors=names,
        year=chance.randint(1990, 2025),
        journal=f"Made-up Journal of {chance.choice(WORDS).capitalize()}",
        volume=str(chance.randint(1, 90)),
        issue=str(chance.randint(1, 12)),
        first=str(first),
        last=str(first + chance.randint(1, 20)),
        doi=f"10.5555/made.up.{seed}.{number}",
        pmid=str(90_000_000 + number),
        abstract=f"BACKGROUND: made-up text {' '.join(chance.sample(WORDS, 8))}. ER - negative is no end.",
    )


def comma(name: str) -> str:
    """Surname and initials with a comma between."""
    surname, _, initials = name.rpartition(" ")
    return f"{surname}, {initials}"


def ris(record: Entry) -> list[str]:
    """Lines of RIS as most sources write them."""
    return [
        "TY  - JOUR",
        f"DB  - Embase{'; Medline'}",
        *(f"AU  - {comma(name)}" for name in record.authors),
        f"TI  - {record.title}",
        f"PY  - {record.year}",
        f"JF  - {record.journal}",
        f"VL  - {record.volume}",
        f"IS  - {record.issue}",
        f"SP  - {record.first}",
        f"EP  - {record.last}",
        f"DO  - {record.doi}",
        f"C5  - {record.pmid}",
        f"AB  - {record.abstract}",
        "KW  - made-up",
        "ER  - ",
    ]


def nbib(record: Entry) -> list[str]:
    """Lines of PubMed's format."""
    return [
        f"PMID- {record.pmid}",
        "OWN - NLM",
        "STAT- Made-up",
        f"VI  - {record.volume}",
        f"IP  - {record.issue}",
        f"DP  - {record.year}",
        f"TI  - {record.title}.",
        f"PG  - {record.first}-{record.last}",
        f"LID - {record.doi} [doi]",
        f"AB  - {record.abstract}",
        *(f"AU  - {name}" for name in record.authors),
        "PT  - Journal Article",
        f"JT  - {record.journal}",
        "SO  - Made-up source.",
    ]


def bibtex(record: Entry) -> list[str]:
    """Lines of BibTeX."""
    return [
        f"@article{{made_up_{record.number},",
        f"  title = {{{record.title}}},",
        f"  author = {{{' and '.join(map(comma, record.authors))}}},",
        f"  year = {{{record.year}}},",
        f"  journal = {{{record.journal}}},",
        f"  volume = {{{record.volume}}},",
        f"  number = {{{record.issue}}},",
        f"  pages = {{{record.first}--{record.last}}},",
        f"  doi = {{{record.doi}}},",
        f"  pmid = {{{record.pmid}}},",
        f"  abstract = {{{record.abstract}}},",
        "}",
    ]


def web_of_science(record: Entry) -> list[str]:
    """Lines of the plain text of Web of Science."""
    words = record.title.split(" ")
    return [
        "PT J",
        *(f"{'  ' if i else 'AU'} {comma(name)}" for i, name in enumerate(record.authors)),
        *(f"{'  ' if i else 'AF'} not to be used" for i in range(len(record.authors))),
        f"TI {' '.join(words[:4])}",
        f"   {' '.join(words[4:])}",
        f"SO {record.journal}",
        "LA English",
        "DT Article",
        f"AB {record.abstract}",
        "C1 [Made-Up, A] Made-up Univ.",
        "   [Other, B] Made-up Univ.",
        "J9 MADE-UP J",
        f"PY {record.year}",
        f"VL {record.volume}",
        f"IS {record.issue}",
        f"BP {record.first}",
        f"EP {record.last}",
        f"DI {record.doi}",
        "UT WOS:000000000000001",
        f"PM {record.pmid}",
        "ER",
    ]


def ovid(record: Entry) -> list[str]:
    """Lines of Ovid's tagged text."""
    words = record.title.split(" ")
    return [
        f"<{record.number}. >",
        "VN  - Ovid Technologies",
        "DB  - Ovid MEDLINE(R) <1946 to Made-up>",
        f"UI  - {record.pmid}",
        *(f"AU  - {name}" for name in record.authors),
        "IN  - (Made-Up) Made-up Univ.",
        "      (Other) Made-up Univ.",
        f"TI  - {' '.join(words[:4])}",
        f"      {' '.join(words[4:])}.",
        f"SO  - {record.journal}. {record.volume}({record.issue}):{record.first}-{record.last}, {record.year}.",
        f"AB  - {record.abstract}",
        "IS  - 0000-0000",
        "PT  - Journal Article",
        f"DO  - https://dx.doi.org/{record.doi}",
        f"YR  - {record.year}",
        "XL  - https://ovidsp.made.up/ovidweb.cgi?T=JS&AN=1",
    ]


def endnote_xml(record: Entry) -> list[str]:
    """Lines of EndNote's XML, with the elements that it writes around text."""

    def text(value: str) -> str:
        escaped = value.replace("&", "&amp;").replace("<", "&lt;")
        return f'<style face="normal" font="default" size="100%">{escaped}</style>'

    return [
        "<record>",
        f"<rec-number>{record.number}</rec-number>",
        '<ref-type name="Journal Article">17</ref-type>',
        "<contributors><authors>",
        *(f"<author>{text(comma(name))}</author>" for name in record.authors),
        "</authors></contributors>",
        "<titles>",
        f"<title>{text(record.title)}</title>",
        f"<secondary-title>{text('Made-up J')}</secondary-title></titles>",
        f"<periodical><full-title>{text(record.journal)}</full-title></periodical>",
        f"<pages>{text(f'{record.first}-{record.last}')}</pages>",
        f"<volume>{text(record.volume)}</volume>",
        f"<number>{text(record.issue)}</number>",
        f"<dates><year>{text(str(record.year))}</year></dates>",
        f"<accession-num>{text(record.pmid)}</accession-num>",
        f"<abstract>{text(record.abstract)}</abstract>",
        f"<urls><related-urls><url>{text(f'https://pubmed.ncbi.nlm.nih.gov/{record.pmid}/')}</url></related-urls>",
        "<pdf-urls><url>internal-pdf://made-up.pdf</url></pdf-urls></urls>",
        f"<electronic-resource-num>{text(record.doi)}</electronic-resource-num>",
        "<remote-database-provider>NLM</remote-database-provider>",
        "</record>",
    ]


CSV_HEADERS = {
    "Embase": "Title,Author Names,Source,Source title,Publication Year,Volume,Issue,First Page,Last Page,Medline PMID,"
    "DOI,Abstract",
    "Scopus": "Authors,Author full names,Title,Year,Source title,Volume,Issue,Art. No.,Page start,Page end,DOI,Link,"
    "Abstract,PubMed ID,Source",
    "Cochrane": "CENTRAL ID,Author(s),Title,Source,Year,Abstract,Volume,Issue,Pages,PubMed ID,CTgov ID,DOI,URL",
    "PubMed": "PMID,Title,Authors,Citation,First Author,Journal/Book,Publication Year,Create Date,PMCID,DOI",
    "Zotero": "Key,Item Type,Publication Year,Author,Title,Publication Title,ISSN,DOI,Url,Abstract Note,Date,Pages,"
    "Issue,Volume",
    "Web of Science": "Publication Type,Authors,Article Title,Source Title,Publication Year,Volume,Issue,Start Page,"
    "End Page,DOI,Pubmed Id,Abstract",
}


def csv_row(record: Entry, source: str) -> dict[str, str]:
    """A row of CSV as a source writes it."""
    pages, comma_names = f"{record.first}-{record.last}", "; ".join(map(comma, record.authors))
    citation = f"{record.journal}. {record.year};{record.volume}({record.issue}):{pages}. doi: {record.doi}."
    plain = ", ".join(record.authors)
    return {
        "Title": record.title,
        "Article Title": record.title,
        "Author Names": ", ".join(f"{name[:-2]}{name[-2]}.{name[-1]}." for name in record.authors),
        "Authors": {"PubMed": f"{plain}.", "Scopus": "; ".join(record.authors)}.get(source, comma_names),
        "Author full names": "not to be used",
        "Author(s)": comma_names,
        "Author": comma_names,
        "Source": {"Cochrane": record.journal, "Embase": f"{record.journal} ({record.year})"}.get(source, source),
        "Source title": record.journal,
        "Source Title": record.journal,
        "Journal/Book": record.journal,
        "Publication Title": record.journal,
        "Publication Year": str(record.year),
        "Year": str(record.year),
        "Volume": record.volume,
        "Issue": record.issue,
        "First Page": record.first,
        "Page start": record.first,
        "Start Page": record.first,
        "Last Page": record.last,
        "Page end": record.last,
        "End Page": record.last,
        "Pages": pages,
        "Citation": citation,
        "Medline PMID": record.pmid,
        "PubMed ID": f"PUBMED {record.pmid}" if source == "Cochrane" else record.pmid,
        "Pubmed Id": record.pmid,
        "PMID": record.pmid,
        "DOI": record.doi,
        "Url": f"https://pubmed.ncbi.nlm.nih.gov/{record.pmid}/",
        "Abstract": record.abstract,
        "Abstract Note": record.abstract,
        "Item Type": "journalArticle",
    }


def csv_lines(records: list[Entry], source: str, separator: str = ",") -> list[list[str]]:
    """Lines of the header and of each record; the first part is the header."""
    text = io.StringIO(newline="")
    names = CSV_HEADERS[source].split(",")
    writer = csv.DictWriter(text, names, delimiter=separator, lineterminator="\n", extrasaction="ignore", restval="")
    parts = []
    for row in [dict(zip(names, names, strict=True)), *(csv_row(record, source) for record in records)]:
        text.seek(0)
        text.truncate()
        writer.writerow(row)
        parts.append(text.getvalue().rstrip("\n").split("\n"))
    return parts


numbers = st.lists(st.integers(1, 9999), min_size=1, max_size=8, unique=True)
