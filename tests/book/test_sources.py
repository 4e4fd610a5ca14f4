"""The sources of the book: notebooks without outputs, short cells, and a table of contents that names every page."""

import re

import nbformat
import pytest

from conftest import ROOT
from lib.engine.build import BuildError, chapters

PAGES = chapters(ROOT)
ABOUT_CODE = {"your-own-analysis"}
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_source_is_valid_has_no_outputs_and_short_cells(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    tags = [set(cell.metadata.get("tags", [])) for cell in code]
    assert "parameters" in tags[0]
    assert "as_of" in code[0].source
    # The reader meets no open code, but where code is the subject, and no cell that should be a function.
    assert path.stem in ABOUT_CODE or all(tag & {"hide-input", "remove-input", "remove-cell"} for tag in tags)
    for cell in code:
        statements = re.sub(r'f?"""(.*?)"""', '""', cell.source, flags=re.DOTALL)
        assert len([line for line in statements.splitlines() if line.strip()]) <= 14, cell.source


def test_every_page_is_in_the_table_of_contents_and_the_other_way_round():
    sources = {f"book/{p.stem}" for p in (ROOT / "book").iterdir() if p.suffix in (".ipynb", ".md")}
    assert sources == set(PAGES)


def test_a_page_that_is_not_there_is_named(tmp_path):
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/missing\n")
    with pytest.raises(BuildError, match="names book/missing, but there is no"):
        chapters(tmp_path)
