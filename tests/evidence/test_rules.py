"""Every rule of the data, each broken once in a copy of the real tables, with the message a maintainer gets."""

import datetime as dt
import re

import pandas as pd
import pytest

from conftest import ROOT, run
from lib.evidence import check, period_end, reference_numbers
from lib.evidence.column_types import FORMS as _FORMS


def column(rows, name):
    return rows[0].index(name)


def where(rows, **values):
    """Row index of the first row with these values: one less than its number in a spreadsheet."""
    return next(
        i for i, row in enumerate(rows[1:], start=1) if all(row[column(rows, k)] == v for k, v in values.items())
    )


def put(name, value, **values):
    def change(rows):
        rows[where(rows, **values)][column(rows, name)] = value

    return change


def every(name, value, **values):
    """Change a column in all rows with these values."""

    def change(rows):
        for row in rows[1:]:
            if all(row[column(rows, k)] == v for k, v in values.items()):
                row[column(rows, name)] = value

    return change


SENDUR = {"study": "sendur2006", "threshold": "ge75"}
SENDUR_50 = {"study": "sendur2006", "threshold": "ge50"}
LEPE_ARM = {"study": "lepe2003", "arm": "tacrolimus"}
NEXT_YEAR = str(dt.date.today().year + 1)

SPOILED = {
    "unknown study": ("responses", put("study", "sendur2007", **SENDUR), "column study: 'sendur2007': is unknown"),
    "unknown arm": ("responses", put("arm", "tacrolimus", **SENDUR), "column arm: 'tacrolimus': is unknown"),
    "unknown part of a study": ("arms", put("part", "3", **LEPE_ARM), "column part: '3': is unknown"),
    "study without a reference": ("mechanism", put("study", "nobody1999", study="lee2013"), "in references.bib"),
    "text in a number": ("responses", put("n", "nineteen", **SENDUR), "column n: 'nineteen': must be a whole number"),
    "negative count": ("responses", put("events", "-3", **SENDUR), "column events: '-3': must be a whole number"),
    "fractional count": ("responses", put("events", "3.5", **SENDUR), "column events: '3.5': must be a whole number"),
    "missing count": ("responses", put("events", "", **SENDUR), "column events: a value is required"),
    "nobody observed": ("maintenance", put("n", "0", n="41"), "column n: '0': at least one must have been observed"),
    "more responders than participants": (
        "responses",
        put("events", "20", **SENDUR),
        "column events: '20': more with the event than there are (n = 19)",
    ),
    "more adverse events than patients": (
        "adverse_events",
        put("events", "31", study="xu2009"),
        "column events: '31': more with the event than there are (n = 30)",
    ),
    "thresholds in the wrong order": (
        "responses",
        put("events", "2", **SENDUR_50),
        "column events: '3': more reached ge75 than reached the lower ge50 (2 in row ",
    ),
    "more completed than enrolled": (
        "arms",
        put("completed", "21", **LEPE_ARM),
        "column completed: '21': more completed than enrolled (enrolled = 20)",
    ),
    "more analysed than enrolled": (
        "responses",
        put("n", "24", **SENDUR),
        "column n: '24': more analysed than enrolled (enrolled = 23)",
    ),
    "unknown code": ("studies", put("design", "RC", study="lepe2003"), "column design: 'RC': must be one of: SA, WP"),
    "unknown code among several": (
        "studies",
        put("subtype", "NSV;XX", study="lepe2003"),
        "column subtype: 'NSV;XX': must be one or more of: NSV, SV",
    ),
    "code where yes or no is asked": ("studies", put("randomised", "perhaps", study="lepe2003"), "one of: yes, no"),
    "impossible date": ("screening", put("published", "2021-02-30", study="iraji2021"), "'2021-02-30': must be a day"),
    "future date": ("screening", put("entered", f"{NEXT_YEAR}-01-01", study="iraji2021"), "not in the future"),
    "month where a day is asked": ("screening", put("entered", "2026", study="iraji2021"), "as YYYY-MM-DD"),
    "year 0": ("screening", put("published", "0000-12", study="iraji2021"), "'0000-12': must be a day"),
    "digits of another script": ("responses", put("n", "１９", **SENDUR), "column n: '１９': must be a whole number"),
    "excluded study that is pooled": (
        "responses",
        put("poolable", "yes", study="kiran2024", arm="tacrolimus"),
        "column poolable: 'yes': must be no: the study is not included",
    ),
    "second time point of the same patients": (
        "responses",
        put("poolable", "yes", study="radakovic2009", arm="tacrolimus once daily", threshold="ge75"),
        "the same patients are pooled already in row",
    ),
    "pooled patches without patients": (
        "arms",
        put("completed", "", study="passeron2004", arm="tacrolimus+EL"),
        "patches can be pooled only if arms.csv says how many patients completed",
    ),
    "new study in the original edition": (
        "studies",
        put("edition", "original", study="shah2020"),
        "a study of the original review has its reference number",
    ),
    "original study among the new records": (
        "screening",
        put("study", "soriano2002", study="adr2025"),
        "'soriano2002': is a study of the original review",
    ),
    "included record from before the search": (
        "screening",
        put("published", "2016-05", study="shah2020"),
        "must have appeared after the original search (2018-08-06)",
    ),
    "printed rate without its studies": (
        "published_rates",
        put("studies", "", place="table3"),
        "a value is required in Table 3 and the results",
    ),
    "rate of a later review in percent": (
        "later_reviews",
        put("ci_high", "47", measure="rate"),
        "a rate is a proportion from 0 to 1",
    ),
    "unknown target in the dictionary": (
        "dictionary",
        put("refers_to", "studes.study", table="concerns", column="study"),
        "'studes.study': there is no such table or column",
    ),
    "unknown type in the dictionary": (
        "dictionary",
        put("type", "txet", table="dictionary", column="unit"),
        "column type: 'txet': must be one of",
    ),
    "date in another form": ("screening", put("entered", "22.11.2026", study="iraji2021"), "as YYYY-MM-DD"),
    "future year": ("studies", put("year", NEXT_YEAR, study="lepe2003"), "must be a year from 1900 to this one"),
    "DOI of wrong form": ("screening", put("doi", "doi.org/10.1/x", study="iraji2021"), "must be a DOI such as"),
    "DOI with its prefix": ("screening", put("doi", "doi:10.1155/2021/5652140", study="iraji2021"), "without a prefix"),
    "PMID of wrong form": ("screening", put("pmid", "PMC8651420", study="iraji2021"), "must be a PubMed number"),
    "DOI that differs from the references": (
        "screening",
        put("doi", "10.1155/2021/1111111", study="iraji2021"),
        "differs from references.bib (10.1155/2021/5652140)",
    ),
    "source of wrong form": (
        "responses",
        put("source", "doi:sendur", **SENDUR),
        "column source: 'doi:sendur': must be",
    ),
    "response without a source": ("responses", put("source", "", **SENDUR), "column source: a value is required"),
    "percentage above 100": (
        "published_rates",
        put("estimate", "181", claim="abstract-monotherapy-total-ge75"),
        "column estimate: '181': must be a number from 0 to 100",
    ),
    "interval beside its estimate": (
        "published_rates",
        put("ci_low", "20", claim="abstract-monotherapy-total-ge75"),
        "the interval begins above the estimate (estimate = 18.1)",
    ),
    "reference list of wrong form": (
        "published_rates",
        put("refs", "7, 8-3", claim="table3-monotherapy-total-ge75"),
        "must be reference numbers and ranges",
    ),
    "not pooled without a reason": (
        "responses",
        put("poolable", "no", **SENDUR),
        "column why_not: is required where poolable is not yes, and only there; one of: any_alone, interim,",
    ),
    "pooled with a reason not to": (
        "responses",
        put("why_not", "interim", **SENDUR),
        "column why_not: 'interim': is required where poolable is not yes, and only there",
    ),
    "not pooled for a reason in other words": (
        "responses",
        put("why_not", "too early", study="dawid2006", months="2"),
        "column why_not: 'too early': must be one of: any_alone, interim, same_patients",
    ),
    "percentage above all": (
        "bounds",
        put("value", "132.1", study="farajzadeh2009"),
        "a percentage must be from 0 to 100",
    ),
    "bounds that exclude each other": (
        "bounds",
        put("value", "7", study="tamler2011", kind="at_least"),
        "more than the count can be at most (6)",
    ),
    "bound above all enrolled": (
        "bounds",
        put("value", "999", study="tamler2011", kind="at_least"),
        "more than are enrolled (enrolled = 12)",
    ),
    "rule of news without its margin": (
        "news_margins",
        put("margin", "", rule="moved"),
        "a margin is required where the meaning has {} in its place",
    ),
    "excluded without a kind of reason": (
        "screening",
        put("exclusion", "", study="adr2025"),
        "column exclusion: is required where the decision is excluded",
    ),
    "included without a study": (
        "screening",
        put("decision", "included", study="iraji2021"),
        "an included study needs a row in studies.csv",
    ),
    "update study that nobody screened": (
        "studies",
        put("edition", "update", study="lepe2003"),
        "a study of the update needs a row in screening.csv",
    ),
    "tool of another design": (
        "risk_of_bias",
        every("tool", "robins_i_2016", study="bilal2014"),
        "'robins_i_2016': does not fit: bilal2014 is randomised; use rob2_2019",
    ),
    "tool for trials where nothing is randomised": (
        "risk_of_bias",
        every("tool", "rob2_2019", study="shah2020"),
        "'rob2_2019': does not fit: shah2020 is not randomised; use robins_i_2016",
    ),
    "judgement of another tool": (
        "risk_of_bias",
        put("judgement", "serious", study="bilal2014", domain="randomisation"),
        "column judgement: 'serious': must be one of: low, some_concerns, high, no_information (for rob2_2019)",
    ),
    "domain of another tool": (
        "risk_of_bias",
        put("domain", "confounding", study="bilal2014", domain="deviations"),
        "column domain: 'confounding': must be one of: randomisation, deviations,",
    ),
    "tool that nobody knows": ("risk_of_bias", put("tool", "rob1", study="alam"), "'rob1': must be one of: rob2_2019"),
    "judged study that nobody knows": (
        "risk_of_bias",
        put("study", "bilal2041", study="bilal2014", domain="overall"),
        "column study: 'bilal2041': is unknown",
    ),
    "judgement without its support": (
        "risk_of_bias",
        put("support", "", study="bilal2014", domain="overall"),
        "column support: a value is required",
    ),
    "overall better than a domain": (
        "risk_of_bias",
        put("judgement", "some_concerns", study="alam", domain="overall"),
        "column judgement: 'some_concerns': is better than the worst domain (high: missing_data)",
    ),
    "overall low without information": (
        "risk_of_bias",
        put("judgement", "low", study="bilal2014", domain="overall"),
        "'low': must be at least some_concerns: there is no information on randomisation, reporting",
    ),
    "overall open in RoB 2": (
        "risk_of_bias",
        put("judgement", "no_information", study="bilal2014", domain="overall"),
        "RoB 2 has an overall judgement in every case",
    ),
    "overall open in ROBINS-I though a domain decides": (
        "risk_of_bias",
        put("judgement", "no_information", study="rafiq2016", domain="overall"),
        "'no_information': must be at least serious: the domains decide it",
    ),
    "three levels for one domain": (
        "certainty",
        put("levels", "3", outcome="vehicle_ge75", domain="imprecision"),
        "column levels: '3': must be one of: 0, 1, 2",
    ),
    "judgement of an outcome that nobody knows": (
        "certainty",
        put("outcome", "vehicle_ge7", outcome="vehicle_ge75", domain="imprecision"),
        "column outcome: 'vehicle_ge7': is unknown",
    ),
    "comparison without its question": (
        "outcomes",
        put("question", "", outcome="vehicle_ge75"),
        "column question: a value is required for the kind comparison",
    ),
    "rate with a question": (
        "outcomes",
        put("question", "vehicle", outcome="monotherapy_rate_ge75"),
        "column question: 'vehicle': must be empty for the kind rate",
    ),
    "year that differs from the screening": (
        "studies",
        put("year", "2019", study="shah2020"),
        "differs from the date in screening.csv (2020-02)",
    ),
    "two studies of one name": (
        "screening",
        put("label", "Wang L 2018", study="wangyuyi2018"),
        "column label: 'Wang L 2018': is the label of wanglm2018 too",
    ),
    "a study of the review and one of the update of one name": (
        "screening",
        put("label", "Rokni 2017", study="vanathi2017"),
        "column label: 'Rokni 2017': is the label of rokni2017 too (studies.csv, row ",
    ),
    "one study of two names": (
        "screening",
        put("label", "Seneschal and others", study="seneschal2021"),
        "'Seneschal and others': differs from the label that seneschal2021 has elsewhere (Seneschal 2021)",
    ),
    "two later reviews of one name": (
        "later_reviews",
        put("label", "Arora 2020", review="zhu2023"),
        "'Arora 2020': is the label of arora2020 too",
    ),
    "finding of a study of the original review": (
        "findings",
        put("study", "lepe2003", study="shah2020"),
        "column study: 'lepe2003': must be an included study of the update",
    ),
    "count in a finding": (
        "findings",
        put("finding", "Excellent in 10 of 30.", study="ebrahim2020"),
        "column finding: '10 of 30': the book adds this from responses.csv, row ",
    ),
    "percentage of a count in a finding": (
        "findings",
        put("finding", "Excellent in 33.3%.", study="ebrahim2020"),
        "column finding: '33.3%': the book adds this from responses.csv, row ",
    ),
}


