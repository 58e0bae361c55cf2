"""``python -m sparkcv.cli``: the command ``sparkcv`` where it is not on the PATH."""

import sys

from sparkcv.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
