"""The cache of pictures: drawn once for the same arguments and code, and again for others."""

import pytest

from lib.report.counted import count_row
from lib.report.figures import picture
from lib.report.figures.intervals import interval_plot

DRAWN = []


def plot(rows, *, wide, label=""):
    DRAWN.append(wide)
    return interval_plot(rows, wide=wide, alt=label)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "STORE", tmp_path)
    DRAWN.clear()
    return tmp_path / "pictures"


def test_a_picture_is_drawn_again_only_for_other_arguments_or_code(monkeypatch):
    first = picture.show(plot, [count_row("one", 3, 19)], caption="A")
    again = picture.show(plot, [count_row("one", 3, 19)], caption="B")
    assert DRAWN == [True, False]
    assert (again.wide, again.narrow, again.alt, again.caption) == (first.wide, first.narrow, first.alt, "B")
    assert picture.show(plot, [count_row("one", 4, 19)]).wide != first.wide
    assert picture.show(plot, [count_row("one", 3, 19)], label="other").alt != first.alt
    assert len(DRAWN) == 6
    monkeypatch.setattr(picture, "_library_hash", lambda: "other code")
    assert picture.show(plot, [count_row("one", 3, 19)]).wide == first.wide
    assert len(DRAWN) == 8


def test_a_damaged_picture_and_arguments_that_cannot_be_stored_are_drawn(store):
    first = picture.show(plot, [count_row("one", 3, 19)])
    (path,) = store.iterdir()
    for damaged in ("", "[]", "{}"):
        path.write_text(damaged)
        assert picture.show(plot, [count_row("one", 3, 19)]) == first
    drawn = len(DRAWN)
    assert picture.show(lambda rows, wide: plot(rows, wide=wide), [count_row("one", 3, 19)]) == first
    assert len(DRAWN) == drawn + 2 and len([*store.iterdir()]) == 1


def test_the_oldest_pictures_are_removed(store, monkeypatch):
    monkeypatch.setattr(picture, "_MOST", 2)
    for events in range(4):
        picture.show(plot, [count_row("one", events, 19)])
    assert len([*store.iterdir()]) == 2
