"""The audit: check whether the published numbers of the 2019 review agree with each other and with the reports.

Belongs here: the claims of the review in a form that can be checked (`review`), the registry of rules with the form of
a finding (`findings`), the rules that check the claims, by arithmetic (`published_rules`) and against the studies'
reports (`report_rules`), and the functions that apply the rules (`all_rules`).

Does not belong here: checks of our own tables (`lib.evidence.check`), and tables of the findings (`lib.report`).
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