def test_the_data_have_no_faults():
    assert check(ROOT / "data") == []


def test_an_included_study_without_its_main_finding_is_named(data, edit):
    edit("findings", lambda rows: rows.pop(where(rows, study="seneschal2021")))
    (fault,) = check(data)
    assert (fault.file, fault.value) == ("studies.csv", "seneschal2021")
    assert "needs its main finding in findings.csv" in fault.rule


@pytest.mark.parametrize("table", ["studies", "screening", "mechanism", "later_reviews"])
def test_a_label_is_words_and_a_year_and_no_code(table):
    """An author, or a description, then the year or (undated); no abbreviated journal with an article number."""
    labels = pd.read_csv(ROOT / f"data/{table}.csv").label
    form = r".*[A-Za-zÀ-ž]{2,}.*( (19|20)\d\d( \([a-z]+\))?| \(undated\))"
    assert [label for label in labels if not re.fullmatch(form, label)] == []
    assert [label for label in labels if re.match(r"[A-Z]{2,} \d", label)] == []


@pytest.mark.parametrize(("table", "change", "message"), SPOILED.values(), ids=SPOILED.keys())
def test_a_broken_rule_is_named_with_its_place(data, edit, table, change, message):
    place = {}

    def spoil(rows):
        before = [list(row) for row in rows]
        change(rows)
        place["row"] = next(i for i, (old, new) in enumerate(zip(before, rows, strict=True)) if old != new) + 1

    edit(table, spoil)
    found = [str(fault) for fault in check(data)]
    matching = [text for text in found if message in text]
    assert matching, found
    # Faults of two rows or tables may be told at the other one; all others point at the row that was spoiled.
    if not any(word in message for word in ("lower", "already", "patches can", "differs")):
        assert any(text.startswith(f"{table}.csv, row {place['row']},") for text in matching), found


