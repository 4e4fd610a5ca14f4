"""The forms of values, and that the check of a table is what the dictionary says, no more and no less."""

import datetime as dt

import pandas as pd
import pytest

from conftest import ROOT
from lib.evidence.checking import read_tables
from lib.evidence.column_types import FORMS, NUMBERS, TYPES, convert, limits, period_end, reference_numbers
from lib.evidence.value_checks import dictionary_faults, value_faults

TODAY = dt.date.today()
NEXT_YEAR = TODAY.year + 1


@pytest.fixture(scope="module")
def tables():
    return read_tables(ROOT / "data")[0]


# By type: texts that have the form, and texts that have not.
EXAMPLES = {
    "key": (["lepe2003", "cdi00845_2019"], ["Lepe2003", "lepe 2003", "lepe-2003", "é"]),
    "identifier": (["pubmed-2026-11-26.12", "other.lepe2003"], ["PubMed-1", ".5", "-5", "a b", "é"]),
    "sha256": (["0123456789abcdef" * 4], ["0123456789ABCDEF" * 4, "0123", "g" * 64]),
    "text": (
        ["some, text\nin lines", "≥75%", "-5", "“quoted”", "白癜风", "می\u200cخواهم"],
        [
            "nul\x00",
            "bell\x07",
            "tab\there",
            "a\u00a0b",
            "zero\u200bwidth",
            "\ufeffmark",
            "lost \ufffd",
            "=1+1",
            "+1",
            "@a",
        ]
        + [
            "- item",
            "-1+2",
            "#REF!",
            "#####",
            "TRUE",
            "1E+05",
            "Feb-24",
            "2024-02-01 00:00:00",
            "VitÃ\xadligo",
            "â‰¥75%",
        ],
    ),
    "concentration": (
        ["0.1%", "1%", "10%", "0.03% or 1%", "0.1%; 0.03% under 12 years", "50 μg/g"],
        ["0.10%", "0.001", "0,1%", ".1%", "0.1 %", "1", "00.1%", "0.03% or 1.0%", "50 µg/g", "0.1%\u200b", "strong"],
    ),
    "count": (["0", "19"], ["nineteen", "-3", "3.5", "１９", "1 000", "1e3", "1234567890", "007", "19.0", "1,234"]),
    "number": (["0", "-3", "0.1", "55.0"], ["0,1", ".5", "5.", "1e3", "nan", "inf", "+1", "00.5", "−3"]),
    "percent": (["0", "18.1", "100"], ["181", "100.1", "-1", "18%", "nan", "018"]),
    "year": (["1900", str(TODAY.year)], ["1899", str(NEXT_YEAR), "98", "2020-01", "２０２０"]),
    "day": (["2020-02-29", str(TODAY)], ["2026", "2020-02", "2021-02-30", "22.11.2026", f"{NEXT_YEAR}-01-01"]),
    "date": (
        ["2020", "2020-02", "2020-02-29", "2020-12-31"],
        ["2021-02-30", "2020-13", "0000-12", "20", "2020/02", "22.11.2026", f"{NEXT_YEAR}", f"{NEXT_YEAR}-01-02"]
        + ["2020-02-01", "Feb-20", "43862"],
    ),
    "refs": (["7", "7, 8, 22-43"], ["7, 8-3", "7;8", "7-", "seven"]),
    "source": (
        ["lee2019, Table 2", "doi:10.1155/2021/5652140", "pmid:31267534", "https://example.org/a"],
        [
            "doi:sendur",
            "pmid:PMC8651420",
            "DOI: 10.1155/2021/5652140",
            "PMID:1",
            "https://doi.org/10.1155/2021/5652140",
        ],
    ),
    "doi": (["10.1155/2021/5652140"], ["doi:10.1155/2021/5652140", "doi.org/10.1/x", "10.1/x", "10.1155/a b"]),
    "pmid": (["1", "31267534"], ["PMC8651420", "0", "312675341", "3126 534"]),
}


def test_every_type_has_examples():
    assert EXAMPLES.keys() == FORMS.keys()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_texts_of_the_right_form_are_accepted_and_others_refused(kind):
    has_form, _ = FORMS[kind]
    right, wrong = EXAMPLES[kind]
    assert {text: has_form(text) for text in right + wrong} == {
        **dict.fromkeys(right, True),
        **dict.fromkeys(wrong, False),
    }


REFUSED = {
    "form": ("responses", "n", "nineteen", "'nineteen': must be a whole number, 0 or more, in digits only"),
    "missing value": ("responses", "events", "", "a value is required"),
    "source missing": ("responses", "source", "", "a value is required"),
    "support missing": ("risk_of_bias", "support", "", "a value is required"),
    "unknown code": ("studies", "design", "RC", "'RC': must be one of: SA, WP"),
    "unknown code among several": ("studies", "subtype", "NSV;XX", "'NSV;XX': must be one or more of: NSV, SV"),
    "not yes or no": ("studies", "randomised", "perhaps", "'perhaps': must be one of: yes, no"),
    "reason in other words": (
        "responses",
        "why_not",
        "too early",
        "'too early': must be one of: any_alone, interim, sa",
    ),
    "unknown tool": ("risk_of_bias", "tool", "rob1", "'rob1': must be one of: rob2_2019"),
    "identifier": ("records", "doi", "doi.org/10.1/x", "'doi.org/10.1/x': must be a DOI such as"),
    "date": ("records", "published", "2021-02-30", "'2021-02-30': must be a day of the calendar"),
    "percentage": ("published_rates", "estimate", "181", "'181': must be a number from 0 to 100"),
    "list of references": ("published_rates", "refs", "7, 8-3", "'7, 8-3': must be reference numbers and ranges"),
}


