"""The audit: whether the published numbers of the 2019 review agree with each other and with the reports.

Belongs here: the claims of the review in a form that can be checked (`claims`), and the rules that check them, by
arithmetic (`published_rules`) and against the studies' reports (`report_rules`).

Does not belong here: checks of our own tables (`lib.evidence.check`), and tables of the findings (`lib.report`).
"""
