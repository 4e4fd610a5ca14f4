"""Readers account for every line, whatever the file is like: entries = imported + refused."""

import codecs
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import CSV_HEADERS, Entry, bibtex, csv_lines, endnote_xml, entry, nbib, numbers, ovid, ris, web_of_science

from lib.records.readers import ReadError, parse
from lib.records.readers import bibtex as bibtex_reader
from lib.records.record import Parsed

FORMATS = {
    "RIS": ris,
    "nbib": nbib,
    "BibTeX": bibtex,
    "Web of Science": web_of_science,
    "Ovid": ovid,
    "EndNote XML": endnote_xml,
}
AROUND = {
    "Web of Science": (["FN Clarivate Analytics Web of Science", "VR 1.0"], ["EF"]),
    "EndNote XML": (['<?xml version="1.0" encoding="UTF-8" ?>', "<xml><records>"], ["</records></xml>"]),
}
"""Lines before the first and after the last entry of a format."""
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")
ENDS = ("\n", "\r\n", "\r")


def lines_of(content: bytes) -> int:
    """Number of lines as an editor counts them."""
    text = content.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    return text.count("\n") + (not text.endswith("\n"))


def blocks(form: str, entries: list[Entry]) -> list[list[str]]:
    """Lines of each entry, and those before and after all of them."""
    before, after = AROUND.get(form, ([], []))
    return [lines for lines in (before, *map(FORMATS[form], entries), after) if lines]


def check_lines(parsed: Parsed, lines: int, may_share: bool = False) -> None:
    """Every line belongs to exactly one entry, or is known to belong to none; entries of XML may share a line."""
    spans = [(e.line, e.last_line) for e in (*parsed.records, *parsed.refused)]
    owned = [line for first, last in spans for line in range(first, last + 1)]
    assert sorted([*(set(owned) if may_share else owned), *parsed.other_lines]) == list(range(1, lines + 1))
    positions = sorted(e.position for e in (*parsed.records, *parsed.refused))
    assert positions == list(range(1, parsed.entries + 1))
    assert all(refused.reason for refused in parsed.refused)


def check_facts(parsed: Parsed, entries: list[Entry]) -> None:
    assert [
        {name: record.facts()[name] for name in e.facts} for record, e in zip(parsed.records, entries, strict=True)
    ] == [e.facts for e in entries]


@given(numbers, st.sampled_from(sorted(FORMATS)), st.sampled_from(ENCODINGS), st.sampled_from(ENDS), st.integers(0, 3))
def test_clean_files_are_read_exactly(which, form, encoding, end, blank):
    entries = [entry(number) for number in which]
    text = (end * (blank + 1)).join(end.join(lines) + end for lines in blocks(form, entries))
    parsed = parse(text.encode(encoding))
    assert not parsed.refused and not parsed.remarks and parsed.form.startswith(form)
    check_facts(parsed, entries)
    check_lines(parsed, lines_of(text.encode("latin-1", "replace")))
    assert [record.abstract for record in parsed.records] == [e.abstract for e in entries]
    assert {record.kind for record in parsed.records} == {"article"}
    without = parse(text.encode(encoding), abstracts=False)
    assert [record.facts() for record in without.records] == [record.facts() for record in parsed.records]
    assert not any(record.abstract for record in without.records)


@given(
    numbers,
    st.sampled_from(sorted(CSV_HEADERS)),
    st.sampled_from(ENCODINGS),
    st.sampled_from(ENDS),
    st.sampled_from(",;\t"),
)
def test_clean_tables_are_read_exactly(which, source, encoding, end, separator):
    entries = [entry(number) for number in which]
    text = end.join(line for part in csv_lines(entries, source, separator) for line in part) + end
    parsed = parse(text.encode(encoding))
    assert not parsed.refused and not parsed.remarks and parsed.form == "CSV"
    check_facts(parsed, entries)
    check_lines(parsed, lines_of(text.encode("latin-1", "replace")))


