"""Which decoder types of the installed transformers lens reads as transformers does.

    v5/bin/python tests/coverage/coverage.py make DIR [TYPE …]    # tiny random checkpoints, and float64 answers
    LENS_BIN=target/debug/lens v5/bin/python tests/coverage/coverage.py check DIR [TYPE …]
    v5/bin/python tests/coverage/coverage.py table DIR            # the table of docs/families.md

Each checkpoint has the defaults of its class in small, and every parameter drawn. `make --wrappers` makes those of
multimodal types, which are run on text alone. Another `--seed`, `--vocab`, `--width`, … makes another set.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import warnings

import torch
import transformers

from check import check
from make import make
from table import table
from tiny import DECODERS, WRAPPERS, Sizes

RESULTS = "coverage.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "check", "table"])
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--wrappers", action="store_true", help="the multimodal types instead of the decoders")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--missing", action="store_true", help="leave alone what is there already")
    for field in dataclasses.fields(Sizes):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if args.what == "make":
        make_all(args)
    elif args.what == "check":
        check_all(args)
    else:
        print(table(json.loads((args.dir / RESULTS).read_text())))


def make_all(args):
    sizes = Sizes(**{field.name: getattr(args, field.name) for field in dataclasses.fields(Sizes)})
    failed = {}
    for name in args.types or (WRAPPERS if args.wrappers else DECODERS):
        folder = args.dir / name
        if args.missing and (folder / "expected.tensors").exists():
            continue
        try:
            line = make(name, folder, sizes, args.seed, args.wrappers)
        except Exception as error:  # a type that cannot be made small by these rules is reported, not fatal
            line = failed[name] = f"not made: {type(error).__name__}: {str(error)[:300]!r}"
        print(f"{name:28} {line}", flush=True)
    if failed:
        print(f"{len(failed)} types were not made: {' '.join(failed)}")


def check_all(args):
    results = args.dir / RESULTS
    known = json.loads(results.read_text()) if results.exists() else {}
    there = sorted(path.parent.name for path in args.dir.glob("*/expected.tensors"))
    counts = {}
    for name in args.types or there:
        verdict = check(args.dir / name)
        known[name] = dataclasses.asdict(verdict)
        counts[verdict.word] = counts.get(verdict.word, 0) + 1
        print(f"{name:28} {verdict.word:8} {verdict.why[:400]}", flush=True)
    results.write_text(json.dumps(known, indent=1, sort_keys=True))
    print(", ".join(f"{n} {word}" for word, n in sorted(counts.items())))
    sys.exit(1 if {"wrong", "crashed"} & counts.keys() else 0)


if __name__ == "__main__":
    main()
