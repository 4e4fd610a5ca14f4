"""The shared library of the living review: evidence, pooling, figures, tables, build."""

__version__ = "1.0.0"
