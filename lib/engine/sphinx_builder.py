"""The pages of the site as Sphinx writes them: those alone that would not be written as they are.

Knows what decides a page: its own source with the files that it names, the settings, and what pages show of one
another (titles, contents, labels, references, the bibliography), which Sphinx keeps in its environment. Where the
settings or anything of the latter is other than before, every page is written. Knows nothing of the review.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment

from lib.caching.safe_files import hash_files

# What Sphinx's environment holds besides what pages show of one another: its own workings, what the settings decide,
# what is of one page and in its hash, and a copy of the first page, of which others show the contents alone.
_APART = set(
    "app config config_status config_status_extra domains events project settings version doctreedir srcdir "
    "myst_config mystnb_config sd_config ref_context temp_data all_docs dependencies master_doctree".split()
)


class ChangedPages(StandaloneHTMLBuilder):
    """Sphinx's builder of HTML for a site that is there already.

    Attributes
    ----------
    present : dict
        What decided the pages that are there, as ``made_of`` was when they were written; empty: there are none.
    made_of : dict
        What decides the pages now: a hash for each, and one for what they share.
    others_stay : bool
        Whether the pages that were not written are to be as they are.
    """

    present: dict = {}
    made_of: dict = {}
    others_stay = False

    def write(self, build_docnames, updated_docnames, method="update") -> None:
        """Write the pages that are to be other than they are; Sphinx has found out all that it needs for it."""
        found = sorted(self.env.found_docs)
        self.made_of = {"shared": _hash_shared(self.env), "pages": {page: self._hash(page) for page in found}}
        # Sphinx reads the search index of the pages that stay from the one that is there, which lacks what pages
        # enter in the general index.
        indexed = any(self.env.domaindata["index"]["entries"].values())
        self.others_stay = self.made_of["shared"] == self.present.get("shared") and not indexed
        are = self.present["pages"] if self.others_stay else {}
        super().write([page for page in found if self.made_of["pages"][page] != are.get(page)], [], "specific")

    def load_indexer(self, docnames) -> None:
        """Take over the search index of the pages that stay; a word of none of them goes, which Sphinx would keep."""
        super().load_indexer(docnames)
        for words in (self.indexer._mapping, self.indexer._title_mapping):
            for word in [word for word, pages in words.items() if not pages]:
                del words[word]

    def _hash(self, page: str) -> str:
        source = Path(self.env.doc2path(page)).relative_to(self.srcdir)
        named = sorted(self.env.dependencies[page])
        # A picture in a notebook lies outside, in a folder of this rendering alone, under a hash of its content.
        own = [name for name in named if not name.startswith("..")]
        return " ".join(
            [hash_files(Path(self.srcdir), [str(source), *own]), *(Path(n).name for n in named if n not in own)]
        )


def _destinations(images: Mapping) -> list[tuple]:
    """Return which pages show which file of the site."""
    return sorted((sorted(pages), name) for pages, name in images.values())


def _hash_shared(env: BuildEnvironment) -> str:
    """Hash what pages show of one another."""
    shared = {name: value for name, value in vars(env).items() if name not in _APART and not name.startswith("_")}
    # Where a picture of a notebook lies differs from rendering to rendering; what becomes of it does not.
    shared["images"], shared["original_image_uri"] = _destinations(env.images), sorted(env.original_image_uri.values())
    # MyST counts the words of a page, which no other shows.
    shared["metadata"] = [(page, {**said, "wordcount": None}) for page, said in sorted(env.metadata.items())]
    return hashlib.sha256(_told([shared, sorted(env.all_docs)], ()).encode()).hexdigest()


def _told(value: Any, within: tuple[int, ...]) -> str:
    """Tell a value so that equal ones are told alike in every process; ``within`` guards against what holds itself."""
    if isinstance(value, nodes.Node):
        return value.pformat()
    if id(value) in within:
        return "itself"
    within = (*within, id(value))
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{k!r}: {_told(v, within)}' for k, v in value.items()))}}}"
    if isinstance(value, Set):
        return f"{{{', '.join(sorted(_told(v, within) for v in value))}}}"
    if isinstance(value, list | tuple):
        if all(hasattr(v, "docname") for v in value):
            # What single pages gave is in the order in which they were read, and used in that of the pages.
            value = sorted(value, key=lambda v: v.docname)
        return f"[{', '.join(_told(v, within) for v in value)}]"
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return f"{type(value).__qualname__}{_told(vars(value), within)}"
    return repr(value)


def setup(app: Sphinx) -> None:
    """Let this builder write the book."""
    app.add_builder(ChangedPages, override=True)
