"""The content of pages: figures, tables, sentences, and the registry of every result that the book states.

Belongs here: pictures of results (`figures`), tables (`tables`), numbers in sentences (`wording`), the results with
their keys (`registry`, from `rate_entries` and `trial_entries`), functions for single chapters (`chapters`), and the
forest plot of an analyst's own analysis (`forest`).

Does not belong here: statistical methods (`lib.stats`). A figure or table shows results; it computes none.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
