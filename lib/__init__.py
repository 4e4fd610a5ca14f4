"""The shared library of the living review: evidence, pooling, figures, tables, build."""
