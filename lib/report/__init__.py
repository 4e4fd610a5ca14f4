"""What readers see: figures, tables, sentences, and the registry of every result that the book states.

Belongs here: pictures of results (`figures`), tables (`tables`), the results with their keys (`registry`), and for
chapters that need more than a call a module each (`chapters`).

Does not belong here: statistics. A figure or table shows results; it computes none.
"""
