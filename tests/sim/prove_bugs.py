"""Bugs put back on purpose are found by the simulation: see bugs.py."""
import pathlib
import re
import subprocess
import sys

from proof import Proof

HERE = pathlib.Path(__file__).resolve().parent
SOME = ["--seeds", "2000", "exception_counted", "replay_at_once", "setup_not_numbered", "stale_barrier_accepted",
        "timed_out_goes_on"]
LINE = re.compile(r"^(\w+) +(\d+|MISSED)  (.*)$", re.M)


def main():
    proof = Proof("bugs", "Bugs put back on purpose", ["bug", "what it is", "scenarios until it was found", "what was seen"])
    done = subprocess.run([sys.executable, HERE / "bugs.py", *proof.pick(SOME, [])], capture_output=True, text=True)
    found = LINE.findall(done.stdout)
    for name, scenarios, seen in found:
        proof.check(scenarios != "MISSED", f"{name}: {seen}")
        about = (HERE / "bugs" / f"{name}.patch").read_text().splitlines()[0]
        proof.row(name.replace("_", " "), about, int(scenarios) if scenarios != "MISSED" else scenarios, seen)
    proof.check(done.returncode == 0 and found, done.stdout[-300:] + done.stderr[-300:])
    return proof.finish()


if __name__ == "__main__":
    sys.exit(main())
