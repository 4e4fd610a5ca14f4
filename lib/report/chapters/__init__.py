"""Tables, figures and sentences of single chapters, one module for each subject that needs more than a call.

Belongs here: what one or two chapters show. Does not belong here: what most chapters share (`lib.report.tables`,
`lib.report.figures`, `lib.report.wording`).
"""
