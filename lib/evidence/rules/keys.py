"""Rules for the keys and labels by which rows are identified and tables are joined."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pandas as pd

from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, needs, with_numbers


@needs("dictionary")
def keys_are_unique(tables: Tables) -> Iterator[Fault]:
    """No two rows of a table have the same key; numbers are compared as numbers."""
    keys: dict[str, dict[str, str]] = defaultdict(dict)
    columns = (tables["dictionary"][name] for name in ("table", "column", "type", "key"))
    for name, column, kind, is_key in zip(*columns, strict=True):
        if is_key == "yes":
            keys[name][column] = kind
    for name, frame in tables.items():
        if name not in keys:
            continue
        key = [*keys[name]]
        numeric = [column for column, kind in keys[name].items() if kind in ("count", "number")]
        comparable = with_numbers(frame[key], *numeric) if numeric else frame[key]
        if not comparable.duplicated().any():
            continue
        comparable = comparable.reset_index()
        first = comparable.groupby(key, sort=False, dropna=False)["index"].transform("first").set_axis(frame.index)
        for row in frame.index[first != frame.index]:
            value = ", ".join(part for part in frame.loc[row, key] if part)
            rule = f"is already in row {first[row]}: keep one of the two rows"
            yield Fault(f"{name}.csv", row, " + ".join(key), value, rule)


@needs("dictionary")
def keys_exist(tables: Tables) -> Iterator[Fault]:
    """A value that refers to another table, by ``refers_to`` of the dictionary, exists there."""
    dictionary = tables["dictionary"]
    for reference in dictionary[dictionary.refers_to != ""].itertuples():
        targets = [target.strip().split(".") for target in reference.refers_to.split("|")]
        targets = [(table, columns.split("+")) for table, columns in targets]
        if any(table not in tables for table in (reference.table, *(table for table, _ in targets))):
            continue
        frame = tables[reference.table]
        columns = targets[0][1] if len(targets[0][1]) > 1 else [reference.column]
        known = {key for table, names in targets for key in _values(tables[table], names)}
        known_first = {key[0] for key in known}
        files = " or ".join(table + (".bib" if table == "references" else ".csv") for table, _ in targets)
        for row, key in zip(frame.index, _values(frame, columns), strict=True):
            if not key[0] or key in known:
                continue
            # Of a key of two columns, the fault is in the second column if the first value exists.
            at = 1 if len(key) > 1 and key[0] in known_first else 0
            rule = f"is unknown: there is no such {columns[at]} in {files}" + (f" for {key[0]}" if at else "")
            yield Fault(f"{reference.table}.csv", row, columns[at], key[at], rule)


def _values(frame: pd.DataFrame, columns: list[str]) -> Iterator[tuple[str, ...]]:
    """Return the values of each row in some columns."""
    return zip(*(frame[column] for column in columns), strict=True)


@needs("studies", "mechanism", "screening")
def study_labels_are_distinct(tables: Tables) -> Iterator[Fault]:
    """A study has the same label in all tables, and no other study has it."""
    first_use: dict[str, tuple[str, str, int]] = {}
    label_by_study: dict[str, str] = {}
    for name in ("studies", "mechanism", "screening"):
        for row in tables[name].itertuples():
            same = " ".join(row.label.casefold().split())
            study, file, first_row = first_use.setdefault(same, (row.study, f"{name}.csv", row.Index))
            if study != row.study:
                rule = f"is the label of {study} too ({file}, row {first_row}): two studies must not share one"
                yield Fault(f"{name}.csv", row.Index, "label", row.label, rule)
            elif row.label != label_by_study.setdefault(row.study, row.label):
                rule = f"differs from the label that {row.study} has elsewhere ({label_by_study[row.study]})"
                yield Fault(f"{name}.csv", row.Index, "label", row.label, rule)


@needs("later_reviews")
def review_labels_are_distinct(tables: Tables) -> Iterator[Fault]:
    """No two later reviews have the same label."""
    review_by_label: dict[str, str] = {}
    for row in tables["later_reviews"].itertuples():
        review = review_by_label.setdefault(row.label, row.review)
        if review != row.review:
            rule = f"is the label of {review} too: two reviews must not share one"
            yield Fault("later_reviews.csv", row.Index, "label", row.label, rule)
