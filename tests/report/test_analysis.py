"""The forest plot of an analysis of one's own, its chapter, and the style that outputs bring to other notebooks."""

import re
import warnings
import xml.etree.ElementTree as ET

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from conftest import ROOT
from lib import report, stats
from lib.report import figures, tables
from lib.report.counted import count_row
from lib.stats import leave_one_out, pool, pool_proportions, proportion_interval

METHOD = {"transform": "logit", "tau2": "REML", "ci": "hksj"}


@pytest.fixture(scope="module")
def studies(ev):
    return ev.counts(threshold="ge75", regimen="monotherapy")


def test_an_analysis_takes_as_many_lines_as_in_metafor(ev, tmp_path):
    studies = ev.counts(threshold="ge50", randomised=True, drug="tacrolimus 0.1%")
    result = pool_proportions(studies.events, studies.n, transform="logit", tau2="REML", ci="hksj")
    figure = report.forest(studies, result)
    for suffix in ("svg", "png", "pdf"):
        figure.save(tmp_path / f"forest.{suffix}")
    studies.to_csv(tmp_path / "studies.csv")
    read = pd.read_csv(tmp_path / "studies.csv")
    assert list(read.label) == list(studies.index)
    assert (read.events / read.n).to_list() == (studies.events / studies.n).to_list()
    for name, k in ((name, k) for k, name in enumerate(studies.index)):
        low, high = proportion_interval(studies.events.iloc[k], studies.n.iloc[k])
        rate = studies.events.iloc[k] / studies.n.iloc[k]
        assert f"{name}: {100 * rate:.1f} ({100 * low:.1f}–{100 * high:.1f});" in figure.alt
    assert f"Pooled: {100 * result.estimate:.1f} ({100 * result.ci_low:.1f}–{100 * result.ci_high:.1f});" in figure.alt
    assert figure.caption.startswith(f"{len(studies)} studies, pooled: {100 * result.estimate:.1f}% (95% CI ")


