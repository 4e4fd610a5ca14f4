"""Which participants add up to the published totals."""

import pytest

from lib.evidence import load, reference_numbers
from lib.published import participants, rates


@pytest.fixture(scope="module")
def results(ev):
    return rates.results(ev)


def test_one_reading_of_the_studies_meets_every_total_of_monotherapy(ev):
    found = participants.sizes(ev, "monotherapy")
    assert found.totals.reproduced.all()
    assert (found.totals.n == found.totals.patients).all()
    assert (found.totals.listed != found.totals.patients).any(), "those who completed would do without any search"
    assert len(found.solutions) == 1
    assert len(found.solutions[0]) == found.departures < found.next_departures


def test_totals_that_no_reading_meets_together_are_named(ev):
    found = participants.sizes(ev, "phototherapy")
    not_reproduced = found.totals[~found.totals.reproduced]
    assert list(not_reproduced.claim) == ["results-phototherapy-total-ge25"]
    assert len(found.solutions) == 2
    assert found.solutions[0] != found.solutions[1]


def test_a_total_is_the_sum_of_the_arms_that_the_solution_gives(ev):
    for regimen in ("monotherapy", "phototherapy"):
        found = participants.sizes(ev, regimen)
        n = found.arms.groupby("study").n.sum()
        for row in found.totals.itertuples():
            assert n[list(row.studies)].sum() == row.n


def set_value(table, where, column, value):
    """A change of one value, for the fixture `edit`: in the rows whose first column is ``where``."""

    def change(rows):
        at = rows[0].index(column)
        for row in rows[1:]:
            if row[0] == where:
                row[at] = value

    return table, change


def test_a_total_that_is_changed_changes_what_adds_up(ev, data, edit):
    edit(*set_value("published_rates", "results-monotherapy-total-ge50", "patients", "618"))
    found = participants.sizes(load(data), "monotherapy")
    same = participants.sizes(ev, "monotherapy")
    assert found.departures > same.departures or not found.totals.reproduced.all()


def test_participants_by_site_add_up_to_the_printed_totals_within_their_ranges(ev):
    for group in ("face_neck", "trunk_extremities", "hands_feet"):
        row = participants.members(ev, "monotherapy", group)
        frame = row.frame
        assert ((frame.least <= frame.n) & (frame.n <= frame.largest)).all()
        assert row.totals.reproduced.any()
        for total in row.totals[row.totals.reproduced].itertuples():
            of = frame.review_ref.isin(reference_numbers(total.refs))
            assert frame.n[of].sum() == total.patients
    not_reproduced = participants.members(ev, "monotherapy", "trunk_extremities").totals
    assert list(not_reproduced.patients[~not_reproduced.reproduced]) == [
        ev.outcome("monotherapy", "ge75", "trunk_extremities").patients
    ]


def test_what_two_totals_leave_for_one_study_is_its_number(ev):
    frame = participants.members(ev, "monotherapy", "hands_feet").frame.set_index("review_ref")
    row, text = (ev.outcome("monotherapy", threshold, "hands_feet") for threshold in ("ge75", "ge25"))
    (left,) = set(row.refs) - set(text.refs)
    assert frame.n[left] == frame.least[left] == frame.largest[left] == row.patients - text.patients
