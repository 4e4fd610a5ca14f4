"""Sphinx extension: an Atom feed of the site, with new editions, records and decisions.

Writes ``feed.xml`` beside the sitemap, and links every page to it. Identifiers and times come from the tables: the same
data give the same feed on any day, and a reader's program shows each entry once. The sites of earlier editions have no
feed of their own: their pages link to that of the newest.

A decision on a record enters the feed once it stands: two reviewers agree, or a disagreement is resolved. A single
reviewer's decision would reveal it to the second reviewer. Decisions without a recorded reviewer are older than this
rule, and stand.
"""

import uuid
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from pathlib import Path

import page_metadata

from lib.report.text_safety import for_html

NAME = "feed.xml"
TYPE = "application/atom+xml"
MOST_ENTRIES = 50
"""Number of entries in the feed, the newest first."""
_MOST_TITLES = 50
_ATOM = "http://www.w3.org/2005/Atom"
# The identifiers of the feed and of its entries are made from it: it must never change.
_NAMESPACE = uuid.UUID("bbe6d354-ff98-47b2-9639-7dfa9494e21f")
_NOT_RECORDED = "not recorded"
_WORDS = {"include": "included", "exclude": "excluded", "unsure": "undecided"}


def identifier(*parts):
    """Return the identifier of an entry, the same for the same parts."""
    return uuid.uuid5(_NAMESPACE, "/".join(parts)).urn


def standing_decisions(decisions):
    """Return the decisions that stand, as dictionaries with ``record``, ``stage``, ``decision`` and ``date``.

    Parameters
    ----------
    decisions : list of dict
        The rows of ``decisions.csv``.
    """
    by_record = defaultdict(list)
    for row in decisions:
        by_record[row["record"], row["stage"]].append(row)
    standing = []
    for (record, stage), rows in by_record.items():
        resolved = [row for row in rows if row["role"] == "resolution"]
        agreed = len({row["decision"] for row in rows}) == 1
        checked = len({row["reviewer"] for row in rows}) > 1 or rows[0]["reviewer"] == _NOT_RECORDED
        if resolved or (agreed and checked):
            last = max(resolved or rows, key=lambda row: row["date"])
            standing.append({"record": record, "stage": stage, "decision": last["decision"], "date": last["date"]})
    return standing


def entries(tables, until):
    """Return the entries of the feed, the newest first: title, page, identifier, date and HTML of each.

    Parameters
    ----------
    tables : dict
        The rows of ``editions``, ``searches``, ``records``, ``decisions`` and ``codes``, as dictionaries.
    until : str
        Date of the edition that the site shows, YYYY-MM-DD; what is newer is left out.
    """
    all_entries = (*_edition_entries(tables), *_search_entries(tables), *_decision_entries(tables))
    of_edition = (entry for entry in all_entries if entry["date"] <= until)
    return sorted(of_edition, key=lambda entry: (entry["date"], entry["order"]), reverse=True)[:MOST_ENTRIES]


def _edition_entries(tables):
    for row in tables["editions"]:
        lines = [
            f"Reason: {row['trigger']}.",
            f"Changes of the questions: {row['question_changes'] or 'none'}.",
            f"Changes of the methods: {row['method_changes'] or 'none'}.",
        ]
        yield {
            "order": 2,
            "id": identifier("edition", row["date"]),
            "title": f"Edition of {row['date']}, version {row['version']}",
            "page": "book/changes.html",
            "date": row["date"],
            "html": "".join(f"<p>{for_html(line)}</p>" for line in lines),
        }


def _search_entries(tables):
    by_search = defaultdict(list)
    for record in tables["records"]:
        by_search[record["search"]].append(record)
    for row in tables["searches"]:
        records = by_search[row["search"]]
        if not records and not row["entries"]:
            # It was published elsewhere, and its records are not listed here.
            continue
        yield {
            "order": 0,
            "id": identifier("search", row["search"]),
            "title": f"{_count(len(records), 'record')} added: {row['kind']} of {row['date']}",
            "page": "book/search-results.html",
            # Records can be entered some days after the search.
            "date": max([row["date"], *(record["entered"] for record in records)]),
            "html": f"<p>Sources: {for_html(row['sources'])}.</p>" + _titles(records),
        }


