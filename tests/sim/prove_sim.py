"""Random work under random faults on virtual time: a client, a network and a broker in one thread, from a seed."""
import hashlib
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "artemis"), str(ROOT / "scripts/lib")]
from proof import Proof  # noqa: E402
from run_tests import plain_address_space  # noqa: E402

SANITIZED = 5000

COLUMNS = ["seeds", "scenarios", "violations", "cuts", "sends", "operations", "re-attached", "recreated",
           "uncounted at a REATTACH", "answers lost", "answers doubled", "seconds", "scenarios/s", "virtual hours",
           "virtual hours/s"]
COUNTS = re.compile(r"(\d+) scenarios, no violation: (\d+) cuts, (\d+) sends, (\d+) operations, (\d+) re-attached, "
                    r"(\d+) recreated\nbroker: (\d+) uncounted at a REATTACH, (\d+) answers lost, (\d+) doubled")
TIMES = re.compile(r"([\d.]+) s, (\d+) scenarios per second, ([\d.]+) virtual hours \(([\d.]+) per second\)")


def sanitized():
    """The same program with AddressSanitizer and UndefinedBehaviorSanitizer; it has one thread."""
    for command in (["cmake", "--preset", "asan"],
                    ["cmake", "--build", "--preset", "asan", "-j", str(os.cpu_count() or 1), "--target", "sim"]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return str(ROOT / "build/asan/tests/sim")


def run(program, first, count, prefix=()):
    done = subprocess.run([*prefix, program, "--from", str(first), "--seeds", str(count)], capture_output=True, text=True)
    counts, times = COUNTS.search(done.stdout), TIMES.search(done.stdout)
    if done.returncode != 0 or not counts or not times:
        return {"violation": done.stderr.strip() or f"status {done.returncode}"}
    return {"counts": [int(n) for n in counts.groups()], "times": [float(n) for n in times.groups()]}


def show(proof, seeds, result):
    if not proof.check("counts" in result, result.get("violation", "")):
        return
    n, t = result["counts"], result["times"]
    proof.row(seeds, n[0], 0, *n[1:], t[0], int(t[1]), t[2], t[3])


def main():
    proof = Proof("sim", "Random scenarios on virtual time", COLUMNS)
    program = proof.program("sim")
    mark = hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()[:12]
    count, parts = proof.pick((10000, 1), (50000, 20))
    for first in range(1, count * parts + 1, count):
        result = proof.series(f"{mark}-{first}", lambda: run(program, first, count))
        show(proof, f"{first} to {first + count - 1}", result)
    if not proof.small:
        result = proof.series(f"{mark}-asan", lambda: run(sanitized(), 1, SANITIZED, plain_address_space()))
        show(proof, f"1 to {SANITIZED}, sanitizers", result)
    proof.note("Even seeds are exact: whatever happens, nothing may be lost, doubled, out of order or in doubt. In odd ones the "
               "broker restarts as well and loses what was not on disk: every outcome has to tell the truth.")
    proof.note("The broker is the mock of src/mock, with its chances of lost and doubled answers.")
    return proof.finish()


if __name__ == "__main__":
    sys.exit(main())
