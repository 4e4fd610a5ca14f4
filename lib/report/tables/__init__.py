"""Tables of evidence and results for the pages.

Belongs here: the form of every table (`table`), and the tables by subject: included studies, the content of their
reports, rates, records, data we are looking for, and the data dictionary.

Does not belong here: computations, and tables of a single chapter (`lib.report.chapters`).
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
