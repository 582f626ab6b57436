"""Checks the examples for clusters: `examples.py FOLDER [LENS TEXT]`.

A program of its own stands in for lens, and writes down how it is called. With a LENS, Ray runs that too: the statistics of
TEXT, on the model inside it, must be those of one process.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

STUB = """#!{python} -I
import json, os, pathlib, sys
place = pathlib.Path({place!r})
names = ("RANK", "WORLD_SIZE", "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX")
call = {{"words": sys.argv, "environment": {{name: os.environ[name] for name in names if name in os.environ}}}}
calls = sorted(place.glob("call-*"))
(place / f"call-{{len(calls):03}}-{{os.getpid()}}").write_text(json.dumps(call))
fails = place / "fails"
if os.environ.get("RANK") == "1" and fails.exists():
    if fails.read_text() == "once":
        fails.unlink()
    sys.exit("the stub fails")
"""


class Stubs:
    """A folder with programs that write down how they are called."""

    def __init__(self, folder, *names):
        self.folder = pathlib.Path(folder)
        for name in names:
            program = self.folder / name
            program.write_text(STUB.format(python=sys.executable, place=str(self.folder)))
            program.chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}

    def calls(self, name):
        every = [json.loads(path.read_text()) for path in sorted(self.folder.glob("call-*"))]
        return [(call["words"][1:], call["environment"]) for call in every if pathlib.Path(call["words"][0]).name == name]

    def run(self, *words, **variables):
        return subprocess.run(words, env={**self.environment, **variables}, capture_output=True, text=True)


def kubernetes(examples):
    run, merge = yaml.safe_load_all((examples / "kubernetes/corpus-job.yaml").read_text())
    for job in (run, merge):
        # The oldest in which failures are counted by index for everyone, and the newest that is known.
        for version in ("1.33", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(job, version, strict=True)
    [container] = run["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert environment["JOB_COMPLETIONS"] == str(run["spec"]["completions"]), environment
    command = container["command"]
    assert command[:3] == ["lens", "corpus", "run"] and command[-2:] == ["--shard", "auto"], command
    place = command[command.index("-o") + 1]
    assert merge["spec"]["template"]["spec"]["containers"][0]["command"] == ["lens", "corpus", "merge", place]


def slurm(examples):
    with tempfile.TemporaryDirectory() as folder:
        stubs = Stubs(folder, "lens", "sbatch")
        script = examples / "slurm/corpus.sbatch"
        tasks = dict(SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_MIN="0", INPUT="a b", OUT="s3://o")
        for task, restarts in (("0", "0"), ("0", "1"), ("1", "0")):
            variables = {**tasks, "SLURM_ARRAY_TASK_ID": task, "SLURM_RESTART_COUNT": restarts}
            done = stubs.run("bash", str(script), **variables)
            assert done.returncode == 0, done.stderr
        for words, environment in stubs.calls("lens"):
            assert words == ["corpus", "run", "--input", "a b", "-o", "s3://o", "--shard", "auto"], words
        assert [environment["SLURM_ARRAY_TASK_ID"] for _, environment in stubs.calls("lens")] == ["0", "0", "1"]
        done = stubs.run("bash", str(script), **tasks, SLURM_ARRAY_TASK_ID="2", MODEL="a model")
        assert done.returncode == 0, done.stderr
        assert stubs.calls("lens")[-1][0][:5] == ["corpus", "run", "-m", "a model", "--input"], stubs.calls("lens")[-1]
        [(words, _)] = stubs.calls("sbatch")
        assert "--dependency=afterok:7" in words and '--wrap=lens corpus merge "$OUT"' in words, words
        done = stubs.run("bash", str(script), SLURM_ARRAY_TASK_ID="0")
        assert done.returncode != 0 and "name the texts" in done.stderr, done.stderr


def ray(examples):
    script = str(examples / "ray/corpus.py")
    for fails, ends_well in (("once", True), ("always", False)):
        with tempfile.TemporaryDirectory() as folder:
            stubs = Stubs(folder, "lens")
            (stubs.folder / "fails").write_text(fails)
            words = ["--input", "in", "--out", "out", "--shards", "3", "--cpus", "0.1", "--retries", "1"]
            done = stubs.run(sys.executable, script, *words, "--lens", str(stubs.folder / "lens"))
            assert (done.returncode == 0) == ends_well, done.stderr
            runs = [(words, it) for words, it in stubs.calls("lens") if words[1] == "run"]
            assert all(words == ["corpus", "run", "--input", "in", "-o", "out", "--shard", "auto"] for words, _ in runs)
            assert {it["WORLD_SIZE"] for _, it in runs} == {"3"}
            assert [it["RANK"] for _, it in runs].count("1") == 2, runs
            merges = [words for words, _ in stubs.calls("lens") if words[1] == "merge"]
            if ends_well:
                assert sorted(it["RANK"] for _, it in runs) == ["0", "1", "1", "2"], runs
                assert merges == [["corpus", "merge", "out"]] and stubs.calls("lens")[-1][0] == merges[0]
            else:
                assert merges == [] and "the stub fails" in done.stderr, done.stderr


def statistics(lens, folder):
    done = subprocess.run([lens, "corpus", "merge", folder, "--format", "json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ray_with_lens(examples, lens, text):
    """Three tasks on a real cluster of this machine, and one process."""
    script = str(examples / "ray/corpus.py")
    with tempfile.TemporaryDirectory() as folder:
        documents = pathlib.Path(folder) / "text.jsonl"
        documents.write_text("".join(pathlib.Path(text).read_text().splitlines(keepends=True)[:24]))
        alone, spread = f"{folder}/alone", f"{folder}/spread"
        run = ["corpus", "run", "--input", str(documents), "--part-documents", "4"]
        done = subprocess.run([lens, *run, "-o", alone], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        # The script says what it needs to say, and the rest as it is told.
        words = ["--input", str(documents), "--out", spread, "--shards", "3", "--cpus", "0.5", "--lens", lens]
        done = subprocess.run([sys.executable, script, *words, "--", "--part-documents", "4"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert statistics(lens, spread) == statistics(lens, alone)


if __name__ == "__main__":
    for check in (kubernetes, slurm, ray):
        check(pathlib.Path(sys.argv[1]))
        print(f"the example for {check.__name__} holds", file=sys.stderr, flush=True)
    if len(sys.argv) > 2:
        ray_with_lens(pathlib.Path(sys.argv[1]), *sys.argv[2:])
        print("what Ray made with lens is what one process makes", file=sys.stderr, flush=True)
    else:
        print("skipped: Ray with lens itself, which is not built", file=sys.stderr, flush=True)
