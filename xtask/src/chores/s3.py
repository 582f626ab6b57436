"""A corpus from object store to object store: `s3.py LENS TEXTS FOLDER`, beside the same one on this machine."""

import json
import os
import pathlib
import subprocess
import sys

import boto3

# Enough documents for several parts.
DOCUMENTS, SHARDS = 24, 2


def lens(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done


def results(program, texts, out):
    for shard in range(SHARDS):
        words = ["--input", texts, "-o", out, "--part-documents", "5", "--threads", "1", "--shard", f"{shard}/{SHARDS}"]
        lens(program, "corpus", "run", *words)
    return json.loads(lens(program, "corpus", "merge", out, "--format", "json").stdout)


def main():
    program, texts, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    lines = texts.read_text().splitlines(keepends=True)[:DOCUMENTS]
    store = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    store.create_bucket(Bucket="corpus")
    for name, own in (("a.jsonl", lines[:10]), ("b.jsonl", lines[10:])):
        (folder / "texts").mkdir(exist_ok=True, parents=True)
        (folder / "texts" / name).write_text("".join(own))
        store.put_object(Bucket="corpus", Key=f"texts/{name}", Body="".join(own).encode())
    remote = results(program, "s3://corpus/texts/", "s3://corpus/results")
    local = results(program, str(folder / "texts"), str(folder / "results"))
    assert remote["documents"] == DOCUMENTS and remote["parts"] == -(-DOCUMENTS // 5), (remote["documents"], remote["parts"])
    assert remote == local, "the numbers are not those of this machine's files"
    keys = {it["Key"].removeprefix("results/") for it in store.list_objects_v2(Bucket="corpus", Prefix="results/")["Contents"]}
    assert keys == {path.name for path in (folder / "results").iterdir()}, keys
    # A part that is lost in the store is named, and made again.
    store.delete_object(Bucket="corpus", Key="results/part-00000001.json")
    done = subprocess.run([program, "corpus", "merge", "s3://corpus/results"], capture_output=True, text=True)
    assert done.returncode != 0 and "1 of 5 parts are missing: 1" in done.stderr, done.stderr
    assert results(program, "s3://corpus/texts/", "s3://corpus/results") == local
    print(f"{DOCUMENTS} documents in {remote['parts']} parts, from s3:// to s3://: the numbers are those of files of this machine", file=sys.stderr)


if __name__ == "__main__":
    main()
