"""The 2019 review, known from its published summaries.

Belongs here: what a published interval implies (`published_interval`), the numbers of participants behind the rates
(`participants`), the update of a published rate with new studies (`rates`), and counts that are not available, imputed
so that they agree with the published rates: what is imputed (`imputation`), the method (`sampler`), the model
(`count_model`), exact enumeration (`enumeration`), the Markov chain (`chain`, `chain_pairs`, `chain_search`), a check
on counts that reports give (`withholding`), and the committed results for the current data (`committed_counts`).

Does not belong here: counts that a report gives (`lib.evidence`), and sentences about results (`lib.report`).
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
