"""A scripted session cut at every byte, in either direction; and pairs of cuts, the second one in the recovery."""
import hashlib
import pathlib
import re
import subprocess
import sys

from proof import Proof

COLUMNS = ["script", "commands", "cut", "offsets", "pairs", "violations"]
LINE = re.compile(r"script (\d+), (\d+) commands: (\w+) +(\d+) offsets, +(\d+) pairs, 0 violations")


def run(program, script, stride):
    done = subprocess.run([program, "--script", str(script), "--pairs", str(stride)], capture_output=True, text=True)
    if done.returncode != 0:
        return {"violation": done.stderr.strip() or f"status {done.returncode}"}
    return {"rows": [list(found.groups()) for found in LINE.finditer(done.stdout)]}


def main():
    proof = Proof("offsets", "Cuts at every byte of a scripted session", COLUMNS)
    program = proof.program("sim_cuts")
    mark = hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()[:12]
    scripts, stride = proof.pick(([1], 4000), (range(1, 9), 100))
    for script in scripts:
        result = proof.series(f"{mark}-{script}", lambda: run(program, script, stride))
        if not proof.check(len(result.get("rows", [])) == 3, result.get("violation", "rows are missing")):
            continue
        for number, commands, kind, offsets, pairs in result["rows"]:
            proof.row(int(number), int(commands), kind, int(offsets), int(pairs), 0)
    proof.note("up: the link is reset when so many bytes were written; overshoot: more were written, and so many arrived; down: "
               "so many of the broker's bytes came.")
    return proof.finish()


if __name__ == "__main__":
    sys.exit(main())
