"""Sphinx extension: what each page states about itself, and how a reader cites it.

Adds to every page a description, a canonical address and a social card; the title of the book with its version, and on
paper the edition and the address; a box with the citation of the page as text, BibTeX and RIS; links to report an error
or suggest a trial; and a footer with edition, licence and disclaimer. Writes a sitemap and a robots file.

The edition is read from ``results.json`` of the build, and what the owner of the review states from
``data/settings.csv``; what is empty there is left out.
"""

import csv
import functools
import html
import json
import re
from pathlib import Path
from urllib.parse import quote, urlencode

from docutils import nodes

from lib.report.text_safety import for_html, for_latex

LICENCE = "Text and data: CC BY 4.0. Code: MIT."
DISCLAIMER = "This is research, not medical advice."
_LONGEST_DESCRIPTION = 250

_SITEMAP = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{pages}</urlset>
"""
_CITE = """
<details class="review-cite"><summary>Cite this page</summary>
<p id="cite-this-page">{text}</p>
<p>BibTeX</p><pre tabindex="0">{bibtex}</pre>
<p>RIS</p><pre tabindex="0">{ris}</pre>
</details>
<p class="review-contact">{links}</p>
"""


def first_paragraph(doctree):
    """Return the text of the first paragraph of a page, cut at the end of a word."""
    paragraph = next(iter(doctree.findall(nodes.paragraph)), None) if doctree is not None else None
    text = " ".join(paragraph.astext().split()) if paragraph is not None else ""
    text = re.sub(r"<[^>]*>", "", text)
    if len(text) <= _LONGEST_DESCRIPTION:
        return text
    return text[:_LONGEST_DESCRIPTION].rpartition(" ")[0].rstrip(",;:") + " …"


def citation(page, book, edition, settings, address):
    """Return the citation of a page as text, BibTeX and RIS.

    Parameters
    ----------
    page, book : str
        Titles of the page and of the book.
    edition : dict
        ``edition`` (the date) and ``version``, as in ``results.json``.
    settings : dict
        Values of ``data/settings.csv`` by their name.
    address : str
        Address of the page; empty if the site has none.
    """
    authors = author_names(settings)
    date, version, doi = edition["edition"], edition["version"], settings.get("doi", "")
    year = date[:4]
    parts = [", ".join(authors), page, f"In: {book}", f"Edition of {date}, version {version}"]
    parts += [f"https://doi.org/{doi}"] if doi else []
    parts += [address] if address else []
    fields = {
        "author": " and ".join(f"{{{for_latex(name)}}}" for name in authors),
        "title": f"{{{for_latex(page)}}}",
        "booktitle": f"{{{for_latex(book)}}}",
        "year": year,
        "edition": for_latex(f"{date}, version {version}"),
        "doi": doi,
        "url": address,
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    bibtex = "\n".join([f"@incollection{{tci-vitiligo-{date},", *lines, "}"])
    ris = [("TY", "CHAP"), *(("AU", name) for name in authors), ("TI", page), ("BT", book), ("PY", year)]
    ris += [
        ("DA", date.replace("-", "/")),
        ("ET", f"{date}, version {version}"),
        ("DO", doi),
        ("UR", address),
    ]
    ris_text = "\n".join([*(f"{tag}  - {value}" for tag, value in ris if value), "ER  - "])
    return ". ".join(part.rstrip(".") for part in parts if part) + ".", bibtex, ris_text


def author_names(settings):
    """Return the names of the authors as a list, which is empty if none are stated."""
    return [name.strip() for name in settings.get("authors", "").split(";") if name.strip()]


def authors_of(settings):
    """Return a sentence with the authors, as HTML; empty if none are stated."""
    authors = settings.get("authors", "").replace(";", ",").strip().rstrip(".")
    return for_html(f"{authors}.") if authors else ""


def contact_links(page, edition, settings):
    """Return the links by which a reader reports an error or suggests a trial, as HTML."""
    links = []
    for label, title in (("Report an error", f"Error on the page “{page}”"), ("Suggest a trial", "A trial to add")):
        body = f"Page: {page}\nEdition: {edition['edition']}, version {edition['version']}\n\n"
        if repository := settings.get("repository", "").rstrip("/"):
            target = f"{repository}/issues/new?{urlencode({'title': title, 'body': body})}"
        elif contact := settings.get("contact", ""):
            target = f"mailto:{quote(contact, safe='@')}?{urlencode({'subject': title, 'body': body}, quote_via=quote)}"
        else:
            target = "about.html#contact"
        links.append(f'<a href="{for_html(target)}">{label}</a>')
    return " · ".join(links)


def head(title, description, address, book):
    """Return the description, canonical address and social card of a page, as HTML."""
    properties = [
        ("name", "description", description),
        ("property", "og:type", "article"),
        ("property", "og:title", title),
        ("property", "og:description", description),
        ("property", "og:site_name", book),
        ("property", "og:url", address),
        ("name", "twitter:card", "summary"),
    ]
    tags = [f'<meta {kind}="{name}" content="{for_html(value)}" />' for kind, name, value in properties if value]
    tags += [f'<link rel="canonical" href="{for_html(address)}" />'] if address else []
    return "\n".join(tags)


def source(book, edition, address, is_first):
    """Return where a page comes from, as HTML, for paper: the book with its version, the edition and the address.

    Parameters
    ----------
    book : str
        Title of the book.
    edition : dict
        ``edition`` (the date) and ``version``, as in ``results.json``.
    address : str
        Address of the page, or its file if the site has no address.
    is_first : bool
        Whether it is the first page, which shows the title on screens, too.
    """
    title = for_html(f"{book}, version {edition['version']}")
    first = f'<p class="review-title">{title}</p>' if is_first else ""
    edition_text = for_html(f"Edition of {edition['edition']}. {address}")
    return f'{first}<p class="review-source">{title}. {edition_text}</p>'


def address_of(settings, pagename, date, dates):
    """Return the address of a page in one edition; empty if the site has none.

    Parameters
    ----------
    settings : dict
        Values of ``data/settings.csv`` by their name.
    pagename : str
        Name of the page, such as ``book/safety``.
    date : str
        Date of the edition.
    dates : list of str
        Dates of the editions whose sites there are, the newest last.
    """
    base = settings.get("address", "").rstrip("/")
    folder = "" if date == dates[-1] else f"editions/{date}/"
    return f"{base}/{folder}{pagename}.html" if base else ""


def editions_nav(dates, current, pagename):
    """Return links from a page to the same page of the other editions, as HTML.

    Parameters
    ----------
    dates : list of str
        Dates of the editions whose sites there are, the newest last.
    current : str
        Date of the edition that is shown.
    pagename : str
        Name of the page, such as ``book/safety``.
    """
    if len(dates) < 2:
        return ""
    up, newest = "../" * pagename.count("/"), dates[-1]
    root = up if current == newest else f"{up}../../"
    links = []
    for date in reversed(dates):
        folder = "" if date == newest else f"editions/{date}/"
        name = f"{date} (newest)" if date == newest else date
        links.append(
            f'<strong aria-current="true">{name}</strong>'
            if date == current
            else f'<a href="{for_html(f"{root}{folder}{pagename}.html")}">{name}</a>'
        )
    note = "" if current == newest else " You are reading an earlier edition."
    return f'<nav class="review-editions" aria-label="Editions">Edition: {" · ".join(links)}.{note}</nav>'


def _edition_dates(source, current):
    """Return the dates of the editions whose sites there are: those built beside this one, and this one."""
    build = Path(source).parent
    if build.parent.name == "editions":
        return sorted({current, *(row["date"] for row in rows_of(source, "editions"))})
    return sorted({current, *(site.parent.name for site in build.glob("editions/*/html"))})


def rows_of(source, table):
    """Return the rows of a table in the data folder of a build, as dictionaries."""
    with (Path(source) / f"data/{table}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _settings(source):
    return {row["setting"]: row["value"] for row in rows_of(source, "settings")}


def edition_of(source):
    """Return the date and the version of the edition that is built."""
    results = Path(source).parent / "results.json"
    if results.is_file():
        return json.loads(results.read_text(encoding="utf-8"))
    # Jupyter Book alone, without the build of the project, has no results: the newest edition stands in. Only this case
    # needs the module, which takes a second to import.
    from lib.evidence import version_of

    versions = {row["date"]: row["version"] for row in rows_of(source, "editions")}
    return {"edition": max(versions), "version": version_of(max(versions), versions)}


@functools.cache
def facts(source):
    """Return settings, edition and dates of editions; a process renders once, and every page needs them."""
    edition = edition_of(source)
    return _settings(source), edition, _edition_dates(source, edition["edition"])


def _add(app, pagename, templatename, context, doctree):
    if doctree is None:
        return
    (settings, edition, dates), book = facts(app.srcdir), app.config.html_title
    address = address_of(settings, pagename, edition["edition"], dates)
    title = html.unescape(re.sub(r"<[^>]*>", "", context["title"]))
    context["metatags"] += head(title, first_paragraph(doctree), address_of(settings, pagename, dates[-1], dates), book)
    context["docstitle"] = f"{context['docstitle']}, version {edition['version']}"
    text, bibtex, ris = citation(title, book, edition, settings, address)
    nav = editions_nav(dates, edition["edition"], pagename)
    context["body"] = (
        source(book, edition, address or f"{pagename}.html", is_first=pagename == app.config.root_doc)
        + nav
        + context["body"]
        + _CITE.format(
            text=for_html(text),
            bibtex=for_html(bibtex),
            ris=for_html(ris),
            links=contact_links(title, edition, settings),
        )
    )
    context["theme_extra_footer"] = (
        f"<p>Edition of {for_html(edition['edition'])}, version {for_html(edition['version'])}. {LICENCE}"
        f" {DISCLAIMER}</p>"
        f'<p>{authors_of(settings)} <a href="{"../" * pagename.count("/")}book/about.html">About this review</a>:'
        " authors, funding, competing interests and contact.</p>"
    )


def _write_sitemap(app, exception):
    if exception or app.builder.name != "html":
        return
    out, base = Path(app.outdir), _settings(app.srcdir).get("address", "").rstrip("/")
    lines = ["User-agent: *", "Allow: /"]
    if base:
        pages = "".join(
            f"<url><loc>{for_html(f'{base}/{name}.html')}</loc></url>" for name in sorted(app.env.found_docs)
        )
        (out / "sitemap.xml").write_text(_SITEMAP.format(pages=pages), encoding="utf-8")
        lines.append(f"Sitemap: {base}/sitemap.xml")
    (out / "robots.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def setup(app):
    """Register the extension."""
    app.connect("html-page-context", _add, priority=950)
    app.connect("build-finished", _write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