def spoil_ris(lines: list[str], fault: str) -> list[str]:
    """Return the lines of an entry with a fault."""
    title = next(i for i, line in enumerate(lines) if line.startswith("TI"))
    return {
        "none": lines,
        "one space": [line.replace("  - ", " - ", 1) for line in lines],
        "three spaces after": [line.replace("  - ", "  -  ", 1) for line in lines],
        "no space after": [*lines[:-1], "ER  -"],
        "no end": lines[:-1],
        "no start": lines[1:],
        "ovid link": [
            *lines[: title + 1],
            "Link to the Ovid Full Text or citation:",
            "http://made.up/1",
            *lines[title + 1 :],
        ],
        "ovid link in a line": [*lines[:-1], "Link to the External Link Resolver: http://made.up/?a=1", lines[-1]],
        "ovid number": ["17. ", *lines],
        "cochrane header": ["Record #3 of 18", "Provider: Made-up", 'Content: text/plain; charset="UTF-8"', "", *lines],
        "unknown tag": [*lines[:-1], "ZQ  - made-up", lines[-1]],
        "continuation": [*lines[:-2], *(f"   more text {i}" for i in range(3)), *lines[-2:]],
        "continuation like a tag": [*lines[:-2], "UV - B is no tag, ER - positive neither", *lines[-2:]],
        "blank inside": [*lines[:title], "", *lines[title:]],
        "nul": [lines[0], f"KW  - \0{'x'}", *lines[1:]],
        "bom inside": [f"\ufeff{lines[0]}", *lines[1:]],
        "indented": [f" {lines[0]}", *lines[1:]],
    }[fault]


RIS_FAULTS = (
    *("none", "one space", "three spaces after", "no space after", "no end", "no start", "ovid link"),
    *("ovid link in a line", "ovid number", "cochrane header", "unknown tag", "continuation"),
    *("continuation like a tag", "blank inside", "nul", "bom inside", "indented"),
)


@given(
    st.lists(st.tuples(st.integers(1, 9999), st.sampled_from(RIS_FAULTS)), min_size=1, max_size=8),
    st.sampled_from(ENCODINGS[:5]),
    st.sampled_from(ENDS),
    st.booleans(),
)
def test_no_fault_of_ris_loses_an_entry(made, encoding, end, is_spaced):
    entries = [(entry(number), fault) for number, fault in made]
    # Without its first line an entry joins one before it that has no end: the first must then be another one.
    entries = [
        (e, "none" if fault == "no start" and (i == 0 or entries[i - 1][1] == "no end") else fault)
        for i, (e, fault) in enumerate(entries)
    ]
    parts = [spoil_ris(ris(e), fault) for e, fault in entries]
    lines = [line for part in parts for line in (*part, *([""] if is_spaced else []))]
    content = end.join([*lines, ""]).encode(encoding)
    parsed = parse(content)
    good = [e for e, fault in entries if fault != "no start"]
    check_lines(parsed, len(lines))
    assert parsed.entries == len(entries)
    assert [refused.reason.partition(":")[0] for refused in parsed.refused] == ["does not begin with a TY line"] * (
        len(entries) - len(good)
    )
    check_facts(parsed, good)
    assert not any("Link to" in str(record.facts()) for record in parsed.records)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 9999),
            st.sampled_from(
                ("none", "no blank", "no number", "unknown tag", "errata", "blank inside", "one space", "title")
            ),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(ENCODINGS[:5]),
    st.sampled_from(ENDS),
)
def test_no_fault_of_nbib_loses_an_entry(made, encoding, end):
    lines: list[str] = []
    expected = []
    for place, (number, fault) in enumerate(made):
        e = entry(number)
        its = nbib(e)
        fault = "none" if fault == "no number" and (place == 0 or made[place - 1][1] == "no blank") else fault
        at = next(i for i, line in enumerate(its) if line.startswith("TI"))
        its = {
            "no number": its[1:],
            "unknown tag": [*its, "ZQZQ- made-up"],
            "errata": [*its, "EIN - Made-up J. 2020;1:2", "RIN - Made-up J. 2021;1:2. PMID: 1"],
            "blank inside": [*its[:3], "", *its[3:]],
            "one space": [its[0], *(line.replace("  - ", " - ", 1) for line in its[1:])],
            "title": [
                *its[:at],
                f"TI  - {e.title[:20].rpartition(' ')[0]}",
                f"      {e.title[len(e.title[:20].rpartition(' ')[0]) :].strip()}",
                *its[at + 1 :],
            ],
        }.get(fault, its)
        lines += its if fault == "no blank" else [*its, ""]
        expected.append(e.facts | ({"pmid": ""} if fault == "no number" else {}))
        links = 2 if fault == "errata" else 0
        expected[-1]["links"] = links  # type: ignore[assignment]
    parsed = parse(end.join([*lines, ""]).encode(encoding))
    check_lines(parsed, len(lines))
    assert parsed.entries == len(made) and not parsed.refused
    found = [
        {name: record.facts()[name] for name in e if name != "links"} | {"links": len(record.links)}
        for record, e in zip(parsed.records, expected, strict=True)
    ]
    assert found == expected


