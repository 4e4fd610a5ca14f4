"""The vocabulary of the review: codes of regimens, thresholds and groups, and the names that readers see for them.

Belongs here: codes and sets of columns that the library's code must name, each with its display names. Does not belong
here: codes that only tables hold, which are explained in ``data/codes.csv``.
"""

from __future__ import annotations

REGIMENS = ("monotherapy", "phototherapy")
ALL_THRESHOLDS = ("any", "ge25", "ge50", "ge75")
"""Thresholds of repigmentation, in ascending order: a patient who reaches one has reached all lower ones."""
THRESHOLDS = ALL_THRESHOLDS[1:]
"""The thresholds of the 2019 review."""
GROUPS = {
    "total": ("all", "all"),
    "children": ("children", "all"),
    "face_neck": ("all", "face_neck"),
    "trunk_extremities": ("all", "trunk_extremities"),
    "hands_feet": ("all", "hands_feet"),
}
"""Rows of the review's Table 3: codes of (population, site) by group."""
ASSESSMENT = ("study", "arm", "site", "site_detail", "population", "subtype", "months")
"""Columns of the responses that identify who was assessed, where and when. Counts with the same values in all of them
are those of the same participants at different thresholds."""

REGIMEN_NAMES = {"monotherapy": "TCI monotherapy", "phototherapy": "TCI plus phototherapy"}
THRESHOLD_NAMES = {"any": "any", "ge25": "≥25%", "ge50": "≥50%", "ge75": "≥75%"}
THRESHOLDS_IN_WORDS = {"ge25": "at least 25%", "ge50": "at least 50%", "ge75": "at least 75%"}
RESPONSES = {
    "any": "any repigmentation",
    "ge25": "at least a mild response (≥25% repigmentation)",
    "ge50": "at least a moderate response (≥50% repigmentation)",
    "ge75": "a marked response (≥75% repigmentation)",
}
GROUP_NAMES = {
    "total": "Total",
    "children": "Children",
    "face_neck": "Face and neck",
    "trunk_extremities": "Trunk and extremities",
    "hands_feet": "Hands and feet",
}
PHOTOTHERAPY_NAMES = {"NBUVB": "NB-UVB", "EL": "excimer light or laser"}
