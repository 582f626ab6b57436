"""Packs files into a tarball or a wheel, with the same bytes whenever it is given the same files.

Reads a JSON object from stdin: `form` (tar or wheel), `out`, `time` (seconds since 1970, of every entry), `level` (of
compression, 1 to 9), `folder` (in which
all entries of a tarball lie), `record` (a wheel's list of its files), and `files`, each with `name`, `executable`, and
`path` (a file to copy) or `text`.
"""

import base64
import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile
import time
import zipfile


def opened(file):
    return io.BytesIO(file["text"].encode()) if "text" in file else open(file["path"], "rb")


def size(stream):
    end = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return end


def tar(job, files):
    with open(job["out"], "wb") as out:
        # No name and no time of its own in the header.
        with gzip.GzipFile("", "wb", job["level"], out, mtime=0) as packed:
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
                for file in files:
                    entry = tarfile.TarInfo(f"{job['folder']}/{file['name']}")
                    entry.mode = 0o755 if file["executable"] else 0o644
                    entry.mtime = job["time"]
                    with opened(file) as stream:
                        entry.size = size(stream)
                        archive.addfile(entry, stream)


def wheel(job, files):
    date = time.gmtime(max(job["time"], 315532800))[:6]  # A zip file knows no year before 1980.
    lines = []
    with zipfile.ZipFile(job["out"], "w", zipfile.ZIP_DEFLATED, compresslevel=job["level"]) as archive:

        def add(name, executable, stream):
            entry = zipfile.ZipInfo(name, date)
            entry.create_system = 3
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry._compresslevel = job["level"]  # of the entry, as ZipFile.write sets it; `compress_level` from Python 3.13 on
            with archive.open(entry, "w", force_zip64=False) as into:
                shutil.copyfileobj(stream, into)

        for file in files:
            with opened(file) as stream:
                length = size(stream)
                digest = hashlib.sha256()
                while block := stream.read(1 << 20):
                    digest.update(block)
                stream.seek(0)
                add(file["name"], file["executable"], stream)
            code = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
            lines.append(f"{file['name']},sha256={code},{length}\n")
        lines.append(f"{job['record']},,\n")
        add(job["record"], False, io.BytesIO("".join(lines).encode()))


def main():
    job = json.load(sys.stdin)
    files = sorted(job["files"], key=lambda file: file["name"])
    # What describes a wheel comes last, as its format recommends.
    files.sort(key=lambda file: ".dist-info/" in file["name"])
    {"tar": tar, "wheel": wheel}[job["form"]](job, files)


main()