@given(
    st.lists(
        st.tuples(
            st.integers(1, 9999), st.sampled_from(("none", "open", "no at", "comment", "string", "latex", "same key"))
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(ENCODINGS[:5]),
    st.sampled_from(ENDS),
)
def test_no_fault_of_bibtex_loses_an_entry(made, encoding, end):
    lines = ["Scopus", "EXPORT DATE: 26 November 2026", "", *bibtex(entry(1)), ""]
    good, refused = [entry(1)], 0
    for number, fault in made:
        e = entry(number)
        its = bibtex(e)
        lines += {
            "open": [*its[:5], its[5].replace("},", ",")],
            "no at": [its[0].removeprefix("@"), *its[1:], ""],
            "comment": ["% a comment", "@comment{made-up", "  comment}", *its],
            "string": ['@string{mu = "Made-up"}', *its],
            "latex": [its[0], r"  note = {M{\"u}ller \& Sons \$5},", *its[1:]],
            "same key": ["@article{made_up_1,", *its[1:]],
        }.get(fault, its)
        if fault in ("open", "no at"):
            refused += 1
        else:
            good.append(e)
    lines += ["", *bibtex(entry(2)), ""]
    parsed = parse(end.join([*lines, ""]).encode(encoding))
    check_lines(parsed, len(lines))
    check_facts(parsed, [*good, entry(2)])
    assert len(parsed.refused) <= refused and (len(parsed.refused) > 0) == (refused > 0)


WOS_FAULTS = (
    *("none", "no end", "no start", "no title", "unknown tag", "blank inside", "not indented", "headers inside", "nul"),
    *("two titles", "bom inside", "space after the end", "tag without a value"),
)


def spoil_web_of_science(lines: list[str], fault: str) -> list[str]:
    """Return the lines of an entry with a fault."""
    title = next(i for i, line in enumerate(lines) if line.startswith("TI"))
    return {
        "none": lines,
        "no end": lines[:-1],
        "no start": lines[1:],
        "no title": ["PT J", "AU Made-Up, A", "ER"],
        "unknown tag": [*lines[:-1], "ZQ made-up", lines[-1]],
        "blank inside": [*lines[: title + 1], "", *lines[title + 1 :]],
        "not indented": [*lines[: title + 1], lines[title + 1].strip(), *lines[title + 2 :]],
        "headers inside": ["EF", "FN Clarivate", "VR 1.0", *lines],
        "nul": [lines[0], f"DE \0{'x'}", *lines[1:]],
        "two titles": [*lines[:-1], "TI Made-up title of the next entry", lines[-1]],
        "bom inside": [f"\ufeff{lines[0]}", *lines[1:]],
        "space after the end": [*lines[:-1], "ER "],
        "tag without a value": [*lines[:-1], "RP", lines[-1]],
    }[fault]


@given(
    st.lists(st.tuples(st.integers(1, 9999), st.sampled_from(WOS_FAULTS)), min_size=1, max_size=8),
    st.sampled_from(ENCODINGS[:5]),
    st.sampled_from(ENDS),
    st.booleans(),
)
def test_no_fault_of_web_of_science_loses_an_entry(made, encoding, end, is_spaced):
    # Without its first line an entry joins one before it that has no end, and both are refused as one.
    made = [
        (number, "none" if fault == "no start" and i and made[i - 1][1] == "no end" else fault)
        for i, (number, fault) in enumerate(made)
    ]
    parts = [spoil_web_of_science(web_of_science(entry(number)), fault) for number, fault in made]
    lines = ["FN Clarivate Analytics Web of Science", "VR 1.0"]
    lines += [line for part in parts for line in (*part, *([""] if is_spaced else []))]
    parsed = parse(end.join([*lines, ""]).encode(encoding))
    check_lines(parsed, len(lines))
    assert parsed.entries == len(made)
    expected = {"no start": "does not begin", "no title": "has no title", "two titles": "has two titles"}
    reasons = [expected[fault] for _, fault in made if fault in expected]
    assert all(refused.reason.startswith(reason) for refused, reason in zip(parsed.refused, reasons, strict=True))
    check_facts(parsed, [entry(number) for number, fault in made if fault not in expected])


def test_an_entry_without_its_first_line_after_one_without_end_is_not_lost_in_silence():
    first, second = web_of_science(entry(1))[:-1], web_of_science(entry(2))[1:]
    parsed = parse("\n".join([*first, *second, ""]).encode())
    (refused,) = parsed.refused
    assert not parsed.records and (refused.line, refused.last_line) == (1, len(first) + len(second))
    assert refused.reason.startswith("has two titles")


OVID_FAULTS = (
    *("none", "no number", "no version", "neither", "unknown tag", "blank inside", "not indented", "two titles"),
    *("no title", "nul", "history", "indented number", "one space"),
)


@given(
    st.lists(st.tuples(st.integers(1, 9999), st.sampled_from(OVID_FAULTS)), min_size=1, max_size=8),
    st.sampled_from(ENCODINGS[:5]),
    st.sampled_from(ENDS),
)
def test_no_fault_of_ovid_loses_an_entry(made, encoding, end):
    lines, good, reasons = [*ovid(entry(10_000)), ""], [entry(10_000)], []
    for number, fault in made:
        e = entry(number)
        its = ovid(e)
        its = {
            "no number": its[1:],
            "no version": [its[0], *its[2:]],
            "neither": its[2:],
            "unknown tag": [*its, "ZQ  - made-up"],
            "blank inside": [*its[:-2], "", *its[-2:]],
            "not indented": [*its[:-2], "Method(s): a line of the abstract", *its[-2:]],
            "two titles": [*its, "TI  - Made-up title of the next entry"],
            "no title": its[:3],
            "nul": [*its[:3], f"KW  - \0{'x'}", *its[3:]],
            "indented number": [f" {its[0]}", *its[1:]],
            "one space": [line.replace("  - ", " - ", 1) for line in its],
        }.get(fault, its)
        lines += [*its, ""]
        if fault in ("two titles", "no title"):
            reasons.append(f"has {fault.removesuffix('s')}")
        else:
            good.append(e)
    if any(fault == "history" for _, fault in made):
        lines = ["Database: Made-up <1946 to 2026>", "Search Strategy:", "-" * 20, "1     vitiligo/ (17)", "", *lines]
    parsed = parse(end.join([*lines, ""]).encode(encoding))
    check_lines(parsed, len(lines))
    assert parsed.entries == len(made) + 1
    assert all(refused.reason.startswith(reason) for refused, reason in zip(parsed.refused, reasons, strict=True))
    check_facts(parsed, good)


@pytest.mark.parametrize(
    "source, place",
    [
        ("Made-up J. 63(2):e12-3, 2010 Aug.", ("Made-up J", "63", "2", "e12-3", "2010-08")),
        ("J. Made-up. 15 (1) (pp 7-9), 2024. Date: 01 Jan 2024.", ("J. Made-up", "15", "1", "7-9", "2024-01")),
        (
            "Acta. Conference: 2nd Made-up. Spain. 12 (Suppl 3) (no pagination), 2018.",
            ("Acta", "12", "Suppl 3", "", "2018"),
        ),
        ("Made-up J. 2015(2), 2015.", ("Made-up J", "2015", "2", "", "2015")),
        ("Made-up J. 2021 Mar 05.", ("Made-up J", "", "", "", "2021-03-05")),
        ("Made-up J. 12, 2020. Article Number: 55.", ("Made-up J", "12", "", "", "2020")),
        ("Made-up words without a number", ("", "", "", "", "")),
    ],
)
def test_the_citation_of_ovid_is_taken_apart(source, place):
    (record,) = parse(f"VN  - Ovid Technologies\nTI  - Made-up\nSO  - {source}\n".encode()).records
    assert (record.journal, record.volume, record.issue, record.pages, record.published) == place


def test_text_of_no_tag_is_refused_by_ovid():
    parsed = parse("\n".join(["made-up text", "", *ovid(entry(1)), ""]).encode())
    assert [(r.line, r.reason) for r in parsed.refused] == [(1, "is text without a tag of Ovid's format")]
    check_facts(parsed, [entry(1)])


XML_FAULTS = (
    *("none", "no end", "no start", "not well-formed", "text between", "entity", "comment", "two titles", "empty"),
    *("no title", "control character", "in one line"),
)


@given(
    st.lists(st.tuples(st.integers(1, 9999), st.sampled_from(XML_FAULTS)), min_size=1, max_size=8),
    st.sampled_from(ENCODINGS[:5]),
    st.sampled_from(ENDS),
    st.booleans(),
)
def test_no_fault_of_endnote_xml_loses_an_entry(made, encoding, end, is_one_line):
    # Without its first tag an entry joins one before it that has no end, and both are refused as one.
    made = [
        (number, "none" if fault == "no start" and i and made[i - 1][1] in ("no end", "text between") else fault)
        for i, (number, fault) in enumerate(made)
    ]
    lines = ['<?xml version="1.0" encoding="UTF-8" ?>', "<xml><records>"]
    good, reasons = [], []
    for number, fault in made:
        e = entry(number)
        its = endnote_xml(e)
        lines += {
            "no end": its[:-1],
            "no start": its[1:],
            "not well-formed": [*its[:3], "<volume>1</number>", *its[3:]],
            "text between": [*its, "made-up text outside of the entries"],
            "entity": [*its[:-1], "<notes>&made-up;</notes>", its[-1]],
            "comment": ["<!-- made up -->", *its],
            "two titles": [*its[:-1], "<titles><title>Made-up title of the next entry</title></titles>", its[-1]],
            "empty": ["<record/>"],
            "no title": ["<record>", '<ref-type name="Journal Article">17</ref-type>', "</record>"],
            "control character": [*its[:-1], "<notes>\x02</notes>", its[-1]],
            "in one line": ["".join(its)],
        }.get(fault, its)
        if fault in ("none", "text between", "comment", "in one line"):
            good.append(e)
        if fault not in ("none", "comment", "in one line"):
            reasons.append(
                {
                    "no end": "does not end with </record>",
                    "no start": "does not begin with <record>",
                    "text between": "is text outside of the entries",
                    "two titles": "has two titles",
                    "empty": "has no title",
                    "no title": "has no title",
                }.get(fault, "cannot be read as XML")
            )
    if made[-1][1] == "no end":
        # What follows belongs to the entry that is open.
        lines.append("<record></record>")
        reasons.append("has no title")
    lines.append("</records></xml>")
    text = "".join(lines) if is_one_line else end.join([*lines, ""])
    parsed = parse(text.encode(encoding))
    check_lines(parsed, 1 if is_one_line else len(lines), may_share=is_one_line)
    check_facts(parsed, good)
    assert parsed.entries == len(good) + len(reasons)
    assert all(r.reason.startswith(reason) for r, reason in zip(parsed.refused, reasons, strict=True))


def test_a_fault_of_xml_has_its_line_and_no_entity_is_expanded():
    lines = ["<xml><records>", *endnote_xml(entry(1))[:3], "<notes>a & b</notes>", *endnote_xml(entry(1))[3:]]
    (refused,) = parse("\n".join([*lines, "</records></xml>"]).encode()).refused
    assert (refused.line, refused.reason) == (2, "cannot be read as XML: not well-formed (invalid token) in line 5")
    bomb = '<!DOCTYPE xml [<!ENTITY a "made-up"><!ENTITY b "&a;&a;">]>'
    with pytest.raises(ReadError, match="is an XML document"):
        parse(f'<?xml version="1.0"?>{bomb}<xml><records><record/></records></xml>'.encode())
    parsed = parse(f"<xml><records>{bomb}<record><titles><title>&b;</title></titles></record></records></xml>".encode())
    assert not parsed.records and [r.reason.partition(":")[0] for r in parsed.refused] == [
        "is text outside of the entries",
        "cannot be read as XML",
    ]


@given(
    st.lists(
        st.tuples(st.integers(1, 9999), st.sampled_from(("none", "quote", "short", "long", "lines"))),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(sorted(CSV_HEADERS)),
    st.sampled_from(ENCODINGS[:5]),
    st.sampled_from(ENDS),
)
def test_no_fault_of_a_table_loses_a_row(made, source, encoding, end):
    entries = [entry(number) for number, _ in made]
    header, *rows = csv_lines(entries, source)
    lines = ['"SEARCH QUERY","made-up"', "-----", "", *header]
    good, bad_lines = [], []
    for (_, fault), e, row in zip(made, entries, rows, strict=True):
        if fault == "quote":
            row = [f'"{row[0]}']
        elif fault == "short":
            row = ["made-up"]
        elif fault == "long":
            row = [f"{row[0]},and,more"]
        elif fault == "lines":
            row = row[0].replace(e.abstract, f'"{e.abstract[:10]}\n{e.abstract[10:]}"').split("\n")
        if fault in ("none", "lines"):
            good.append(e)
        else:
            bad_lines.append(len(lines) + 1)
        lines += row
    parsed = parse(end.join([*lines, ""]).encode(encoding))
    check_lines(parsed, len(lines))
    check_facts(parsed, good)
    refused = {line for entry in parsed.refused for line in range(entry.line, entry.last_line + 1)}
    assert refused == set(bad_lines)


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [
            *("", "TY  - JOUR\n", "PMID- 1\n", "@article{a,\n", "Title,DOI,Year,Authors\n", "PT J\nAU a\n"),
            *("VN  - Ovid\nTI  - a\n", "<xml><records><record><titles>", "<xml><records></record>\n"),
        ]
    ),
)
def test_any_bytes_are_accounted_for(content, start):
    content = start.encode() + content
    try:
        parsed = parse(content)
    except ReadError as error:
        assert str(error)
        return
    if not content.count(0) or parsed.entries == 0:
        check_lines(parsed, lines_of(content) if content else 0, may_share=parsed.form == "EndNote XML")


@given(st.integers(0, 2000), st.sampled_from(sorted(FORMATS)), st.sampled_from(ENCODINGS[:5]))
def test_a_file_may_end_anywhere(size, form, encoding):
    whole = "\n\n".join(map("\n".join, blocks(form, [entry(number) for number in range(4)]))) + "\n"
    content = whole.encode(encoding)[: size + 40]
    try:
        parsed = parse(content)
    except ReadError:
        return
    check_lines(parsed, lines_of(content.decode(encoding, errors="ignore").encode("latin-1", "replace")))
    # All entries before the last are whole, and read exactly.
    check_facts(
        Parsed(parsed.records[: max(0, parsed.entries - 1)]), [entry(n) for n in range(max(0, parsed.entries - 1))]
    )


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "the file is empty"),
        (codecs.BOM_UTF8, "the file is empty"),
        (b"\r\n \r\n", "the file is empty"),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "is a web page"),
        (b"\n  <HTML lang='en'>", "is a web page"),
        (b"<?xml version='1.0'?><xml/>", "is an XML document"),
        (b"PK\x03\x04 made-up", "is a workbook"),
        (b"%PDF-1.4", "is a PDF document"),
        (b"%0 Journal Article\n%T Made-up trial", "is in a tagged format of EndNote"),
        (b"made-up text\nof no format", "is in no known format; it begins with 'made-up text'"),
        (b'{"records": []}', "is in no known format"),
        ("<html>".encode("utf-16"), "is a web page"),
    ],
)
def test_what_is_no_export_is_named(content, message):
    with pytest.raises(ReadError, match=message):
        parse(content)


