"""Show the progress of a build: a bar that names the running steps on a terminal, otherwise a line for each step.

Belongs here: progress while steps run. Does not belong here: the outcome of a build (`lib.engine.build.summary`).
"""

from __future__ import annotations

import threading
from types import TracebackType

from tqdm import tqdm


class Progress:
    """The progress of a number of steps, except those that are up to date. An instance can be used by several threads.

    Parameters
    ----------
    total : int
        Number of steps.
    """

    def __init__(self, total: int):
        # With disable=None, tqdm shows no bar if the standard error is not a terminal.
        self._bar = tqdm(total=total, bar_format="{percentage:3.0f}%|{bar:20}| {desc}", disable=None, leave=False)
        self._running: list[str] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def begin(self, label: str) -> None:
        """Show that a step has begun to run; its label is a phrase such as "executing monotherapy"."""
        with self._lock:
            self._running.append(label)
            if self._bar.disable:
                print(f"{label[0].upper()}{label[1:]}", flush=True)
            else:
                self._show()

    def end(self, label: str) -> None:
        """Count a step that has ended or that was up to date."""
        with self._lock:
            if label in self._running:
                self._running.remove(label)
            self._bar.update()
            self._show()

    def _show(self) -> None:
        text = "; ".join(self._running)
        self._bar.set_description_str(f"{text[0].upper()}{text[1:]}" if text else "")
