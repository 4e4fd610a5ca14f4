"""The shared library of the living review, in rooms; a room imports only from the rooms below it.

From the ground up: `caching`; `stats` and `engine`; `evidence`; `published` and `records`; `audit` and `simulations`;
`report`; `desk` and `deposit`; and the command line, `commands` and `__main__`.
"""

__version__ = "1.1.0"
