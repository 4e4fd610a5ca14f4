"""Bibliographic records: what searches found, what became of it, and which records are one report or one study.

Belongs here: records and refused entries (`record`), readers of exported files (`readers`), importing (`importing`),
searching (`searching`), de-duplication (`deduplication`), decisions and the flow of records (`decisions`, `flow`), and
the one function that changes the tables of a data folder (`saving`).

Does not belong here: the rules that the tables must satisfy (`lib.evidence.rules`), and pages (`lib.report`).
"""
