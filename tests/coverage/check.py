"""Runs lens on a tiny checkpoint and compares every logit of every position with transformers' in float64."""

import json
import os
import re
import subprocess
from dataclasses import dataclass

import torch
from safetensors import safe_open

TOLERANCE = 1e-4  # of the spread of a position's logits, in float32
ORDERS = 10  # how many times what rounding makes is still no verdict


@dataclass(frozen=True)
class Verdict:
    word: str  # equal, refused, wrong, unclear
    why: str = ""


def program():
    return os.environ.get("LENS_BIN", "lens")


def make_sure_that_it_runs():
    """Ends the program unless lens reads its demo model: what cannot run at all would seem to refuse everything."""
    done = subprocess.run([program(), "run", "hi"], capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f"{program()} does not run: {done.stderr.strip()}")


def run(folder, tokens, n_vocab, options):
    binary = program()
    command = [binary, "run", "-m", str(folder), "--token-ids", ",".join(map(str, tokens)), "--positions", "all"]
    command += ["--layers", "all", "--components", "all", "--top-k", str(n_vocab), "--dtype", "f32", "--device", "cpu"]
    command += ["--format", "json", "--threads", "1", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@dataclass(frozen=True)
class Difference:
    """Of a position: the largest difference of a logit, and what rounding makes, by the spread of the logits."""

    worst: float
    rounding: float


def differences(trace, expected, shaken, residue):
    for final in trace["final"]:
        position = final["position"]
        answer = expected[position]
        ours = torch.full_like(answer, float("nan"))
        for token in final["top"]:
            ours[token["id"]] = token["logit"]
        spread = (answer.max() - answer.min()).item()
        wrong = (ours - answer).abs().max().item() / spread
        rounding = max(residue, shaken[position].item()) / spread
        yield Difference(float("inf") if wrong != wrong else wrong, rounding)


def check(folder, options=()):
    """What becomes of the checkpoint in `folder`."""
    with safe_open(folder / "expected.tensors", "pt") as stored:
        residue = float(stored.metadata()["residue"])
        texts = [[stored.get_tensor(f"{what}.{i}") for what in ("tokens", "logits", "shaken")] for i in range(2)]
    found = []
    for tokens, expected, shaken in texts:
        done = run(folder, tokens.tolist(), expected.shape[-1], options)
        if done.returncode:
            return Verdict("refused" if done.returncode > 0 else "crashed", reason(done.stderr))
        trace = json.loads(done.stdout)
        if len(trace["final"]) != len(tokens):
            return Verdict("wrong", f"{len(trace['final'])} of {len(tokens)} positions were answered")
        found += differences(trace, expected, shaken, residue)
    worst = max(found, key=lambda each: each.worst)
    if worst.worst <= TOLERANCE:
        return Verdict("equal", f"{worst.worst:.0e} of the spread of the logits")
    sentence = f"{worst.worst:.1e} of the spread of the logits; rounding makes {worst.rounding:.0e} there"
    unclear = all(each.worst <= max(TOLERANCE, ORDERS * each.rounding) for each in found)
    return Verdict("unclear" if unclear else "wrong", sentence)


def reason(stderr):
    """The error without the list of what is supported."""
    text = re.sub(r"\(supported: llama.*?\)", "", stderr.strip().split("\n", 1)[0] if stderr.strip() else "")
    return re.sub(r"\s+", " ", text).removeprefix("error: ")
