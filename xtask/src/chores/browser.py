"""Fetches one file of an npm package, checked: browser.py URL SHA512 MEMBER DESTINATION"""

import base64
import hashlib
import io
import os
import sys
import tarfile
import urllib.request


def main(url, pinned, member, destination):
    with urllib.request.urlopen(url, timeout=120) as answer:
        package = answer.read()
    found = base64.b64encode(hashlib.sha512(package).digest()).decode()
    if found != pinned:
        sys.exit(f"{url} has SHA-512 {found}, where {pinned} was pinned: it is not used")
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        content = tar.extractfile(member).read()
    draft = f"{destination}.{os.getpid()}.part"
    with open(draft, "wb") as file:
        file.write(content)
    os.replace(draft, destination)


try:
    main(*sys.argv[1:])
except (OSError, KeyError, tarfile.TarError) as error:
    sys.exit(f"cannot fetch {sys.argv[1]}: {error}")
