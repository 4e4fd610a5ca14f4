"""The command ``desk``: the maintainer's web application on this machine.

Belongs here: its options. Does not belong here: the application (`lib.desk`).
"""

from __future__ import annotations

import argparse
from typing import Any

from lib.commands.options import add_command, port


def add_to(commands: Any) -> None:
    """Add the command to the parser (`options.add_command`)."""
    text = "screen records, enter trials and make editions in the browser, on this machine"
    desk = add_command(commands, "desk", text, _desk)
    desk.add_argument("--port", default=8010, type=port, help="port of the desk (default: 8010)")


def _desk(options: argparse.Namespace) -> int:
    from lib.desk.application import serve

    return serve(options.root, options.data, options.port)
