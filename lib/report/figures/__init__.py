"""Figures of results.

Belongs here: the style of the figures (`style`), rows with intervals (`rows`, `intervals`, `listing`), and the plots
that consist of them. Every plotting function takes ``wide`` and returns a matplotlib Figure whose label is its text
alternative, or a `Listing` for very many rows; `show` plots the wide and the narrow form and lets the page choose.

Does not belong here: reading files, and any estimate. Nothing is pooled here.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
