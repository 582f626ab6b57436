"""The binary, and the libtorch that it runs on: that of the torch of this very Python, which is not imported."""

import importlib.util
import os
import pathlib
import subprocess
import sys


class LensError(Exception):
    """What lens says when it cannot do what it was asked.

    `status` is its exit status (2 where the options were wrong); `stderr` all that it wrote there.
    """

    def __init__(self, message, status=None, stderr=""):
        super().__init__(message)
        self.status = status
        self.stderr = stderr


def lens():
    """The path of the binary in this package."""
    path = pathlib.Path(__file__).parent / "bin" / "lens"
    if not path.is_file():
        raise LensError(f"{path} is missing: install the package again")
    return str(path)


def environment():
    """This process's environment, in which lens runs on the libtorch of this Python unless LENS_LIBTORCH names another."""
    around = dict(os.environ)
    if not around.get("LENS_LIBTORCH"):
        around["LENS_LIBTORCH"] = torch_libraries()
    return around


def torch_libraries():
    """The folder of libraries of this Python's torch."""
    found = importlib.util.find_spec("torch")
    folders = list(found.submodule_search_locations or []) if found else []
    if not folders:
        raise LensError(f"there is no torch in {sys.prefix}: pip install 'torch==2.11.*', or name a folder in LENS_LIBTORCH")
    return os.path.join(folders[0], "lib")


def call(arguments, text):
    """Runs lens with `arguments` and `text` on its stdin; what it printed, and what it said beside.

    Raises LensError with the message of lens where it fails.
    """
    done = subprocess.run(
        [lens(), *arguments], input=text.encode(), capture_output=True, env=environment(), check=False
    )
    out, said = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    if done.returncode:
        raise LensError(message(said, done.returncode), done.returncode, said)
    return out, said


def message(said, status):
    """The error in what was said, without what came before it."""
    lines = said.splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith("error: ")), None)
    if first is not None:
        return "\n".join(lines[first:]).removeprefix("error: ").strip()
    if status < 0:
        return f"lens was ended by signal {-status}" + (f": {said.strip()}" if said.strip() else "")
    return said.strip() or f"lens ended with status {status} and said nothing"