def test_a_duplicate_row_is_named_with_its_twin(data, edit):
    edit("responses", lambda rows: rows.append(list(rows[5])))
    faults = [str(fault) for fault in check(data)]
    assert len(faults) == 1
    assert "is already in row 6" in faults[0]


def test_a_domain_without_a_row_is_named(data, edit):
    edit("risk_of_bias", lambda rows: rows.pop(where(rows, study="bilal2014", domain="reporting")))
    assert [f"{f.column} {f.value}: {f.rule}" for f in check(data)] == [
        "domain reporting: has no row for bilal2014 (rob2_2019)"
    ]


def test_a_domain_is_judged_once(data, edit):
    edit("risk_of_bias", lambda rows: rows.append([*rows[1][:3], "high", *rows[1][4:]]))
    assert any("is already in row 2" in f.rule for f in check(data))


def test_the_same_patients_at_another_time_are_not_pooled_twice(data, edit):
    def repeat(rows, months):
        row = list(rows[where(rows, **SENDUR)])
        row[column(rows, "months")] = months
        rows.append(row)

    edit("responses", lambda rows: repeat(rows, "6.0"))
    assert any("is already in row" in f.rule for f in check(data))
    edit("responses", lambda rows: rows.pop())
    edit("responses", lambda rows: repeat(rows, "3"))
    assert [f.rule.split(" in row")[0] for f in check(data)] == ["the same patients are pooled already"]


