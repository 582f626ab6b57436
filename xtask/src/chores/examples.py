"""Checks the examples for clusters: `examples.py FOLDER [LENS]`.

A program of its own stands in for lens, and writes down how it is called. Where LENS is named, Ray runs that as well.
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


def ray_with_lens(examples, lens):
    """Shares of a corpus as tasks of Ray, and the same corpus in one process."""
    shards, documents = 3, 64 * 2 + 3
    with tempfile.TemporaryDirectory() as folder:
        texts, many, one = (pathlib.Path(folder) / name for name in ("texts.jsonl", "many", "one"))
        texts.write_text("".join(json.dumps({"text": f"{k}, {k + 1}, {k + 2}."}) + "\n" for k in range(documents)))
        # Ray gives each task as many threads as processors: one, which the other process has as well.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}

        def run(*words):
            done = subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return done.stdout

        run(sys.executable, examples / "ray/corpus.py", "--input", texts, "--out", many, "--shards", shards, "--lens", lens)
        run(lens, "corpus", "run", "--input", texts, "-o", one)
        manifests = [json.loads(path.read_text()) for path in sorted(many.glob("part-*.json"))]
        assert sorted(manifest["made"]["shard"] for manifest in manifests) == [f"{k}/{shards}" for k in range(shards)]
        merged = [json.loads(run(lens, "corpus", "merge", place, "--format", "json")) for place in (many, one)]
        assert merged[0]["documents"] == documents and merged[0] == merged[1], "Ray's numbers are not those of one process"


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    for check in (kubernetes, slurm, ray):
        check(folder)
        print(f"the example for {check.__name__} holds", file=sys.stderr, flush=True)
    if len(sys.argv) > 2:
        ray_with_lens(folder, os.path.abspath(sys.argv[2]))
        print("Ray's numbers are those of one process", file=sys.stderr, flush=True)
    else:
        print("skipped: Ray did not run lens, which is not built here", file=sys.stderr, flush=True)