def test_kinds_links_and_identifiers():
    parsed = parse(
        b"TY  - CONF\nM3  - Conference Abstract\nTI  - Made-up abstract\nDO  - https://dx.doi.org/10.5555/a%2Fb\n"
        b"ER  - \n"
        b"TY  - JOUR\nM3  - Trial registry record\nTI  - Made-up registry record\nAN  - CN-1\n"
        b"UR  - https://clinicaltrials.gov/show/NCT00000000\nER  - \n"
        b"TY  - JOUR\nTI  - Retraction: Made-up trial\nY1  - 2021//\nER  - \n"
        b"TY  - JOUR\nTI  - Made-up preprint\nJF  - medRxiv\nDA  - 2024/03/01\nER  - \n"
        b"TY  - JOUR\nT1  - Made-up trial\nN1  - Times Cited:  1\nTotal Times Cited:  2\nC7  - e12\nPY  - 2010\n"
        b"DA  - SEP 22\nER  -\n"
        b"TY  - JOUR\nER  - \n"
    )
    found = [(r.kind, r.doi, r.registry, r.published, r.pages) for r in parsed.records]
    assert found == [
        ("congress_abstract", "10.5555/a/b", "", "", ""),
        ("registry_record", "", "NCT00000000", "", ""),
        ("retraction_notice", "", "", "2021", ""),
        ("preprint", "", "", "2024-03", ""),
        ("article", "", "", "2010-09-22", "e12"),
    ]
    assert [(r.position, r.line) for r in parsed.refused] == [(6, 29)]
    nbib_parsed = parse(
        b"PMID- 1\nTI  - Made-up trial.\nPT  - Published Erratum\nEFR - Made-up J. 2020;1:2. PMID: 2\nLID - e7\n"
        b"SI  - ClinicalTrials.gov/NCT00000001\n"
    )
    (record,) = nbib_parsed.records
    assert (record.kind, record.links, record.pages, record.registry) == (
        "erratum",
        ("erratum for: Made-up J. 2020;1:2. PMID: 2",),
        "e7",
        "NCT00000001",
    )


