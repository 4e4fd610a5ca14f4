"""The extension that writes the files of figures: their names, and the links in the page."""

import json

from conftest import import_extension

HOSTILE = '"><script>alert(1)</script>'


figure_files = import_extension("figure_files")


def test_names_tell_what_a_figure_shows_and_no_two_are_the_same():
    named = {"a": "monotherapy-ge75", "b": "Monotherapy ge75", "c": "", "d": "../" + HOSTILE}
    names = figure_files.file_names({mark: {"name": name} for mark, name in named.items()}, "safety", "2026-11-25")
    assert names == {
        "a": "vitiligo-tci-monotherapy-ge75-2026-11-25",
        "b": "vitiligo-tci-monotherapy-ge75-2-2026-11-25",
        "c": "vitiligo-tci-safety-2026-11-25",
        "d": "vitiligo-tci-script-alert-1-script-2026-11-25",
    }
    several = figure_files.file_names({"a": {"name": ""}, "b": {"name": ""}}, "safety", "2026-11-25")
    assert [*several.values()] == ["vitiligo-tci-safety-1-2026-11-25", "vitiligo-tci-safety-2-2026-11-25"]


def test_files_are_linked_below_their_own_figure_alone():
    figure = '<figure class="review-figure full-width" data-figure="{}"><a data-href="x.html">X</a>{}</figure>'
    body = figure.format("aa", "<figcaption>A</figcaption>") + "<p>Text</p>" + figure.format("bb", "")
    page = figure_files.with_links(body, {"bb": {"csv": "figures/b.csv"}})
    first, second = page.split("<p>Text</p>")
    # The names of studies become links in every figure.
    assert first == figure.format("aa", "<figcaption>A</figcaption>").replace("data-href", "href")
    assert second.endswith(
        '<figcaption><p class="review-downloads">Download: <a href="figures/b.csv" download>data (CSV)</a></p>'
        "</figcaption></figure>"
    )


def test_the_library_and_the_extension_agree_on_where_the_files_are():
    from lib.report.figures.saving import FILES

    assert figure_files.KEY == FILES
    files = [{"mark": "aa", "name": "n"}, {"mark": "bb", "name": "m"}]
    output = {"output_type": "display_data", "data": {}, "metadata": {FILES: files}}
    notebook = {"cells": [{"cell_type": "markdown"}, {"cell_type": "code", "outputs": [output, {"name": "stdout"}]}]}
    assert figure_files.figures_of(notebook) == {"aa": files[0], "bb": files[1]}


def test_a_notebook_is_offered_without_the_files_of_its_figures():
    output = {"metadata": {figure_files.KEY: [{"mark": "aa"}], "other": "é"}}
    notebook = {"cells": [{"outputs": [output]}, {"cell_type": "markdown"}]}
    without = figure_files.without_files(json.dumps(notebook))
    assert json.loads(without)["cells"][0]["outputs"][0]["metadata"] == {"other": "é"}
    assert "é" in without
    assert figure_files.without_files("{}") == "{}"