def test_a_missing_step_of_the_flow_is_named(data, edit):
    edit("flow", lambda rows: rows.pop())
    assert [(f.value, f.rule) for f in check(data)] == [("included", "the step has no row")]


def test_a_comma_without_quotes_is_named_with_its_row(data):
    path = data / "concerns.csv"
    path.write_text(path.read_text(encoding="utf-8") + "shah2020,one thing, and another\n")
    (fault,) = check(data)
    assert fault.value == "and another"
    assert "put a value that contains a comma" in fault.rule
    assert fault.row == len(path.read_text(encoding="utf-8").splitlines())


def test_references_without_an_entry_are_named(data):
    (data / "references.bib").write_text("% nothing yet\n")
    assert any("the file has no entries" in f.rule for f in check(data))


HEADERS = {
    "missing column": (lambda h: h[:-1], "responses.csv, row 1, column derivation: the column is missing"),
    "extra column": (lambda h: [*h, "p"], "'p': is not a column of this table"),
    "misspelt header": (
        lambda h: ["evnets" if c == "events" else c for c in h],
        "'evnets': is a misspelt header: write 'events'",
    ),
    "column twice": (lambda h: [*h[:-1], "events"], "column events: the column is there more than once"),
    "values under no header": (lambda h: [*h[:-1], ""], "is beyond the last of the 18 columns"),
    "gap in the header": (lambda h: [*h[:-2], "", h[-1]], "a column with values has no name"),
}


