"""The 2019 review, known from its published summaries.

Belongs here: what a published rate and its interval imply, the numbers of participants behind them, the update of a
published rate with new studies, and counts that are not available, imputed so that they agree with the published
rates (`count_model`, `enumeration`, `chain`, `sampler`, `imputation`).

Does not belong here: counts that a report gives (`lib.evidence`), and sentences about results (`lib.report`).
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
