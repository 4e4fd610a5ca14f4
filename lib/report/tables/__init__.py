"""Tables: evidence and results in, tables of a page out.

Belongs here: the form of every table (`table`), and what each shows, by subject: included studies, what their reports
give, rates, records, data that are wanted, and the data dictionary.

Does not belong here: computing what is shown, and tables of a single chapter (`lib.report.chapters`).
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
