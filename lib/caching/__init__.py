"""Caching: results that are computed once and used again.

Belongs here: a disk cache keyed by content and code (`disk_cache`), the hash of the code behind a result
(`code_hash`), the client side of results that the chapters of one build share (`shared_results`), and the replacement
of files in one step, so that no reader ever sees half of one (`safe_files`).

Does not belong here: anything that knows what the results mean.
"""
