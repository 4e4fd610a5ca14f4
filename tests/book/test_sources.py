"""The sources of the book: notebooks without outputs, short cells, and a table of contents that names every page."""

import asyncio
import re
import shutil

import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from traitlets.config import PyFileConfigLoader

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
    mend = f".venv/bin/python -m jupyter nbconvert --clear-output --inplace book/{path.name}"
    assert not any(cell.outputs or cell.execution_count for cell in code), (
        f"book/{path.name} has outputs; a chapter is kept without them. Remove them with: {mend}"
    )
    tags = [set(cell.metadata.get("tags", [])) for cell in code]
    assert "parameters" in tags[0]
    # From its folder, where JupyterLab executes it, a chapter finds the data.
    assert code[0].source == 'data = "../data"\nas_of = ""'
    # The reader meets no open code, but where code is the subject, and no cell that should be a function.
    assert path.stem in ABOUT_CODE or all(tag & {"hide-input", "remove-input", "remove-cell"} for tag in tags)
    for cell in code:
        statements = re.sub(r'f?"""(.*?)"""', '""', cell.source, flags=re.DOTALL)
        assert len([line for line in statements.splitlines() if line.strip()]) <= 14, cell.source


def test_jupyterlab_saves_a_chapter_without_outputs_and_other_notebooks_with_them(tmp_path):
    for folder in (".jupyter", "book"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    shutil.copy(tmp_path / "book/monotherapy.ipynb", tmp_path / "book/my-own.ipynb")
    # As `make lab` starts the server: with the project's configuration, in the folder of the book.
    config = PyFileConfigLoader("jupyter_server_config.py", str(tmp_path / ".jupyter")).load_config()
    manager = AsyncLargeFileManager(config=config, root_dir=str(tmp_path / "book"))

    async def execute_and_save(name: str) -> None:
        model = await manager.get(name)
        for cell in model["content"]["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"] = [nbformat.v4.new_output("stream", text="an output")]
                cell["execution_count"] = 1
        await manager.save(model, name)

    for name in ("monotherapy.ipynb", "my-own.ipynb"):
        asyncio.run(execute_and_save(name))
    assert (tmp_path / "book/monotherapy.ipynb").read_bytes() == (ROOT / "book/monotherapy.ipynb").read_bytes()
    assert "an output" in (tmp_path / "book/my-own.ipynb").read_text(encoding="utf-8")


def test_every_page_is_in_the_table_of_contents_and_the_other_way_round():
    sources = {f"book/{p.stem}" for p in (ROOT / "book").iterdir() if p.suffix in (".ipynb", ".md")}
    assert sources == set(PAGES)


def test_a_page_that_is_not_there_is_named(tmp_path):
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/missing\n")
    with pytest.raises(BuildError, match="names book/missing, but there is no"):
        chapters(tmp_path)
