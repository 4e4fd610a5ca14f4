"""The PNG of a figure and their cache: painted once for the same drawing and code, and again for others."""

import io

import pytest
from PIL import Image

from lib.report.counted import count_row
from lib.report.figures import interval_plot, saving

PAINTED = []


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "CACHE_FOLDER", tmp_path)
    paint = saving._painted

    def painted(drawing, kind, dots):
        PAINTED.append(drawing)
        return paint(drawing, kind, dots)

    monkeypatch.setattr(saving, "_painted", painted)
    PAINTED.clear()
    return tmp_path / "pictures"


def plot(events=3):
    return interval_plot([count_row("one", events, 19)], wide=True)


def test_a_png_is_painted_again_only_for_another_drawing_or_code(monkeypatch):
    first = saving.png(plot())
    assert saving.png(plot()) == first and len(PAINTED) == 1
    assert saving.png(plot(4)) != first and len(PAINTED) == 2
    monkeypatch.setattr(saving, "_code", lambda: "other code")
    assert saving.png(plot()) == first and len(PAINTED) == 3


def test_a_damaged_png_is_painted_again(store):
    first = saving.png(plot())
    (path,) = store.iterdir()
    for damaged in (b"", first[:-20], b"no picture"):
        path.write_bytes(damaged)
        assert saving.png(plot()) == first
    assert len(PAINTED) == 4


def test_without_a_cache_that_can_be_written_a_png_is_painted(tmp_path, monkeypatch):
    (tmp_path / "pictures").write_text("a file where the folder should be", encoding="utf-8")
    assert saving.png(plot()) == saving.png(plot())
    assert len(PAINTED) == 2


def test_the_oldest_png_are_removed(store, monkeypatch):
    monkeypatch.setattr(saving, "_MOST_STORED", 2)
    for events in range(4):
        saving.png(plot(events))
    assert len([*store.iterdir()]) == 2


def test_a_png_shows_the_drawing_in_its_colours_on_white(store):
    drawing = plot()
    with Image.open(io.BytesIO(saving.png(drawing))) as image:
        shown = image.convert("RGB")
    assert shown.width / shown.height == pytest.approx((drawing.width + 24) / (drawing.height + 24), rel=0.01)
    assert shown.width >= 1800
    colours = {colour for _, colour in shown.getcolors(shown.width * shown.height)}
    assert shown.getpixel((0, 0)) == (255, 255, 255)
    assert any(abs(r - 0x00) + abs(g - 0x72) + abs(b - 0xB2) < 12 for r, g, b in colours)
