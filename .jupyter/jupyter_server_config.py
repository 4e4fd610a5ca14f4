"""Settings of JupyterLab as ``make lab`` starts it: chapters are saved without outputs.

A hook on saving was chosen rather than a clean filter of git. The file on disk is then the one that git, the tests and
``make watch`` see, in every clone and without a setting of git, and executing a chapter does not build the book again.
The price: outputs are on the page until it is reloaded, and then the chapter must be executed again.
"""

from pathlib import Path

from lib.engine.snapshot import chapters

ROOT = Path(__file__).resolve().parent.parent


def remove_outputs(model, path, contents_manager, **_):
    """Remove the outputs of a chapter before it is saved; notebooks that ``_toc.yml`` does not name keep theirs."""
    file = Path(contents_manager.root_dir, path.strip("/")).resolve()
    if model["type"] != "notebook" or file.with_suffix("") not in [ROOT / page for page in chapters(ROOT)]:
        return
    for cell in model["content"]["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
            cell["metadata"].pop("execution", None)


c.ContentsManager.pre_save_hook = remove_outputs  # noqa: F821 - Jupyter defines it
