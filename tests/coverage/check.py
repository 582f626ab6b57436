"""Runs lens on a tiny checkpoint and compares every logit of every position with transformers' in float64."""

import json
import os
import re
import subprocess
from dataclasses import dataclass

import torch
from safetensors import safe_open

TOLERANCE = 1e-4  # of the spread of a position's logits, in float32
ORDERS = 10  # how many times transformers' own difference between float32 and float64 is still no verdict


@dataclass(frozen=True)
class Verdict:
    word: str  # equal, refused, wrong, unclear
    why: str = ""


def run(folder, tokens, n_vocab, options):
    binary = os.environ.get("LENS_BIN", "lens")
    command = [binary, "run", "-m", str(folder), "--token-ids", ",".join(map(str, tokens)), "--positions", "all"]
    command += ["--layers", "all", "--components", "all", "--top-k", str(n_vocab), "--dtype", "f32", "--device", "cpu"]
    command += ["--format", "json", "--threads", "1", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def difference(trace, expected):
    """The largest difference of a logit, by the spread of its position's logits."""
    worst = 0.0
    for final in trace["final"]:
        answer = expected[final["position"]]
        ours = torch.full_like(answer, float("nan"))
        for token in final["top"]:
            ours[token["id"]] = token["logit"]
        wrong = (ours - answer).abs().max() / (answer.max() - answer.min())
        worst = max(worst, float("inf") if wrong.isnan() else wrong.item())
    return worst


def check(folder, options=()):
    """What becomes of the checkpoint in `folder`."""
    with safe_open(folder / "expected.tensors", "pt") as stored:
        about = stored.metadata()
        texts = [(stored.get_tensor(f"tokens.{i}").tolist(), stored.get_tensor(f"logits.{i}")) for i in range(2)]
    worst = 0.0
    for tokens, expected in texts:
        done = run(folder, tokens, expected.shape[-1], options)
        if done.returncode:
            return Verdict("refused" if done.returncode > 0 else "crashed", reason(done.stderr))
        trace = json.loads(done.stdout)
        if len(trace["final"]) != len(tokens):
            return Verdict("wrong", f"{len(trace['final'])} of {len(tokens)} positions were answered")
        worst = max(worst, difference(trace, expected))
    if worst <= TOLERANCE:
        return Verdict("equal", f"{worst:.0e} of the spread of the logits")
    spread = max((expected.max() - expected.min()).item() for _, expected in texts)
    residue = float(about["residue"]) / spread
    sentence = f"{worst:.1e} of the spread of the logits; transformers in float32 is {residue:.0e} off"
    return Verdict("unclear" if worst <= ORDERS * residue else "wrong", sentence)


def reason(stderr):
    """The error without the list of what is supported."""
    text = re.sub(r"\(supported: llama.*?\)", "", stderr.strip().split("\n", 1)[0] if stderr.strip() else "")
    return re.sub(r"\s+", " ", text).removeprefix("error: ")
