"""No bad input passes in silence: each is named in a message, in few lines, and with the right exit status."""

import pytest

from bad_inputs import BAD_INPUTS, KEY, Bad, add_trial
from changes import Tables, tables_of
from conftest import ROOT
from lib.evidence.repeated_checks import TablesRead
from lib.evidence.rules import RULES, WARNINGS
from lib.evidence.rules.base import Rule
from lib.evidence.value_checks import value_faults

MOST_LINES = 25
"""Lines that the check of one bad input may print."""
END_TO_END = (
    "DOI of another study in a record",
    "roles of the arms swapped",
    "n above the number who completed",
    "nine levels of certainty",
    "entered before it was published",
)


@pytest.fixture(scope="module")
def tables() -> Tables:
    """The tables of the data folder, and those of a synthetic trial."""
    tables = tables_of(ROOT / "data")
    add_trial(tables)
    return tables


def test_the_values_of_the_synthetic_trial_have_no_fault(tables):
    meta = tables["dictionary"], tables["codes"]
    for name in tables.keys() - {"references", "screening"}:
        assert list(value_faults(name, tables[name], *meta)) == []


@pytest.fixture(scope="module")
def tables_by_rule(tables) -> dict[Rule, set[str]]:
    """The names of the tables that each rule reads."""
    read = {}
    for rule in (*RULES, *WARNINGS):
        tables_read = TablesRead(tables)
        assert list(rule(tables_read)) == [], "the synthetic trial has a fault"
        read[rule] = tables_read.names
    return read


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=[bad.name for bad in BAD_INPUTS])
def test_a_bad_input_is_named_in_a_message(tables, tables_by_rule, bad: Bad):
    spoilt = dict(tables)
    message = bad.message.replace("{row}", str(bad.change(spoilt)[0]))
    changed = {name for name in spoilt if spoilt[name] is not tables[name]}
    meta = tables["dictionary"], tables["codes"]
    faults = [f for name in changed - {"references", "screening"} for f in value_faults(name, spoilt[name], *meta)]
    warnings = []
    for rule, read in tables_by_rule.items():
        if read & changed:
            found = list(rule(spoilt))
            (warnings if rule in WARNINGS else faults).extend(found)
            assert rule is not bad.rule or any(message in str(fault) for fault in found), found
    found = list(map(str, faults if bad.status else warnings))
    assert any(message in fault for fault in found), found
    assert bool(faults) == bool(bad.status)
    assert len(faults) + len(warnings) < MOST_LINES


def write(tables: Tables, before: Tables, folder) -> None:
    """Write the tables that differ from those of the data folder, as a maintainer saves them."""
    for name, frame in tables.items():
        if frame is not before.get(name) and name not in ("references", "screening"):
            frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    reference = tables["references"].set_index("key").loc[KEY]
    fields = ", ".join(f"{field} = {{{value}}}" for field, value in reference.items() if value)
    with (folder / "references.bib").open("a", encoding="utf-8") as file:
        file.write(f"\n@misc{{{KEY}, {fields}}}\n")


@pytest.mark.parametrize("name", END_TO_END)
def test_the_check_names_a_bad_input_and_exits_with_its_status(data, run_here, name):
    (bad,) = (bad for bad in BAD_INPUTS if bad.name == name)
    tables = tables_of(data)
    before = dict(tables)
    add_trial(tables)
    message = bad.message.replace("{row}", str(bad.change(tables)[0]))
    write(tables, before, data)
    done = run_here(data.parent, "check")
    assert done.returncode == bad.status
    assert message in done.stderr
    assert len((done.stdout + done.stderr).splitlines()) < MOST_LINES
    assert ("1 warning." in done.stdout) == (bad.status == 0)