EXPORTS = {
    "Embase": (
        "TY  - JOUR|M3  - Article|Y1  - 2024|VL  - 15|IS  - 1|SP  - 7|EP  - 9|JF  - Made-up Journal|JO  - Made-up J."
        "|UR  - https://www.embase.com/search/results?subaction=viewrecord&id=L1|U2  - L1|C5  - 91|DB  - Embase"
        "|DB  - Medline|DO  - 10.5555/1|A1  - Made-Up, A.B.|T1  - Made-up trial|ER  - "
    ),
    "Scopus": (
        "TY  - JOUR|AU  - Made-Up, A.B.|TI  - Made-up trial|PY  - 2024|T2  - Made-up Journal|VL  - 15|IS  - 1|SP  - 7"
        "|EP  - 9|DO  - 10.5555/1|UR  - https://www.scopus.com/inward/record.uri?eid=2&doi=10.5555%2f1|C2  - 91"
        "|J2  - Made-up J.|M3  - Article|DB  - Scopus|N1  - Export Date: 05 August 2024; Cited By: 2|ER  -"
    ),
    "Cochrane Library": (
        'Record #3 of 18|Provider: Made-up Ltd.|Content: text/plain; charset="UTF-8"||TY  -  JOUR|AN  -  CN-01'
        "|AU  -  Made-Up, AB|TI  -  Made-up trial|JA  -  Made-up Journal|PY  -  2024|VL  -  15|IS  -  1"
        "|SP  -  7\u20109|C3  -  PUBMED 91,EMBASE 5|M3  -  Journal article|DO  -  10.5555/1"
        "|UR  -  https://www.cochranelibrary.com/central/doi/10.1002/central/CN-01/full|ER  -  "
    ),
    "Web of Science": (
        "TY  - JOUR|AU  - Made-Up, AB|TI  - Made-up trial|T2  - Made-up Journal|J9  - MADE-UP J|PY  - 2024"
        "|VL  - 15|IS  - 1|SP  - 7|EP  - 9|DO  - 10.5555/1|AN  - WOS:0001|PM  - 91"
        "|N1  - Times Cited in Web of Science:  1|Total Times Cited:  2|Cited References:  3|ER  -"
    ),
    "Ovid": (
        "2. |TY  - JOUR|DB  - Ovid MEDLINE(R) <2024>|ID  - 91|DO  - https://dx.doi.org/10.5555/1|T1  - Made-up trial"
        "|Link to the Ovid Full Text or citation:|http://ovid.made.up/1|A1  - Made-Up, Anna B|Y1  - 2024//"
        "|JF  - Made-up Journal|VL  - 15|IS  - 1|SP  - 7|EP  - 9|ER  - "
    ),
    "Zotero": (
        "TY  - JOUR|TI  - Made-up trial|AU  - Made-Up, Anna B.|T2  - Made-up Journal|DA  - 2024///|PY  - 2024"
        "|DO  - 10.5555/1|VL  - 15|IS  - 1|SP  - 7|EP  - 9|UR  - https://pubmed.ncbi.nlm.nih.gov/91/|ER  - "
    ),
    "Web of Science plain text": (
        "\ufeffFN Clarivate Analytics Web of Science|VR 1.0|PT J|AU Made-Up, AB|AF Made-Up, Anna B.|TI Made-up|   trial"
        "|SO Made-up Journal|LA English|DT Article; Early Access|SN 0000-0000|J9 MADE-UP J|EA 2024|VL 15|IS 1"
        "|BP 7|EP 9|DI 10.5555/1|PG 3|UT WOS:0001|PM 91|ER||EF"
    ),
    "Ovid tagged text of MEDLINE": (
        "<1. >|VN  - Ovid Technologies|DB  - Ovid MEDLINE(R) ALL <1946 to 2024>|UI  - 91|TI  - Made-up trial. [Article]"
        "|SO  - Made-up Journal. 15(1):7-9, 2024.|AU  - Made-Up AB|FA  - Made-Up, Anna B|IS  - 0000-0000"
        "|PT  - Journal Article|DO  - https://dx.doi.org/10.5555/1|YR  - 2024|"
    ),
    "Ovid tagged text of Embase": (
        "<2. >|VN  - Ovid Technologies|DB  - Embase|UI  - 2000000001|PM  - 91 [https://www.ncbi.nlm.nih.gov/pubmed/?term=91]"
        "|TI  - Made-up trial.|SO  - Made-up Journal. 15 (1) (pp 7-9), 2024. Date of Publication: 2024."
        "|AU  - Made-Up A.B.|PG  - No Pagination Specified|PT  - Article|DO  - http://dx.doi.org/10.5555/1|YR  - 2024|"
    ),
    "EndNote XML": (
        '<?xml version="1.0" encoding="UTF-8" ?><xml><records><record><database name="Made-up.enl">Made-up</database>'
        '<source-app name="EndNote" version="20.0">EndNote</source-app><rec-number>1</rec-number>'
        '<ref-type name="Journal Article">17</ref-type><contributors><authors><author>Made-Up, Anna B.</author>'
        '</authors></contributors><titles><title>Made-up <style face="italic">trial</style></title>'
        "<secondary-title>Made-up Journal</secondary-title><alt-title>Made-up J</alt-title></titles><pages>7-9</pages>"
        "<volume>15</volume><number>1</number><dates><year>2024</year></dates><accession-num>91</accession-num><urls>"
        "<related-urls><url>https://doi.org/10.5555/1</url></related-urls></urls>"
        "<electronic-resource-num>doi: 10.5555/1</electronic-resource-num>"
        "<remote-database-name>Medline</remote-database-name></record></records></xml>"
    ),
}
"""An entry as each source writes it, in RIS or in the format named, with made-up content; "|" stands for a line end."""


