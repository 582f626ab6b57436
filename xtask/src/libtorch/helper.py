"""The part of set-up that Python does, since pip needs it anyway: hash and unzip with compiled code, without a crate.

    free DIR         bytes that can still be written there
    sha256 FILE      its digest in hex
    list WHEEL       the names of its files, one a line
    unpack WHEEL     reads lines "name<TAB>destination" and writes those files (zipfile checks their CRC)

Exit 28 (ENOSPC) says that the disk is full.
"""

import errno
import hashlib
import os
import shutil
import sys
import zipfile

CHUNK = 1 << 20


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def unpack(path, lines):
    with zipfile.ZipFile(path) as wheel:
        for line in lines:
            name, destination = line.rstrip("\n").split("\t")
            os.makedirs(os.path.dirname(destination), exist_ok=True)
            with wheel.open(name) as source, open(destination, "wb") as sink:
                shutil.copyfileobj(source, sink, CHUNK)


def main(command, path):
    if command == "free":
        print(shutil.disk_usage(path).free)
    elif command == "sha256":
        print(sha256(path))
    elif command == "list":
        with zipfile.ZipFile(path) as wheel:
            print("\n".join(name for name in wheel.namelist() if not name.endswith("/")))
    elif command == "unpack":
        unpack(path, sys.stdin)


try:
    main(*sys.argv[1:])
except OSError as error:
    print(error, file=sys.stderr)
    sys.exit(28 if error.errno in (errno.ENOSPC, errno.EDQUOT) else 1)
except (zipfile.BadZipFile, KeyError) as error:
    print(error, file=sys.stderr)
    sys.exit(1)
