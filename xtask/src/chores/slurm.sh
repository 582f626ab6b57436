#!/bin/bash
# A corpus on a real Slurm of one machine: 8 tasks, one of which is killed, put back, merged, and compared with one process.
#
#   slurm.sh LENS EXAMPLES TEXTS FOLDER
#
# Needs Debian's slurm-wlm and munge, and root: Slurm starts its own daemons, in FOLDER alone.
set -euo pipefail
lens=$(realpath "$1") examples=$(realpath "$2") texts=$(realpath "$3") folder=$(realpath -m "$4")
tasks=8
rm -rf "$folder" && mkdir -p "$folder"/{spool,state,bin} && cd "$folder"
ln -s "$lens" bin/lens
ln -s "$(dirname "$lens")/lens-engine" bin/lens-engine

say() { printf '%s\n' "$*" >&2; }
pids=()
# shellcheck disable=SC2317 # called by the trap
end() {
    [[ ${#pids[@]} == 0 ]] || kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
}
trap end EXIT

# Daemons: munge signs what they say to each other; the controller hands out tasks, and the other one runs them.
mkdir munge && chmod 700 munge && chown -R root:root munge
dd if=/dev/urandom of=munge/key bs=128 count=1 2>/dev/null && chmod 400 munge/key
munged --foreground --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" &
pids+=($!)
cores=$(nproc)
cat > slurm.conf <<CONF
ClusterName=one
SlurmctldHost=$(hostname -s)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=60
KillWait=2
MinJobAge=3600
NodeName=$(hostname -s) CPUs=$cores State=UNKNOWN
PartitionName=all Nodes=$(hostname -s) Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$folder/slurm.conf
for _ in {1..50}; do [[ -S munge/socket ]] && break; sleep 0.1; done
slurmctld -D &
pids+=($!)
slurmd -D &
pids+=($!)
for _ in {1..100}; do sinfo -h -o %T 2>/dev/null | grep -q idle && break; sleep 0.3; done
sinfo -h -o %T | grep -q idle || { say "Slurm does not come up:"; tail -n 20 ./*.log >&2; exit 1; }

# One process, whose numbers the tasks have to find again.
run=(corpus run --input "$texts" --part-documents 3 --context 64)
PATH=$folder/bin:$PATH lens "${run[@]}" -o "$folder/one"

# The script of the examples as it is but for its size: the arguments are those of a small run.
sed -e "s/^#SBATCH --array=.*/#SBATCH --array=0-$((tasks - 1))/" -e 's/^#SBATCH --cpus-per-task=.*/#SBATCH --cpus-per-task=1/' \
    -e '/^#SBATCH --mem=/d' -e 's/--shard auto/--shard auto --part-documents 3 --context 64 --threads 1/' \
    "$examples/slurm/corpus.sbatch" > corpus.sbatch
job=$(PATH=$folder/bin:$PATH INPUT=$texts OUT=$folder/parts sbatch --parsable --export=ALL corpus.sbatch)
say "array $job of $tasks tasks"

# One task is killed where it stands, as a node that dies would do it, and handed in again.
killed=
for _ in {1..600}; do
    killed=$(squeue -h -t R -j "$job" -o %K | head -n 1)
    [[ -n $killed ]] && break
    sleep 0.1
done
[[ -n $killed ]] || { say "no task ever ran"; exit 1; }
sleep 0.4
scancel --signal=KILL --full "${job}_$killed"
say "task $killed killed"
while squeue -h -j "$job" -t PD,R,CG | grep -q .; do sleep 0.5; done
state=$(scontrol show job "${job}_$killed" | grep -o 'JobState=[A-Z]*' || true)
say "task $killed ended as ${state#JobState=}"
PATH=$folder/bin:$PATH
if lens corpus merge "$folder/parts" > /dev/null 2> merge.log; then
    say "the killed task had come to its end: nothing was lost"
else
    say "before it is handed in again: $(tail -n 1 merge.log)"
fi
again=$(INPUT=$texts OUT=$folder/parts sbatch --parsable --export=ALL --array="0-$((tasks - 1))" corpus.sbatch)
while squeue -h -j "$again" -t PD,R,CG | grep -q .; do sleep 0.5; done

lens corpus merge "$folder/parts" --format json > tasks.json
lens corpus merge "$folder/one" --format json > one.json
# What runs on one thread and on several may differ by rounding: whole numbers are equal, others to 1e-5.
python3 - one.json tasks.json <<'PYTHON'
import json, sys

def compare(a, b, at=""):
    assert type(a) is type(b) or {type(a), type(b)} == {int, float}, (at, a, b)
    if isinstance(a, dict):
        assert a.keys() == b.keys(), (at, a.keys() ^ b.keys())
        return sum(compare(a[key], b[key], f"{at}/{key}") for key in a)
    if isinstance(a, list):
        assert len(a) == len(b), at
        return sum(compare(x, y, f"{at}/{i}") for i, (x, y) in enumerate(zip(a, b)))
    if isinstance(a, float):
        assert abs(a - b) <= 1e-5 * max(1, abs(a)), (at, a, b)
        return a != b
    assert a == b, (at, a, b)
    return 0

one, tasks = (json.load(open(name)) for name in sys.argv[1:])
apart = compare(one, tasks)
print(f"{one['documents']} documents in {one['parts']} parts, {one['positions']} positions: the tasks' numbers are those of one process"
      + ("" if apart == 0 else f"; {apart} differ by rounding"))
PYTHON