@pytest.mark.parametrize("source", sorted(EXPORTS))
def test_each_source_is_understood(source):
    (record,) = parse(EXPORTS[source].replace("|", "\r\n").encode()).records
    facts = {name: value for name, value in record.facts().items() if name != "url"}
    assert facts == {
        "kind": "article",
        "title": "Made-up trial",
        "authors": "Made-Up AB",
        "published": "2024",
        "journal": "Made-up Journal",
        "volume": "15",
        "issue": "1",
        "pages": "7-9",
        "doi": "10.5555/1",
        "pmid": "91",
        "registry": "",
    }


def test_records_of_registries():
    parsed = parse(
        b"NCT Number,Study Title,Study URL,Brief Summary,First Posted\n"
        b"NCT00000001,Made-up trial 17,https://clinicaltrials.gov/study/NCT00000001,See NCT00000002,2020-03-04\n"
    )
    (record,) = parsed.records
    assert (record.kind, record.registry, record.published) == ("registry_record", "NCT00000001", "2020-03-04")


@given(st.text(alphabet="abcXYZ019%{}\\\\$~&#_^-'\"é ", max_size=40))
def test_no_letter_of_bibtex_is_lost(text):
    plain = bibtex_reader._plain(text)
    without_commands = re.sub(r"\\[A-Za-z]+", "", text)
    assert sum(map(str.isalnum, plain)) >= sum(map(str.isalnum, without_commands))


