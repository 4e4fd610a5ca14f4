"""Bibliographic records: from a search of databases to the studies that are included.

Belongs here: the state of each record and the agreement of reviewers (`decisions`), and the flow of records by PRISMA
2020 (`flow`), both computed from rows of ``data/``.

Does not belong here: the form of the tables and the rules that they must satisfy (`lib.evidence`), and what readers see
of them (`lib.report`).
"""
