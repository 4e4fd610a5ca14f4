"""The installed packages that a step of the build used, and their versions.

Belongs here: which packages a process has imported, and which versions of them are installed. Does not belong here:
the project's own library, whose files are hashed (`lib.engine.snapshot`).

A package that is installed but not imported has no effect: installing it makes no step run again. One case is missed:
an optional package, such as an accelerator, that another package uses once it is installed.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from lib.caching.safe_files import replace_if_changed

CACHE_FILE = "packages.json"
"""Name of the file, in the build folder, that caches which distribution provides which package."""
# Held while the metadata are read, so that steps that end at the same time do not all read them.
_LOCK = threading.Lock()


def imported() -> list[str]:
    """Return the top-level names that this process has imported, without the standard library and ``lib``."""
    # Copy first: iteration can start the garbage collector, which can run code that imports a module. A module whose
    # import is blocked has the value None.
    names = {name.partition(".")[0] for name, module in sys.modules.copy().items() if module is not None}
    return sorted(names - sys.stdlib_module_names - {"lib", "__main__", "__mp_main__"})


def versions(names: Iterable[str], build_folder: Path) -> str:
    """Return the version of Python, and name and version of each distribution that provides one of some packages.

    Parameters
    ----------
    names : iterable of str
        Top-level names, as `imported` returns them; names that no distribution provides are ignored.
    build_folder : Path
        The build folder (``_build``).
    """
    with _LOCK:
        distributions = _distributions(build_folder / CACHE_FILE)
    used = {distribution for name in names for distribution in distributions.get(name, [])}
    return "\n".join([sys.version, *sorted(used)])


def installed() -> list[str]:
    """Return the metadata folders of the installed distributions; their names have the versions."""
    return sorted(str(path) for folder in sys.path for path in Path(folder).glob("*-info"))


def _distributions(store: Path) -> dict[str, list[str]]:
    """Return "name version" of the distributions that provide each top-level name.

    Reading the list of files of every distribution takes a second or more. The result is cached until a distribution is
    installed, removed or replaced, which changes the name of its metadata folder.
    """
    present = installed()
    try:
        stored = json.loads(store.read_bytes())
        if stored["installed"] == present:
            distributions: dict[str, list[str]] = stored["distributions"]
            return distributions
    except (OSError, ValueError, KeyError, TypeError):
        pass  # Nothing is stored yet, or the file is damaged.
    version_of = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}
    distributions = {
        name: sorted({f"{provider} {version_of[provider]}" for provider in providers if provider in version_of})
        for name, providers in importlib.metadata.packages_distributions().items()
    }
    content = {"installed": present, "distributions": distributions}
    replace_if_changed(store, json.dumps(content, indent=1, sort_keys=True).encode())
    return distributions