def _decision_entries(tables):
    records = {record["record"]: record for record in tables["records"]}
    stages = {row["code"]: row["meaning"] for row in tables["codes"] if row["list"] == "stage"}
    by_day = defaultdict(list)
    for decision in standing_decisions(tables["decisions"]):
        by_day[decision["date"]].append(decision)
    for date, decisions in by_day.items():
        numbers = Counter((decision["stage"], decision["decision"]) for decision in decisions)
        lines = []
        for stage, meaning in stages.items():
            parts = [f"{numbers[stage, name]} {word}" for name, word in _WORDS.items() if (stage, name) in numbers]
            lines += [f"<p>{for_html(meaning.capitalize())}: {for_html(', '.join(parts))}.</p>"] if parts else []
        last = list(stages)[-1]
        included = [
            records[decision["record"]]
            for decision in decisions
            if (decision["stage"], decision["decision"]) == (last, "include") and decision["record"] in records
        ]
        number = _count(len(decisions), "decision on a record", "decisions on records")
        yield {
            "order": 1,
            "id": identifier("decisions", date),
            "title": f"{number}, {_count(len(included), 'study', 'studies')} included",
            "page": "book/search-results.html",
            "date": date,
            "html": "".join(lines) + (f"<p>Included:</p>{_titles(included)}" if included else ""),
        }


def _count(n, noun, plural=""):
    # As lib.report.wording.count, whose module takes half a second to import.
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def _titles(records):
    """Return the titles of records as a list in HTML, with their DOI where there is one."""
    lines = []
    for record in records[:_MOST_TITLES]:
        title = for_html(record["title"] or "Title not available")
        address = for_html(f"https://doi.org/{record['doi']}")
        lines.append(f'<li><a href="{address}">{title}</a></li>' if record["doi"] else f"<li>{title}</li>")
    more = f"<p>And {len(records) - _MOST_TITLES} more.</p>" if len(records) > _MOST_TITLES else ""
    return f"<ul>{''.join(lines)}</ul>{more}" if lines else ""


def atom(title, authors, base, entries):
    """Return an Atom feed (RFC 4287) as text.

    Parameters
    ----------
    title : str
        Title of the book.
    authors : list of str
        Names of the authors.
    base : str
        Address of the site, without the last slash; empty if it has none: links are then relative to the feed.
    entries : list of dict
        As the function `entries` returns them; at least one.
    """
    feed = ET.Element("feed", xmlns=_ATOM)

    def add(parent, name, text="", **attributes):
        element = ET.SubElement(parent, name, attributes)
        element.text = text or None

    def address(page):
        return f"{base}/{page}" if base else page

    add(feed, "id", identifier("feed"))
    add(feed, "title", title)
    add(feed, "updated", _time(max(entry["date"] for entry in entries)))
    for name in authors or [title]:
        author = ET.SubElement(feed, "author")
        add(author, "name", name)
    if base:
        add(feed, "link", rel="self", type=TYPE, href=address(NAME))
    add(feed, "link", rel="alternate", type="text/html", href=address("index.html"))
    for entry in entries:
        element = ET.SubElement(feed, "entry")
        add(element, "id", entry["id"])
        add(element, "title", entry["title"])
        add(element, "updated", _time(entry["date"]))
        add(element, "link", rel="alternate", type="text/html", href=address(entry["page"]))
        add(element, "content", entry["html"], type="html")
    ET.indent(feed)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed, encoding="unicode") + "\n"


def _time(date):
    return f"{date}T00:00:00Z"


def _is_earlier(source):
    """Return whether a site is one of those that the site of the newest edition carries."""
    return Path(source).parent.parent.name == "editions"


def _link(app, pagename, templatename, context, doctree):
    root = "../" * (pagename.count("/") + 2 * _is_earlier(app.srcdir))
    title = for_html(f"New in: {app.config.html_title}")
    context["metatags"] = context.get("metatags", "") + (
        f'\n<link rel="alternate" type="{TYPE}" title="{title}" href="{root}{NAME}" />'
    )
    if "theme_extra_footer" in context:
        context["theme_extra_footer"] += f'<p><a href="{root}{NAME}">Feed of new records and editions (Atom)</a></p>'


def _write(app, exception):
    if exception or app.builder.name != "html" or _is_earlier(app.srcdir):
        return
    settings, edition, _ = page_metadata.facts(app.srcdir)
    names = ("editions", "searches", "records", "decisions", "codes")
    newest = entries({name: page_metadata.rows_of(app.srcdir, name) for name in names}, edition["edition"])
    if not newest:
        return
    authors, base = page_metadata.author_names(settings), settings.get("address", "").rstrip("/")
    text = atom(app.config.html_title, authors, base, newest)
    (Path(app.outdir) / NAME).write_text(text, encoding="utf-8")


def setup(app):
    """Register the extension."""
    app.connect("html-page-context", _link, priority=960)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