def test_a_saved_figure_has_a_white_ground_and_the_same_bytes_twice(studies, tmp_path):
    figure = report.forest(studies, pool_proportions(studies.events, studies.n, **METHOD))
    heads = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    for suffix, head in heads.items():
        first, second = tmp_path / f"first.{suffix}", tmp_path / f"second.{suffix.upper()}"
        figure.save(str(first))
        report.forest(studies, pool_proportions(studies.events, studies.n, **METHOD)).save(second)
        assert first.read_bytes().startswith(head)
        assert first.read_bytes() == second.read_bytes()
    text = (tmp_path / "first.svg").read_text(encoding="utf-8")
    assert ET.fromstring(text) is not None
    assert 'fill="#ffffff"' in text and studies.index[0] in text
    figure.save(tmp_path / "studies.csv")
    saved = pd.read_csv(tmp_path / "studies.csv").set_index("label")
    assert saved.loc[studies.index[0]].events == studies.events.iloc[0]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("forest.jpg", ValueError, r"'forest.jpg' ends in none of the formats of a figure: .svg, .png, .pdf or .csv"),
        ("forest", ValueError, "'forest' ends in none of the formats"),
        ("gone/forest.svg", FileNotFoundError, "there is no folder '.*gone': make it first"),
    ],
)
def test_a_file_that_cannot_be_is_refused(studies, tmp_path, name, error, message):
    figure = report.forest(studies, pool_proportions(studies.events, studies.n))
    with pytest.raises(error, match=message):
        figure.save(tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_a_study_without_a_weight_and_the_level_of_the_intervals_are_stated():
    studies = pd.DataFrame({"events": [0, 8, 12], "n": [20, 18, 30]}, index=["Made up A", "Made up B", "Made up C"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = pool_proportions(studies.events, studies.n, level=0.9)
    assert result.dropped.tolist() == [True, False, False]
    figure = report.forest(studies, result)
    assert "90% CI" in figure.caption and "without a weight on this scale: Made up A." in figure.caption
    assert "% (90% CI)" in figure.html() and "95%" not in figure.html()
    low, high = proportion_interval(0, 20, level=0.9)
    assert f"Made up A: 0.0 ({100 * low:.1f}–{100 * high:.1f});" in figure.alt
    assert "20/48" in figure.html()


def test_names_come_from_the_index_or_a_column_or_are_numbers():
    numbers = {"events": [3, 8], "n": [20, 18]}
    result = pool_proportions(**numbers)
    for frame, name in (
        (pd.DataFrame(numbers, index=["Made up A", "Made up B"]), "Made up A"),
        (pd.DataFrame({**numbers, "label": ["Made up C", "Made up D"]}), "Made up C"),
        (pd.DataFrame({**numbers, "study": ["made_up_e", "made_up_f"]}), "made_up_e"),
        (pd.DataFrame(numbers), "Study 1"),
    ):
        assert f"{name}: 15.0 (" in report.forest(frame, result).alt


def test_a_result_of_other_studies_is_refused(studies):
    result = pool_proportions(studies.events, studies.n, **METHOD)
    with pytest.raises(ValueError, match=f"the result is of {len(studies)} studies and there are 2"):
        report.forest(studies[:2], result)
    with pytest.raises(ValueError, match=f"the result holds {len(studies)} analyses"):
        report.forest(studies, pool_proportions(*leave_one_out(studies.events, studies.n), **METHOD))
    with pytest.raises(ValueError, match="the columns events and n: there is no n"):
        report.forest(studies.drop(columns="n"), result)
    y, v = stats.proportions(studies.events, studies.n, transform="logit")
    with pytest.raises(ValueError, match="is not a proportion: pool with pool_proportions"):
        report.forest(studies, pool(y, v))


def test_very_many_studies_are_a_table_that_can_be_saved(tmp_path):
    many = pd.DataFrame({"events": np.arange(figures.MANY) % 20 + 1, "n": 40})
    listing = report.forest(many, pool_proportions(many.events, many.n))
    assert "<table" in listing._repr_html_() and "Study 7" in listing._repr_html_()
    assert listing.rows[0].label == "Pooled"
    listing.save(tmp_path / "forest.svg")
    text = (tmp_path / "forest.svg").read_text(encoding="utf-8")
    assert all(f"Study {i + 1}<" in text for i in range(figures.MANY))
    height = float(re.search(r'height="([\d.]+)"', text)[1])
    assert height > 12 * figures.MANY


def test_the_room_lists_what_analysts_use():
    assert {"forest", "figures", "tables", "wording", "registry"} <= {*dir(report)}
    assert report.forest.__doc__.startswith("Plot the proportions")
    with pytest.raises(AttributeError):
        _ = report.forrest


def test_the_chapter_shows_the_twin_of_each_step():
    cells = nbformat.read(ROOT / "book" / "your-own-analysis.ipynb", as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code" and not cell.metadata.get("tags")]
    assert len(code) > 8
    twins = re.findall(r"```r\n(.*?)```", "".join(c.source + "\n" for c in cells if c.cell_type == "markdown"), re.S)
    pairs = (
        ("tau2", "method ="),
        ("forest", "forest(res"),
        ("glmm", "rma.glmm("),
        ("leave_one_out", "leave1out("),
        ("regress", "mods = ~"),
        ("by_group", "subset ="),
        ("to_csv", "write.csv("),
    )
    for ours, theirs in pairs:
        assert any(ours in text for text in code), ours
        assert any(theirs in text for text in twins), theirs


def specificity(selector):
    """Number of classes and pseudo-classes, and of elements, of a simple selector."""
    classes = len(re.findall(r"\.[\w-]+|:nth-child", selector))
    return classes, len(re.findall(r"(?:^|[\s>])([a-z]+)", selector))


def test_style_travels_with_the_output_and_gives_way_to_the_book():
    table = tables.Table(pd.DataFrame({"a": ["x"], "b": ["1"]}), "Caption", numeric=["b"])._repr_html_()
    rows = [count_row(f"{i}", 3, 19) for i in range(figures.MANY + 1)]
    listing = figures.show(figures.interval_plot, rows)._repr_html_()
    for page in (table, listing):
        style = BeautifulSoup(page, "html.parser").style.get_text()
        rules = re.findall(r"([^{}]+)\{([^{}]*)\}", style)
        selectors = [selector for group, _ in rules for selector in group.split(",")]
        # Nothing else on a page changes, and the rules of the book, at least (0, 2, 2), prevail.
        assert all(re.match(r"(table)?\.review", selector) for selector in selectors)
    style = BeautifulSoup(table, "html.parser").style.get_text()
    assert "table.review.review th,table.review.review td{text-align:left" in style
    assert "table.review.review .numeric{text-align:right" in style
    own, books = specificity("table.review.review td"), specificity("div.cell_output table.review td")
    assert own < books
    jupyterlab = specificity(".jp-RenderedMarkdown.jp-RenderedHTMLCommon td")
    assert own > jupyterlab


def test_figures_take_the_colour_of_the_text_of_any_notebook():
    row = figures.Row("Pooled", "pooled", 0.5, 0.25, 0.75, "3/6", colour=figures.INK)
    picture = figures.show(figures.interval_plot, [row])
    listing = figures.show(figures.interval_plot, [row] * (figures.MANY + 1))
    for page in (picture._repr_html_(), listing._repr_html_()):
        # Ink on a ground of its own would be unreadable in a dark theme, or would glare in it.
        assert "currentColor" in page and figures.INK not in page and "#fff" not in page
    assert figures.INK in picture.wide.svg_file()
