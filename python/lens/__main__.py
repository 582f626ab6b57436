"""The command `lens` of this Python: `python -m lens`, or the script that pip installs."""

import os
import sys

from ._binary import LensError, environment, lens


def main():
    try:
        program, around = lens(), environment()
    except LensError as error:
        sys.exit(f"error: {error}")
    os.execve(program, ["lens", *sys.argv[1:]], around)


if __name__ == "__main__":
    main()
