"""Caching: results that are computed once and used again.

Belongs here: a disk cache keyed by content and code (`disk_cache`), the hash of the code behind a result
(`code_hash`), the client side of results that the chapters of one build share (`shared_results`), the replacement of
files in one step, so that no reader ever sees half of one (`safe_files`), and the progress bar of what takes long
(`progress`).

Does not belong here: anything that knows what the results mean.
"""
