"""The desk: a web application on this machine in which the maintainer screens records and enters trials.

Belongs here: the pages of the desk, their forms, who is at the desk, and what keeps other programs out (`page`). Does not
belong here: the rules for data (`lib.evidence.rules`), the state of a record and the one function that saves
(`lib.records`), the rows of a trial (`lib.evidence.new_trial`), and results (`lib.report`). The desk only asks them.

The desk reads and writes the same CSV files as an editor would; it has no database of its own. Drafts of forms lie in the
folder of third-party texts, which git ignores.
"""