@given(st.lists(st.text(alphabet='abA%{}\\\\$~&#,and "é@=\n', max_size=30), min_size=4, max_size=4))
def test_any_value_of_bibtex_is_read_or_refused(texts):
    names = ("title", "author", "year", "pages")
    lines = ["@article{made_up,", *(f"  {n} = {{{text}}}," for n, text in zip(names, texts, strict=True)), "}", ""]
    text = "\n".join([*bibtex(entry(1)), *lines, *bibtex(entry(2)), ""])
    parsed = parse(text.encode())
    check_lines(parsed, text.count("\n"))
    assert {entry(1).title, entry(2).title} <= {record.title for record in parsed.records}


@pytest.mark.parametrize(
    "value, text",
    [
        (r"{Tacrolimus} 0.1% ointment", "Tacrolimus 0.1% ointment"),
        (r"5\% of {M{\"u}ller}", "5% of Müller"),
        (r"$\alpha$-blocker", "α-blocker"),
        (r"caf\'e {x} # 5_3^2", "café x # 5_3^2"),
    ],
)
def test_latex_is_read(value, text):
    (record,) = parse(f"@article{{made_up,\n  title = {{{value}}},\n  year = 2020\n}}".encode()).records
    assert (record.title, record.published) == (text, "2020")


def test_mixed_encodings_and_nul_bytes_are_named():
    parsed = parse("TY  - JOUR\nTI  - Müller\nER  - \n".encode() + b"TY  - JOUR\nTI  - M\xfcl\0ler\nER  - \n")
    assert [record.title for record in parsed.records] == ["Müller", "Müller"]
    assert len(parsed.remarks) == 2 and "line 5" in parsed.remarks[0] and "line 5" in parsed.remarks[1]
    cut = parse("TY  - JOUR\nTI  - Müller\nAU  - Ü".encode()[:-1])
    assert any("cut off" in remark for remark in cut.remarks)
