"""Sphinx extension: stem and filter each word of the book only once for the search index, to save time."""

import functools

from sphinx.search.en import SearchEnglish


class SearchEnglishOnce(SearchEnglish):
    """Sphinx's rules for English, with a cache of their results."""

    def init(self, options):
        """Set up the rules, as Sphinx does."""
        super().init(options)
        self.stem, self.word_filter = functools.cache(super().stem), functools.cache(super().word_filter)


def setup(app):
    """Register the rules for English."""
    app.add_search_language(SearchEnglishOnce)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