@pytest.mark.parametrize(("change", "message"), HEADERS.values(), ids=HEADERS.keys())
def test_a_faulty_header_is_named(data, edit, change, message):
    def spoil(rows):
        header = change(rows[0])
        width = len(rows[0])
        rows[0] = header
        for row in rows[1:]:
            del row[len(header) :]
            row += ["x"] * (len(header) - min(width, len(row)))

    edit("responses", spoil)
    assert any(message in str(fault) for fault in check(data)), check(data)


BYTES = {
    "Latin-1": (lambda b: b.decode().encode("latin-1", "replace"), "is not UTF-8: save the file as CSV UTF-8"),
    "UTF-16": (lambda b: b.decode().encode("utf-16"), "'UTF-16': is not allowed"),
    "semicolons": (lambda b: b.replace(b",", b";"), "values are separated by semicolons"),
    "tabs": (lambda b: b.replace(b",", b"\t"), "values are separated by tabs"),
    "byte-order mark only": (lambda b: b"\xef\xbb\xbf", "the file is empty"),
    "empty": (lambda b: b"", "the file is empty"),
    "white space only": (lambda b: b"\n \n", "the file is empty"),
    "header only": (lambda b: b.split(b"\n")[0] + b"\n", "the file has a header but no rows"),
    "open quote": (
        lambda b: b.replace(b"Soriano", b'"Soriano', 1),
        "is not well-formed CSV from this line on",
    ),
}


@pytest.mark.parametrize(("change", "message"), BYTES.values(), ids=BYTES.keys())
def test_a_file_of_wrong_form_is_named(data, change, message):
    path = data / "studies.csv"
    path.write_bytes(change(path.read_bytes()))
    faults = [str(fault) for fault in check(data)]
    assert any(text.startswith(path.name) and message in text for text in faults), faults


def test_a_value_that_is_not_utf8_is_shown_with_its_row(data):
    path = data / "studies.csv"
    text = path.read_text(encoding="utf-8")
    number = next(i for i, line in enumerate(text.splitlines(), start=1) if "Rodríguez" in line)
    path.write_bytes(text.replace("ş", "s").replace("Ş", "S").encode("latin-1"))
    faults = [str(fault) for fault in check(data)]
    assert any(f"studies.csv, row {number}: 'Rodríguez 2004': is not UTF-8" in text for text in faults), faults


def test_a_file_that_is_not_there_is_named(data):
    (data / "flow.csv").unlink()
    (data / "references.bib").unlink()
    faults = {str(fault) for fault in check(data)}
    assert {"flow.csv: the file does not exist", "references.bib: the file does not exist"} <= faults


def test_a_file_nobody_knows_is_named(data):
    (data / "copy of arms.csv").write_text("a\n1\n")
    assert [f.rule for f in check(data)] == ["is not in the data dictionary: describe the file there, or remove it"]


def test_a_data_folder_that_is_not_there_is_named(tmp_path):
    assert [f.rule for f in check(tmp_path / "nowhere")] == ["the data folder does not exist"]


