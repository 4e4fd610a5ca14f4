"""The content of pages: figures, tables, sentences, and the registry of every result that the book states.

Belongs here: pictures of results (`figures`), tables (`tables`), numbers in sentences (`wording`), the results with
their keys (`registry`, from `rate_entries` and `trial_entries`), and functions for single chapters (`chapters`).

Does not belong here: statistical methods (`lib.stats`). A figure or table shows results; it computes none.
"""
