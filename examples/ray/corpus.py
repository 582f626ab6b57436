"""A corpus on Ray: each share is a task that runs `lens`, and the merge comes after the last one.

    pip install ray
    python examples/ray/corpus.py --input s3://corpus/texts/ --out s3://corpus/results --shards 16 -- -m ID --device cuda

Every node needs `lens` on its PATH (or --lens, the path that it has there), and sees the texts and the place of the results.
A share that fails, or whose node goes away, is begun again and goes on where it stopped.
"""

import argparse
import os
import subprocess
import sys

import ray


@ray.remote
def share(lens, texts, out, index, shards, options):
    """Runs one share; which one, the program reads from RANK and WORLD_SIZE."""
    # What another launcher says would be another answer to the same question.
    others = ("SLURM_", "JOB_COMPLETION")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    environment.update(RANK=str(index), WORLD_SIZE=str(shards))
    command = [lens, "corpus", "run", "--input", texts, "-o", out, "--shard", "auto", *options]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(f"share {index} of {shards} failed ({done.returncode}): {done.stderr[-2000:].strip()}")
    return index


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", required=True, help="a file or folder, here or in an object store")
    parser.add_argument("--out", required=True, help="where the results go: a place that every node sees")
    parser.add_argument("--shards", type=int, required=True, help="how many shares")
    parser.add_argument("--cpus", type=float, default=1, help="processors of a share")
    parser.add_argument("--gpus", type=float, default=0, help="cards of a share")
    parser.add_argument("--retries", type=int, default=3, help="how often a share that fails is begun again")
    parser.add_argument("--lens", default="lens", help="the program")
    parser.add_argument("options", nargs="*", help="after --: more options of lens corpus run, such as -m MODEL")
    asked = parser.parse_args()
    if asked.shards < 1:
        parser.error("--shards has to be at least 1")

    ray.init(log_to_driver=False)
    # max_retries is for nodes that go away; retry_exceptions counts what the program says as well.
    task = share.options(
        num_cpus=asked.cpus, num_gpus=asked.gpus, max_retries=asked.retries, retry_exceptions=True
    )
    given = (asked.lens, asked.input, asked.out)
    left = [task.remote(*given, index, asked.shards, asked.options) for index in range(asked.shards)]
    while left:
        [done], left = ray.wait(left)
        try:
            print(f"share {ray.get(done)} is there, {len(left)} are left", file=sys.stderr, flush=True)
        except ray.exceptions.RayError as error:
            sys.exit(f"error: {error}")
    sys.exit(subprocess.run([asked.lens, "corpus", "merge", asked.out]).returncode)


if __name__ == "__main__":
    main()
