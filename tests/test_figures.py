"""Figures and tables: the same bytes twice, nothing of the data taken for markup, nothing claimed as data."""

import base64
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from conftest import ROOT
from lib import comparisons, figures, published, tables
from lib.evidence import load
from lib.figures import percent
from lib.pooling import pool_proportions


@pytest.fixture(scope="module")
def ev():
    return load(ROOT / "data")


def drawings(ev):
    cell = ev.cell("monotherapy", "ge75")
    public, new = tables.pool_counts(cell.public), tables.pool_counts(cell.new)
    studies = cell.public.assign(log_odds=np.log(cell.public.events / (cell.public.n - cell.public.events)))
    studies = studies.assign(se=np.sqrt(1 / studies.events + 1 / (studies.n - studies.events)))
    compared = comparisons.compare(comparisons.question(ev, "added_to_phototherapy").at("ge75"))
    return {
        "forest": (figures.forest, cell, public, new),
        "rates": (figures.rates, [("one", cell, public, None)]),
        "intervals": (figures.intervals, [figures.count_row("one", 3, 19)]),
        "flow": (figures.flow, tables.flow_steps(ev)),
        "bars": (figures.bars, tables.characteristics(ev, "original")),
        "funnel": (figures.funnel, {"Original": studies, "Update": studies[:0]}),
        "standard funnel": (figures.funnel, {"Original": studies, "Update": studies[:0]}, -1.2),
        "comparison": (figures.comparison, compared.rows, compared.ratio),
        "Baujat's plot": (figures.baujat, {"Original": pulling(studies), "Update": pulling(studies[:0])}),
    }


def pulling(studies):
    """Give studies places in Baujat's plot, the later the nearer to its origin."""
    return studies.assign(heterogeneity=0.2 ** np.arange(len(studies)), pull=0.1 ** np.arange(len(studies)))


NAMES = ["forest", "rates", "intervals", "flow", "bars", "funnel", "standard funnel", "comparison", "Baujat's plot"]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_the_same_bytes_twice_and_has_a_text_alternative(ev, name):
    draw, *arguments = drawings(ev)[name]
    one, other = (figures.show(draw, *arguments, caption="A & B")._repr_html_() for _ in range(2))
    assert one == other
    alt = re.search(r'alt="([^"]*)"', one)[1]
    assert len(alt) > 15
    assert not re.search(r"\bnan\b", alt.lower())
    assert "<figcaption>A &amp; B</figcaption>" in one


@pytest.mark.parametrize("name", NAMES)
def test_the_narrow_form_fits_a_phone_at_its_natural_size(ev, name):
    draw, *arguments = drawings(ev)[name]
    assert draw(*arguments, wide=False).get_figwidth() * 96 <= 328
    assert draw(*arguments, wide=True).get_figwidth() * 96 <= 720
    # The picture's units are points: at natural size no text is below 10 CSS pixels.
    sizes = re.findall(r"font(?:-size)?: (?:[a-z]+ )*([\d.]+)px", figures.show(draw, *arguments).narrow)
    assert min(map(float, sizes)) * 4 / 3 >= 10


def test_texts_of_a_narrow_forest_do_not_run_into_each_other(ev):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for cell in ev.cells():
        public, new = tables.pool_counts(cell.public), tables.pool_counts(cell.new)
        for wide in (True, False):
            with figures.mpl.rc_context(figures.STYLE):
                figure = figures.forest(cell, public, new, wide=wide)
                canvas = FigureCanvasAgg(figure)
                canvas.draw()
                boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text()]
            for i, box in enumerate(boxes):
                assert box.x0 >= -1, cell
                assert box.x1 <= figure.bbox.x1 + 1, cell
                assert not any(box.overlaps(other) for other in boxes[i + 1 :]), cell


def test_texts_of_a_comparison_do_not_run_into_each_other(ev):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for key in ev.questions.question:
        found = comparisons.question(ev, key)
        for wide in (True, False):
            with figures.mpl.rc_context(figures.STYLE):
                figure = figures.comparison(found.pairs, wide=wide)
                FigureCanvasAgg(figure).draw()
                boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text()]
            for i, box in enumerate(boxes):
                assert -1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, key
                assert not any(box.overlaps(other) for other in boxes[i + 1 :]), (key, wide)


def test_the_standard_funnel_has_the_most_precise_studies_at_its_top(ev):
    draw, *arguments = drawings(ev)["standard funnel"]
    figure = draw(*arguments, wide=True)
    deepest, top = figure.axes[0].get_ylim()
    assert top == 0 < deepest
    assert figure.axes[0].get_ylabel() == "Standard error"


