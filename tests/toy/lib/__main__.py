"""The command line of the toy project: ``python -m lib build`` and ``watch``."""

import sys

from lib.toy.commands import main

if __name__ == "__main__":
    sys.exit(main())
