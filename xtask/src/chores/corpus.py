"""Tries what a corpus has to bear: `corpus.py LENS FOLDER KILLS FEW MANY`, with the model that is in the program.

The corpus is killed KILLS times at random times and goes on; its disk is full; it has FEW documents, and MANY.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

WORDS = "red blue green one two three four five Paris is in France the cup and key on table 7 8 9".split()


def texts(path, documents):
    """A file of as many documents, the same ones each time."""
    dice = random.Random(7)
    lines = (json.dumps({"text": " ".join(dice.choices(WORDS, k=10))}) for _ in range(documents))
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


class Corpus:
    """A corpus of some documents, whose results go to `out`."""

    def __init__(self, lens, text, out, part_documents):
        self.out = pathlib.Path(out)
        self.words = [lens, "corpus", "run", "--input", str(text), "-o", str(out), "--threads", "1"]
        self.words += ["--part-documents", str(part_documents), "--resamplings", "20"]
        self.lens = lens

    def begin(self):
        return subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self):
        return subprocess.run(self.words, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def whole(self):
        done = self.run()
        assert done.returncode == 0, done.stderr
        return done.stderr

    def merge(self, *more):
        done = subprocess.run([self.lens, "corpus", "merge", str(self.out), "--format", "json", *more], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def parts(self):
        """Parts that are whole, and files that a kill left unfinished."""
        names = [path.name for path in self.out.iterdir()] if self.out.exists() else []
        return sum(n.startswith("part-") and n.endswith(".json") for n in names), sum(n.startswith(".lens-unfinished-") for n in names)


def kills(lens, folder, count):
    """Counted kills at random times, in rounds: a corpus that came to its end is compared, and another is begun."""
    text = texts(folder / "text.jsonl", 24)
    reference = Corpus(lens, text, folder / "uninterrupted", 1)
    began = time.monotonic()
    reference.whole()
    seconds = time.monotonic() - began
    expected = reference.merge()
    dice, killed, rounds, between, unfinished = random.Random(11), 0, 0, 0, 0
    while killed < count or rounds == 0:
        corpus = Corpus(lens, text, folder / f"killed-{rounds}", 1)
        ended = False
        while not ended:
            program = corpus.begin()
            try:
                # None is left to kill: it may come to its end.
                said = program.communicate(timeout=dice.uniform(0, 0.6 * seconds) if killed < count else None)[1]
                assert program.returncode == 0, said
                ended = True
            except subprocess.TimeoutExpired:
                program.kill()
                program.communicate()
                assert program.returncode == -signal.SIGKILL, program.returncode
                killed += 1
                whole, left = corpus.parts()
                between += 0 < whole < 24
                unfinished = unfinished + left
        assert corpus.merge() == expected, "the numbers are not those of the uninterrupted run"
        assert "0 of 24 parts made, 24 were there" in corpus.whole()
        rounds += 1
        shutil.rmtree(corpus.out)
    assert killed == count, killed
    assert between > 0, "every kill came before the first part or after the last"
    return f"{killed} kills, {between} of them between the first part and the last; {rounds} corpora came to their end with the numbers of one that was never killed ({unfinished} unfinished files lay about)"


def full_disk(lens, folder):
    """A disk of its own that is too small, and then is not."""
    small = folder / "small"
    small.mkdir()
    text = texts(folder / "text.jsonl", 24)
    reference = Corpus(lens, text, folder / "reference", 1)
    reference.whole()
    enough = sum(path.stat().st_size for path in reference.out.iterdir())
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={enough // 2}", "tmpfs", str(small)], check=True)
    corpus = Corpus(lens, text, small / "out", 1)
    done = corpus.run()
    assert done.returncode not in (0, 101) and done.returncode > 0, (done.returncode, done.stderr)
    assert "No space left on device" in done.stderr and str(small) in done.stderr, done.stderr
    parts, unfinished = corpus.parts()
    assert 0 < parts < 24 and unfinished == 0, (parts, unfinished)
    # What was written is whole, to its hashes.
    assert corpus.merge("--partial")["parts"] == parts
    subprocess.run(["mount", "-o", f"remount,size={enough * 4}", str(small)], check=True)
    said = corpus.whole()
    assert f"{24 - parts} of 24 parts made, {parts} were there" in said, said
    assert corpus.merge() == reference.merge()
    return f"a full disk ended it after {parts} of 24 parts, and with more room it went on; it had said: {done.stderr.strip().splitlines()[-1]}"


def peak(words):
    """The most memory that a program has had, in KB."""
    program = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = program.stderr.read()
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    assert program.returncode == 0, said
    return usage.ru_maxrss


def memory(lens, folder, few, many):
    """What a corpus of few documents takes, and one of many."""
    taken = []
    for documents in (few, many):
        out = folder / f"of-{documents}"
        corpus = Corpus(lens, texts(folder / "text.jsonl", documents), out, 20)
        run = peak(corpus.words)
        taken.append((run, peak([lens, "corpus", "merge", str(out), "--format", "json"])))
    for name, a, b in zip(("run", "merge"), *taken):
        # Passes of new shapes make it grow at first, so that few should not be very few; one run and the next differ a little.
        assert b < 1.05 * a, f"{name}: {a} KB for {few} documents and {b} KB for {many}"
    [(run, merge), (run_many, merge_many)] = taken
    return f"{few} documents and {many}: run {run // 1000} and {run_many // 1000} MB at the peak, merge {merge // 1000} and {merge_many // 1000} MB"


def main():
    lens, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    count, few, many = map(int, sys.argv[3:6])
    for name, check in (("kills", lambda at: kills(lens, at, count)), ("full disk", lambda at: full_disk(lens, at)), ("memory", lambda at: memory(lens, at, few, many))):
        if len(sys.argv) > 6 and name not in sys.argv[6:]:
            continue
        at = folder / name.replace(" ", "-")
        at.mkdir(parents=True)
        print(f"{name}: {check(at)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
