"""What readers see: figures, tables, sentences, and the registry of every result that the book states.

Belongs here: pictures of results (`figures`), tables (`tables`), numbers in sentences (`wording`), the results with
their keys (`registry`, made in `rate_entries` and `trial_entries`), and what single chapters need (`chapters`).

Does not belong here: statistical methods (`lib.stats`). A figure or table shows results; it computes none.
"""
