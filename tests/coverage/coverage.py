"""Which decoder types of the installed transformers lens reads as transformers does.

    v5/bin/python tests/coverage/coverage.py make DIR [TYPE …]    # tiny random checkpoints, and float64 answers
    LENS_BIN=target/debug/lens v5/bin/python tests/coverage/coverage.py check DIR [TYPE …]
    v5/bin/python tests/coverage/coverage.py table DIR            # the table of docs/families.md
    LENS_BIN=… v5/bin/python tests/coverage/coverage.py vary DIR --count 2000 --seed 1 [TYPE …]    # random configs

Each checkpoint has the defaults of its class in small, and every parameter drawn. `make --wrappers` makes those of
multimodal types, which are run on text alone. Another `--seed`, `--vocab`, `--width`, … makes another set.
"""

import argparse
import dataclasses
import json
import pathlib
import shutil
import sys
import warnings

import torch
import transformers

from check import Verdict, check, make_sure_that_it_runs
from make import make
from table import table
from tiny import DECODERS, WRAPPERS, Sizes
from vary import Draw

RESULTS = "coverage.json"
ATTEMPTS = 5  # how often a config is drawn for a class that does not take it


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "check", "table", "vary"])
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--wrappers", action="store_true", help="the multimodal types instead of the decoders")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100, help="vary: how many checkpoints")
    parser.add_argument("--missing", action="store_true", help="leave alone what is there already")
    for field in dataclasses.fields(Sizes):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default)
    args = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if args.what == "make":
        make_all(args)
    elif args.what == "check":
        make_sure_that_it_runs()
        check_all(args)
    elif args.what == "vary":
        make_sure_that_it_runs()
        sys.exit(vary_all(args))
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


def vary_all(args):
    """Random checkpoints of all types in turn; those that are equal or refused are not kept."""
    counts, refusals = {}, {}
    types = args.types or DECODERS
    with open(args.dir / f"vary-{args.seed}.txt", "a") as record:
        for i in range(args.count):
            name, seed = types[i % len(types)], args.seed + i // len(types)
            verdict, drawn = vary(name, seed, args.dir / f"{name}-{seed}")
            counts[verdict.word] = counts.get(verdict.word, 0) + 1
            if verdict.word == "refused":
                refusals[verdict.why[:90]] = refusals.get(verdict.why[:90], 0) + 1
            print(f"{name:24} {seed:5} {verdict.word:8} {verdict.why[:300]} {drawn}", file=record, flush=True)
            if verdict.word not in ("equal", "refused", "not made"):
                print(f"{name} {seed}: {verdict.word}: {verdict.why[:300]} {drawn}", flush=True)
    for why, n in sorted(refusals.items(), key=lambda pair: -pair[1]):
        print(f"{n:6} refused: {why}")
    print(", ".join(f"{n} {word}" for word, n in sorted(counts.items())))
    return 1 if {"wrong", "crashed"} & counts.keys() else 0


def vary(name, seed, folder):
    """The verdict on one random checkpoint, and what was drawn in its config."""
    for attempt in range(ATTEMPTS):
        draw = Draw(name, f"{seed}.{attempt}")
        try:
            make(name, folder, draw.sizes, seed, config=draw.config(), lengths=(7, draw.random.choice([18, 29])))
            break
        except Exception as error:  # what the class does not take says nothing of lens
            shutil.rmtree(folder, ignore_errors=True)
            why = f"{type(error).__name__}: {str(error)[:150]!r}"
    else:
        return Verdict("not made", why), draw.changed
    verdict = check(folder)
    if verdict.word in ("equal", "refused"):
        shutil.rmtree(folder)
    return verdict, draw.changed


if __name__ == "__main__":
    main()
