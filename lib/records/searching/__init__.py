"""Searches of bibliographic databases through their public interfaces.

Belongs here: the clients of the databases, the raw answers and the journal of an unfinished search, and how answers
become records. Does not belong here: files that a person exported from a database (`lib.records.importing`), and which
records report the same study (`lib.records.deduplication`).
"""