@pytest.mark.parametrize("field", ["doi", "pmid"])
def test_an_identifier_of_wrong_form_in_the_references_is_named(data, field):
    path = data / "references.bib"
    path.write_text(path.read_text(encoding="utf-8") + f"\n@misc{{new2025, {field} = {{wrong one}}}}\n")
    assert [(f.column, f.value) for f in check(data)] == [(f"new2025, {field}", "wrong one")]


def test_references_that_are_no_bibtex_are_named(data):
    (data / "references.bib").write_text("@article{half")
    assert any("cannot be read as BibTeX" in f.rule for f in check(data))


HARMLESS = {
    "byte-order mark": lambda b: b"\xef\xbb\xbf" + b,
    "CRLF": lambda b: b.replace(b"\n", b"\r\n"),
    "leading blank line": lambda b: b"\n" + b,
    "trailing blank lines": lambda b: b + b"\n\n\n",
    "trailing rows of commas": lambda b: b + b"," * b.split(b"\n")[0].count(b",") + b"\n",
    "empty trailing column": lambda b: b.replace(b"\n", b",\n"),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
@pytest.mark.parametrize("table", ["flow", "searches", "arms"])
def test_what_a_spreadsheet_leaves_is_accepted(data, change, table):
    path = data / f"{table}.csv"
    path.write_bytes(change(path.read_bytes()))
    assert check(data) == []


@pytest.mark.parametrize("table", ["flow", "searches", "arms"])
def test_stray_spaces_are_accepted(data, edit, table):
    def space_out(rows):
        rows[:] = [[f" {outcome}\N{NO-BREAK SPACE}" for outcome in row] for row in rows]

    edit(table, space_out)
    assert check(data) == []


def test_rows_are_numbered_as_a_spreadsheet_numbers_them(data, edit):
    def spoil(rows):
        rows.insert(3, [""] * len(rows[0]))
        rows[4][column(rows, "label")] = "two\nlines"
        rows[6][column(rows, "n")] = "many"

    edit("flow", spoil)
    assert any(str(f).startswith("flow.csv, row 7, column n: 'many'") for f in check(data))


def test_all_faults_come_in_one_run_and_nothing_is_built(small_book):
    path = small_book / "data" / "arms.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("(23/19", "").replace(",23,19,", ",19,23,"))
    (small_book / "data" / "flow.csv").unlink()
    checked, built = run(small_book, "check"), run(small_book, "build")
    for done in (checked, built):
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "more completed than enrolled" in done.stderr
        assert "flow.csv: the file does not exist" in done.stderr
        assert "nothing was built" in done.stderr
    assert not (small_book / "_build/html").exists()


def test_check_says_that_all_is_well():
    done = run(ROOT, "check")
    assert (done.returncode, done.stdout.strip()) == (0, f"{ROOT / 'data'}: no faults.")


# --- The dictionary and the validation cannot drift -------------------------------------------------------


def test_dictionary_describes_every_file_and_itself():
    dictionary = pd.read_csv(ROOT / "data" / "dictionary.csv", dtype=str, keep_default_na=False)
    files = {path.stem for path in (ROOT / "data").glob("*.csv")}
    assert set(dictionary.table) == files
    for name, columns in dictionary.groupby("table"):
        header = (ROOT / "data" / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0]
        assert list(columns.column) == header.split(","), name


def test_every_type_of_the_dictionary_is_one_that_is_checked():
    codes = pd.read_csv(ROOT / "data" / "codes.csv", dtype=str)
    assert set(codes[codes["list"] == "type"].code) == {*_FORMS, "code", "codes"}


def test_tightening_the_dictionary_tightens_the_check(data, edit):
    edit("dictionary", put("required", "yes", table="studies", column="blinding"))
    assert any(f.column == "blinding" and f.rule == "a value is required" for f in check(data))


def test_reference_lists_are_read_as_printed():
    assert reference_numbers("7, 8, 22-25") == [7, 8, 22, 23, 24, 25]
    for wrong in ("", "7;8", "8-7", "7-", "seven"):
        with pytest.raises(ValueError, match="reference numbers"):
            reference_numbers(wrong)


def test_a_partial_date_means_its_last_day():
    assert period_end("2020") == dt.date(2020, 12, 31)
    assert period_end("2020-02") == dt.date(2020, 2, 29)
    assert period_end("2020-02-03") == dt.date(2020, 2, 3)
    for wrong in ("2020-13", "2020-02-30", "20", "2020/02"):
        with pytest.raises(ValueError):
            period_end(wrong)
