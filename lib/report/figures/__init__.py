"""Figures of results.

Belongs here: drawings as texts and shapes (`drawing`) with their style (`style`) and measures (`letters`), rows with
intervals (`rows`, `intervals`, `listing`), the plots that consist of them, and their HTML and files (`picture`,
`saving`). Every plotting function takes ``wide`` and returns a `Drawing`, or a `Listing` for very many rows; `show`
plots the wide and the narrow form and lets the page choose.

Does not belong here: reading files, and any estimate. Nothing is pooled here.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
