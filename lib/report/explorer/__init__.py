"""The page on which readers filter the studies and pool those that they select.

Belongs here: the data that the page's script needs (`records`), and the page itself, with its filters (`page`). The
script and the style are ``explorer.js`` and ``explorer.css`` in ``book/_static``. Does not belong here: pooling for any
other page. The script computes the pooled results in the reader's browser; tests compare them with `lib.stats`.
"""

from lib.report.explorer.page import Explorer, explore

__all__ = ["Explorer", "explore"]
