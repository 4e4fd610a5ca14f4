"""Show the progress of a computation that takes longer than two seconds.

Belongs here: the progress bar of loops in a notebook. Does not belong here: the progress of a build (`lib.engine`),
whose chapters show no bars.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

from lib.caching.shared_results import ADDRESS

PATIENCE = 2.0
"""Seconds after which a bar appears."""

_Item = TypeVar("_Item")


def progress(items: Iterable[_Item], label: str, *, total: int | None = None) -> Iterable[_Item]:
    """Return the items of a loop, and show a progress bar in a notebook if the loop takes over `PATIENCE` seconds.

    Parameters
    ----------
    items : iterable
        The items of the loop.
    label : str
        Name of the computation, before the bar.
    total : int, optional
        Number of items; by default their ``len``.

    Returns
    -------
    iterable
        The same items. The bar is written to the standard error. A build shows no bar, because it would become part of
        the page.

    Examples
    --------
    >>> sum(progress([1, 2, 3], "Adding"))
    6
    """
    ipython = sys.modules.get("IPython")
    if ADDRESS in os.environ or ipython is None or ipython.get_ipython() is None:
        return items
    return _shown(items, label, total)


def _shown(items: Iterable[_Item], label: str, total: int | None) -> Iterator[_Item]:
    total = len(items) if total is None and isinstance(items, Sized) else total
    bar = tqdm(desc=label, total=total, delay=PATIENCE, leave=False, dynamic_ncols=True)
    # Without the timer, the bar would appear only after the first item, which may itself take long.
    timer = threading.Timer(PATIENCE, bar.refresh)
    timer.daemon = True
    timer.start()
    try:
        for item in items:
            yield item
            bar.update()
    finally:
        timer.cancel()
        bar.close()
