"""The evidence: the tables of ``data/``, read, checked and presented as one edition.

Belongs here: reading the CSV files, the rules that they must satisfy, the edition of a date (`load`), outcomes with
their counts, the comparisons between arms of a trial, and the vocabulary of thresholds, regimens and groups.

Does not belong here: conclusions from the evidence. The only pooling here is that of the trials of a comparison.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
