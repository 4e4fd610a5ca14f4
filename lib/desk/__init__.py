"""The desk: a web application on this machine in which the maintainer screens records and enters and corrects trials.

Belongs here: the pages of the desk, their forms, who is at the desk, and the protection against other sites (`page`).

Does not belong here: the rules for data (`lib.evidence.rules`), which decision stands (`lib.evidence.screening`), the
one function that saves (`lib.records.saving`), the rows of a trial (`lib.evidence.new_trial`), and results
(`lib.report`).

The desk reads and writes the same CSV files as an editor would, and has no database of its own. Drafts of forms are in
the folder of third-party texts, which git ignores.
"""