@pytest.mark.parametrize("name", ["funnel", "standard funnel"])
@pytest.mark.parametrize("wide", [True, False])
def test_names_beside_points_do_not_run_into_each_other(ev, name, wide):
    rng = np.random.default_rng(1)
    draw, groups, *centre = drawings(ev)[name]
    crowd = pd.concat([groups["Original"]] * 6, ignore_index=True)
    crowd = crowd.assign(log_odds=rng.normal(-1, 0.5, len(crowd)), n=rng.uniform(10, 40, len(crowd)))
    with figures.mpl.rc_context(figures.STYLE):
        figure = draw({"Original": crowd.assign(se=1 / crowd.n**0.5), "Update": crowd[:0]}, *centre, wide=wide)
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert 3 < len(boxes)
    for i, box in enumerate(boxes):
        assert 0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize("wide", [True, False])
def test_baujats_plot_names_the_studies_that_stand_out_and_tells_them_all(ev, wide):
    draw, groups = drawings(ev)["Baujat's plot"]
    figure = draw(groups, wide=wide)
    studies = groups["Original"]
    assert [text.get_text() for text in figure.axes[0].texts] == [studies.label.iloc[0]]
    for study in studies.itertuples():
        assert f"{study.label}: {study.heterogeneity:.2f}, {study.pull:.2f}" in figure.get_label()


def test_a_forest_names_every_study_and_gives_no_mark_to_one_without_counts(ev):
    cell = ev.cell("monotherapy", "ge75")
    figure = figures.forest(cell, tables.pool_counts(cell.public), tables.pool_counts(cell.new), wide=True)
    texts = [text.get_text() for text in figure.axes[0].texts]
    for label in {*cell.public.label, *cell.missing.label, *cell.new.label}:
        assert any(text.startswith(label) for text in texts), label
    assert texts.count("not public") == len(cell.missing)
    squares = [line for line in figure.axes[0].lines if line.get_marker() == "s"]
    assert len(squares) == len(cell.public) + len(cell.new)
    # The printed result is an open diamond, pooled counts are filled ones.
    assert [patch.get_facecolor()[3] > 0 for patch in figure.axes[0].patches] == [False, True, True]


def test_markup_in_the_data_stays_text(ev):
    evil = '<script>"$x_1$&*b*'
    cell = ev.cell("monotherapy", "ge75")
    cell.public.loc[0, "label"] = evil
    picture = figures.show(figures.forest, cell, tables.pool_counts(cell.public), None, caption=evil)
    text = picture._repr_html_()
    assert "<script" not in text
    for svg in re.findall(r"base64,([^\"]+)\"", text):
        drawn = base64.b64decode(svg).decode()
        assert "<script" not in drawn
        assert "$x_1$" in drawn
    frame = pd.DataFrame({evil: [evil]}, index=pd.Index([evil], name="group"))
    for folded in (True, False):
        assert "<script" not in tables.Table(frame, evil, evil, folded=folded)._repr_html_()
    assert re.sub(r"&#\d+;|[\w\s]", "", tables.plain(evil)) == ""


def test_only_sources_become_links():
    shown = {
        "doi:10.1001/x": '<a href="https://doi.org/10.1001/x">DOI</a>',
        "pmid:123": '<a href="https://pubmed.ncbi.nlm.nih.gov/123">PubMed</a>',
        "https://a.org/b?c=1&d=2": '<a href="https://a.org/b?c=1&amp;d=2">a.org</a>',
        "javascript:alert(1)": "javascript:alert(1)",
        'https://a.org/"onclick="x': '<a href="https://a.org/%22onclick=%22x">a.org</a>',
        "": tables.NOTHING,
    }
    for value, cell in shown.items():
        assert f">{cell}</td>" in tables.Table(pd.DataFrame({"a": [value]}), "c")._repr_html_()


def test_group_rows_head_their_rows():
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=pd.Index(["x", "x", "y"], name="group"))
    text = tables.Table(frame, "c")._repr_html_()
    assert re.findall(r'scope="colgroup"><div>(\w)<|>(\d)</td>', text) == [
        ("x", ""),
        ("", "1"),
        ("", "2"),
        ("y", ""),
        ("", "3"),
    ]


def test_numbers_are_written_as_prose_writes_them():
    assert [percent(0.385), percent(0.0171, 1), percent(-0.2), percent(1.3, 1)] == ["39%", "1.7%", "0%", "100.0%"]
    assert tables.count(1, "study", "studies") == "1 study"
    assert tables.count(0, "record") == "0 records"
    assert [tables.p_value(p) for p in (0.0004, 0.0312, 0.4567)] == ["<0.001", "0.031", "0.46"]
    result = pool_proportions([11, 3], [22, 19])
    assert re.fullmatch(r"\d+\.\d% \(95% CI \d+\.\d% to \d+\.\d%\)", tables.rate(result))


def test_what_cannot_be_pooled_is_not_pooled():
    none = pd.DataFrame({"events": [0, 20], "n": [14, 20]})
    assert tables.pool_counts(none) is None
    assert tables.pool_counts(none[:0]) is None
    assert tables.pool_counts(none, transform="logit").k == 2
    one = pd.DataFrame({"events": [27], "n": [30]})
    assert tables.pool_counts(one) is None
    assert tables._summary(one) == "90.0 (74.4–96.5)"
    assert "not pooled" in tables._summary(none)