@pytest.mark.parametrize(("name", "column", "value", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_value_of_wrong_form_is_named_with_its_place(tables, name, column, value, message):
    frame = tables[name].copy()
    frame.loc[frame.index[3], column] = value
    (fault,) = value_faults(name, frame, tables["dictionary"], tables["codes"])
    assert str(fault).startswith(f"{name}.csv, row 5, column {column}: {message}")


@pytest.mark.parametrize("value", ["NSV", "NSV; SV", ""])
def test_several_codes_and_no_value_are_accepted(tables, value):
    frame = tables["studies"].assign(subtype=value)
    assert list(value_faults("studies", frame, tables["dictionary"], tables["codes"])) == []


# --- The dictionary ---------------------------------------------------------------------------------------


def test_dictionary_describes_every_file_and_itself(tables):
    dictionary = tables["dictionary"]
    assert set(dictionary.table) == {path.stem for path in (ROOT / "data").glob("*.csv")}
    for name, columns in dictionary.groupby("table"):
        header = (ROOT / "data" / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0]
        assert list(columns.column) == header.split(","), name


def test_every_type_of_the_dictionary_is_one_that_is_checked(tables):
    codes = tables["codes"]
    assert set(codes.code[codes["list"] == "type"]) == set(TYPES)


def test_every_number_of_the_dictionary_has_a_range_or_a_reason_why_not(tables):
    dictionary = tables["dictionary"]
    numbers = dictionary[dictionary.type.isin(NUMBERS)]
    assert len(numbers) > 30
    assert numbers.range.str.fullmatch(r"-?[0-9.]+ to -?[0-9.]+|none: \w.{10,}").all()
    assert set(dictionary.range[~dictionary.type.isin(NUMBERS)]) == {""}


def test_every_range_is_checked_at_both_ends(tables):
    dictionary, codes = tables["dictionary"], tables["codes"]
    for row in dictionary[dictionary.range.str.match("[0-9]")].itertuples():
        low, high = limits(row.range)
        beyond = [f"{high + 1:g}", *([f"{low - 1:g}"] if row.type == "number" or low >= 1 else [])]
        frame = tables[row.table].reindex(range(2, 2 + len(beyond)), fill_value="")
        frame[row.column] = beyond
        faults = [str(f) for f in value_faults(row.table, frame, dictionary, codes) if f.column == row.column]
        assert len(faults) >= len(beyond), (row.table, row.column)
        assert all("must be " in fault for fault in faults)
        frame[row.column] = [f"{limit:.10g}" for limit in (low, high)[: len(beyond)]]
        assert [f for f in value_faults(row.table, frame, dictionary, codes) if f.column == row.column] == []


def test_tightening_the_dictionary_tightens_the_check(tables):
    dictionary = tables["dictionary"].copy()
    dictionary.loc[(dictionary.table == "studies") & (dictionary.column == "blinding"), "required"] = "yes"
    faults = list(value_faults("studies", tables["studies"], dictionary, tables["codes"]))
    assert faults
    assert {(fault.column, fault.rule) for fault in faults} == {("blinding", "a value is required")}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("type", "txet", "column type: 'txet': must be one of: key, text,"),
        ("range", "", "column range: must be given for a number, such as"),
        ("range", "9 to 1", "column range: '9 to 1': must be the lowest and the highest value, such as"),
        ("range", "0-9", "column range: '0-9': must be the lowest and the highest value"),
        ("range", "none", "column range: 'none': must be the lowest and the highest value"),
        ("type", "text", "column range: '1 to 9': must be given for a number, such as"),
        ("refers_to", "studes.study", "column refers_to: 'studes.study': there is no such table or column"),
        ("refers_to", "studies.study+prat", "column refers_to: 'studies.study+prat': there is no such table or column"),
    ],
)
def test_a_dictionary_that_cannot_be_used_is_named_with_its_place(tables, column, value, message):
    dictionary = tables["dictionary"].copy()
    assert list(dictionary_faults(dictionary)) == []
    ((row, *_),) = [dictionary.index[(dictionary.table == "studies") & (dictionary.column == "part")]]
    dictionary.loc[row, column] = value
    (fault,) = dictionary_faults(dictionary)
    assert str(fault).startswith(f"dictionary.csv, row {row}, {message}")


# --- Single functions -------------------------------------------------------------------------------------


def test_reference_lists_are_read_as_published():
    assert reference_numbers("7, 8, 22-25") == [7, 8, 22, 23, 24, 25]
    for wrong in ("", "7;8", "8-7", "7-", "seven"):
        with pytest.raises(ValueError, match="reference numbers"):
            reference_numbers(wrong)


def test_a_partial_date_means_its_last_day():
    assert period_end("2020") == period_end("2020-12") == dt.date(2020, 12, 31)
    assert period_end("2020-02") == dt.date(2020, 2, 29)
    assert period_end("2020-02-03") == dt.date(2020, 2, 3)
    for wrong in ("2020-13", "2020-00", "2020-02-30", "20", "2020/02"):
        with pytest.raises(ValueError):
            period_end(wrong)


def test_only_numbers_are_converted():
    frame = pd.DataFrame({"arm": ["1", ""], "n": ["20", ""], "year": ["2020", "2021"]}, index=[2, 5])
    converted = convert(frame, [("arm", "text"), ("n", "count"), ("year", "year")])
    assert list(converted.arm) == ["1", ""]
    assert converted.n.isna().tolist() == [False, True]
    assert list(converted.year) == [2020, 2021]
    assert list(converted.index) == [0, 1]
    assert list(frame.n) == ["20", ""]
