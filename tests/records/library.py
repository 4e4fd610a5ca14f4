"""A made-up library whose duplicates are known: what several databases would return, and what must not be merged."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

Row = dict[str, str]
_SYLLABLES = (
    "ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu ra re ri ro".split()
)
_SUBJECTS = (
    "tacrolimus pimecrolimus phototherapy ointment placebo laser vitiligo repigmentation children adults".split()
)
_NAMES = "Journal Annals Archives Acta Bulletin".split()
_FIELDS = "Dermatology Medicine Photobiology Pharmacology Paediatrics".split()


@dataclass
class Library:
    """Rows of records, and what is true of them.

    Attributes
    ----------
    rows : list of dict of str to str
        The records.
    report : dict of str to str
        Name of the report that each record is of: two records of one report are duplicates.
    linked : set of frozenset of str
        Pairs of reports of one study that a rule must link.
    """

    rows: list[Row] = field(default_factory=list)
    report: dict[str, str] = field(default_factory=dict)
    linked: set[frozenset[str]] = field(default_factory=set)

    def add(self, search: str, report: str, row: Row) -> None:
        """Add a record."""
        key = f"{search}.{len(self.rows) + 1}"
        self.rows.append({**row, "record": key})
        self.report[key] = report

    def true_pairs(self) -> set[frozenset[str]]:
        """All pairs of duplicates."""
        by_report: dict[str, list[str]] = {}
        for key, report in self.report.items():
            by_report.setdefault(report, []).append(key)
        return {frozenset((a, b)) for keys in by_report.values() for a in keys for b in keys if a < b}


def word(chance: random.Random) -> str:
    """A made-up word."""
    return "".join(chance.choice(_SYLLABLES) for _ in range(chance.randint(2, 4)))


def article(chance: random.Random, number: int) -> Row:
    """A made-up article."""
    authors = [
        f"{word(chance).capitalize()} {chance.choice('ABCDE')}{chance.choice('FGH')}"
        for _ in range(chance.randint(1, 5))
    ]
    words = [chance.choice(_SUBJECTS), word(chance), chance.choice(_SUBJECTS), word(chance), word(chance)]
    first = chance.randint(1, 900)
    year = chance.randint(1995, 2024)
    return {
        "kind": "article",
        "title": f"Made-up {chance.choice(('trial', 'study', 'comparison'))} of {' '.join(words)} and {word(chance)}",
        "authors": "; ".join(authors),
        "published": str(year),
        "journal": f"{chance.choice(_NAMES)} of {word(chance).capitalize()} {chance.choice(_FIELDS)}",
        "volume": str(year - 1980),
        "issue": str(chance.randint(1, 12)),
        "pages": f"{first}-{first + chance.randint(1, 12)}",
        "doi": f"10.5555/made.up.{number}",
        "pmid": str(80_000_000 + number),
        "registry": "",
        "url": "",
    }


def again(chance: random.Random, row: Row) -> Row:
    """The same report as another database writes it."""
    row = dict(row)
    for _ in range(chance.randint(1, 6)):
        change = chance.randrange(14)
        if change == 0:
            row["doi"] = ""
        elif change == 1:
            row["pmid"] = ""
        elif change == 2:
            row["journal"] = " ".join(part[:4] for part in row["journal"].split() if part != "of")
        elif change == 3:
            row["title"] = row["title"].upper()
        elif change == 4:
            row["title"] = f"{row['title'].replace(' of ', ' of <i>', 1)}</i>."
        elif change == 5:
            row["doi"] = row["doi"].upper()
        elif change == 6:
            row["authors"] = row["authors"].partition(";")[0]
        elif change == 7:
            row["issue"] = ""
        elif change == 8:
            at = chance.randrange(12, len(row["title"]) - 1)
            row["title"] = row["title"][:at] + row["title"][at + 1 :]
        elif change == 9:
            row["kind"] = "unknown"
        elif change == 10:
            row["doi"] = row["pmid"] = ""
        elif change == 11:
            row["published"] = str(int(row["published"][:4]) - 1)
        elif change == 12:
            row["title"] = row["title"].partition(" and ")[0]
        elif change == 13:
            row["authors"] = f"{row['authors'][0]}{row['authors'][2:]}"
    return row


def traps(chance: random.Random, row: Row, number: int) -> list[tuple[str, Row]]:
    """Records that are like a report and are not the same; the name of a rule that must link them, or none."""
    title, none = row["title"], {"doi": "", "pmid": ""}
    later = {"published": str(int(row["published"]) + 1)}
    registry = f"NCT{number:08}"
    nowhere = {"journal": "", "volume": "", "issue": "", "pages": ""}
    of_registry = row | none | nowhere | {"kind": "registry_record", "registry": registry}
    return chance.choice(
        [
            [("", row | none | {"kind": "erratum", "pages": ""})],
            [("", row | none | {"title": f"Erratum: {title}", "kind": "article", "pages": "1"})],
            [("", row | {"title": f"Retraction: {title}", "kind": "unknown", "pmid": ""})],
            [("", row | none | {"kind": "retraction_notice"})],
            [("", row | none | {"title": f"{title}. Part I"}), ("", row | none | {"title": f"{title}. Part II"})],
            [("link", row | none | nowhere | {"kind": "preprint", "journal": "medRxiv"})],
            [("", row | none | {"kind": "congress_abstract", "pages": "", "volume": "", "issue": ""})],
            [("", row | {"kind": "congress_abstract", "pages": "S12", "pmid": ""})],
            [("registry", of_registry)],
            [("", row | none | {"title": f"Comment on: {title}", "authors": "Other A", "pages": "3"})],
            [("", row | none | later | {"title": f"{title}: follow-up at 24 months"})],
            [("", row | none | {"title": f"Re: {title}", "pages": ""})],
            [("", row | none | {"title": f"{title}: study protocol"})],
            [("", row | none | {"title": f"{title} in adults"}), ("", row | none | {"title": f"{title} in infants"})],
            [("", row | none | {"title": "Vitiligo", "pages": page}) for page in ("1-2", "", "7")],
            [("", row | none | later | {"pages": "", "volume": ""})],
        ]
    )


def library(size: int, seed: int) -> Library:
    """Make a library of about so many records; the same for the same seed."""
    chance = random.Random(seed)
    made = Library()
    number = 0
    while len(made.rows) < size:
        number += 1
        row = article(chance, number)
        if chance.random() < 0.15:
            for at, (link, trap) in enumerate(traps(chance, row, number)):
                if link == "registry":
                    row = row | {"registry": trap["registry"]}
                made.add("registry" if link == "registry" else "wos-2026-01-03", f"{number} trap {at}", trap)
                if link:
                    made.linked.add(frozenset((f"{number}", f"{number} trap {at}")))
        made.add("pubmed-2026-01-01", f"{number}", row)
        for search in ("embase-2026-01-02", "cochrane-2026-01-04"):
            if chance.random() < 0.4:
                made.add(search, f"{number}", again(chance, row))
    chance.shuffle(made.rows)
    return made