def test_a_printed_estimate_beside_the_middle_of_its_interval_is_marked(ev):
    found = published.results(ev)
    marked = {key for key, result in found.items() if result.summary.reading.kind == "off centre"}
    # Two are misprints by this rule; that of hands and feet begins at 0, where it was cut.
    assert marked == {("monotherapy", "ge25", "face_neck"), ("phototherapy", "ge50", "face_neck")}
    frame = tables.table3(found).frame
    assert frame[("Printed", "% (95% CI)")].str.endswith("‡").sum() == len(marked)


def test_a_possible_range_is_dotted_and_has_no_mark(ev):
    cell = ev.cell("monotherapy", "ge75")
    alone = cell.missing[cell.missing.study != "lotti2008"]
    ranges = alone[["study"]].assign(arms=[(name,) for name in alone.arm], low=0.05, high=0.4)
    with_, without = (figures.forest(cell, None, None, ranges=r, wide=True) for r in (ranges, None))
    lines, fewer = (f.axes[0].get_lines() for f in (with_, without))
    dotted = [line for line in lines if line.get_linestyle() not in ("-", "None")]
    assert len(dotted) == len(alone) == len(lines) - len(fewer)
    assert {line.get_color() for line in dotted} == {figures.POSSIBLE}
    assert figures.POSSIBLE not in {line.get_color() for line in fewer}
    assert all(line.get_marker() == "None" for line in dotted)
    assert "Lepe 2003: not public, consistent with 5–40;" in with_.get_label()
    # It is no estimate: no row has one for it.
    assert "Lepe 2003: 5" not in with_.get_label()


def test_a_range_of_two_arms_together_is_drawn_once_and_said_to_be(ev):
    cell = ev.cell("phototherapy", "ge75")
    names = tuple(cell.missing.arm[cell.missing.study == "lotti2008"])
    assert len(names) == 2
    ranges = pd.DataFrame({"study": ["lotti2008"], "arms": [names], "low": [0.2], "high": [0.5]})
    figure = figures.forest(cell, None, None, ranges=ranges, wide=True)
    assert [t.get_text() for t in figure.axes[0].texts].count("arms together; 20–50") == 1
    assert figure.get_label().count("consistent with 20–50") == 1


def test_the_updated_rate_is_drawn_where_there_are_new_arms_only(ev):
    found = published.results(ev)
    fresh, still = found["monotherapy", "ge75", "total"], found["phototherapy", "ge25", "total"]
    for draw in (
        lambda result: figures.forest(result.cell, None, None, updated=result, wide=True),
        lambda result: figures.updates([("x", result)], wide=True),
    ):
        assert "Updated" in draw(fresh).get_label()
        assert "Updated" not in draw(still).get_label()
    low, high = (figures.percent(v, 1, "") for v in (fresh.updated.ci_low, fresh.updated.ci_high))
    assert f"({low}–{high})" in figures.updates([("x", fresh)], wide=True).get_label()


def test_a_detail_is_set_below_its_row():
    frame = pd.DataFrame({"a": [1, 2], "why": ["x<y", ""]}, index=pd.Index(["g", "h"], name="group"))
    text = tables.Table(frame, "c", detail="why")._repr_html_()
    rows = [row.get_text(strip=True) for row in BeautifulSoup(text, "html.parser").select("tbody tr")]
    assert rows == ["g", "1", "x<y", "h", "2", tables.NOTHING]


def test_an_empty_table_is_a_table():
    text = tables.Table(pd.DataFrame({"a": [], "why": []}), "c", detail="why")._repr_html_()
    assert len(BeautifulSoup(text, "html.parser").select("table.review thead th")) == 1


def test_characteristics_count_each_study(ev):
    shown = tables.characteristics(ev, "original")
    studies = ev.included("original").study.nunique()
    assert shown["Year"].sum() == shown["Country"].sum() == studies
    assert list(shown["Year"].index) == sorted(shown["Year"].index)


def test_a_forest_of_very_many_studies_begins_with_its_results_and_scrolls(ev):
    cell = ev.cell("monotherapy", "ge75")
    many = pd.concat([cell.new[:1].assign(study=f"s{i}", label=f"Study {i}") for i in range(2000)], ignore_index=True)
    large = replace(cell, new=many)
    new = pool_proportions(many.events, many.n)
    picture = figures.show(figures.forest, large, None, new)
    page = picture._repr_html_()
    assert 'class="review-scroll"' in page and "<source" not in page
    # Text alternative: results alone; drawing: every study.
    assert len(picture.alt) < 1000 and "New counts" in picture.alt and "Study 7:" not in picture.alt
    assert all(f">Study {i}" in picture.wide for i in (0, 999, 1999))
    assert picture.wide.index("New counts") < picture.wide.index("Study 0")
    assert len(picture.wide) / len(many) < 2500
