"""Random work under random faults on virtual time: a client, a network and a broker in one thread, from a seed."""
import hashlib
import pathlib
import re
import subprocess
import sys

from proof import Proof

COLUMNS = ["seeds", "scenarios", "violations", "cuts", "sends", "operations", "re-attached", "recreated",
           "uncounted at a REATTACH", "answers lost", "answers doubled", "seconds", "scenarios/s", "virtual hours",
           "virtual hours/s"]
COUNTS = re.compile(r"(\d+) scenarios, no violation: (\d+) cuts, (\d+) sends, (\d+) operations, (\d+) re-attached, "
                    r"(\d+) recreated\nbroker: (\d+) uncounted at a REATTACH, (\d+) answers lost, (\d+) doubled")
TIMES = re.compile(r"([\d.]+) s, (\d+) scenarios per second, ([\d.]+) virtual hours \(([\d.]+) per second\)")


def run(program, first, count):
    done = subprocess.run([program, "--from", str(first), "--seeds", str(count)], capture_output=True, text=True)
    counts, times = COUNTS.search(done.stdout), TIMES.search(done.stdout)
    if done.returncode != 0 or not counts or not times:
        return {"violation": done.stderr.strip() or f"status {done.returncode}"}
    return {"counts": [int(n) for n in counts.groups()], "times": [float(n) for n in times.groups()]}


def main():
    proof = Proof("sim", "Random scenarios on virtual time", COLUMNS)
    program = proof.program("sim")
    mark = hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()[:12]
    count, parts = proof.pick((10000, 1), (50000, 20))
    for first in range(1, count * parts + 1, count):
        result = proof.series(f"{mark}-{first}", lambda: run(program, first, count))
        if not proof.check("counts" in result, result.get("violation", "")):
            continue
        n, t = result["counts"], result["times"]
        proof.row(f"{first} to {first + count - 1}", n[0], 0, *n[1:], t[0], int(t[1]), t[2], t[3])
    proof.note("Even seeds are exact: whatever happens, nothing may be lost, doubled, out of order or in doubt. In odd ones the "
               "broker restarts as well and loses what was not on disk: every outcome has to tell the truth.")
    proof.note("The broker is the mock of src/mock, with its chances of lost and doubled answers.")
    return proof.finish()


if __name__ == "__main__":
    sys.exit(main())
