"""The mock has to lose and double where real brokers did, and nowhere else: the same experiments, side by side."""
import hashlib
import json
import pathlib
import subprocess
import sys

from proof import Proof

COUNTS = ("cuts", "sent", "lost", "doubled", "refused", "left")
COLUMNS = ["work", "cut", "disk", "after the cut", *(f"mock: {count}" for count in COUNTS),
           *(f"Artemis: {count}" for count in COUNTS), "same verdict"]

VARIANTS = {
    "A": "replay after the first count",
    "B": "a counted barrier",
    "D": "50 ms, the same link again",
    "Q": "an uncounted barrier, another link",
}

# What was measured with Artemis 2.44.0: (work, cuts, disk, variant): cuts, sent, lost, doubled, refused, left. Of
# acknowledgements: deliveries; refused: acknowledgements of what was not there; left: in the queue at the end.
REAL = {
    ("sends", "rst", "fast", "A"): (400, 98936, 11320, 27361, None, None),
    ("sends", "fin", "fast", "A"): (400, 98936, 12623, 28453, None, None),
    ("sends", "abandon", "fast", "A"): (400, 98140, 225, 33445, None, None),
    ("sends", "late", "fast", "A"): (400, 101178, 9377, 27105, None, None),
    ("sends", "rst fin abandon late", "fast", "B"): (4000, 992181, 0, 0, None, None),
    ("sends", "rst fin abandon late", "fast", "D"): (1600, 399386, 0, 0, None, None),
    ("sends", "rst fin abandon", "fast", "Q"): (1449, 224728, 0, 0, None, None),
    ("sends", "rst", "slow", "B"): (60, None, 0, 0, None, None),
    ("sends", "rst", "slow", "D"): (60, 7279, 902, 4696, None, None),
    ("sends", "rst", "slow", "Q"): (60, None, 0, 0, None, None),
    ("transactions", "rst abandon", "fast", "A"): (400, 59243, 3528, 17831, None, None),
    ("transactions", "rst abandon", "fast", "B"): (960, 144226, 0, 0, None, None),
    ("transactions", "rst abandon", "fast", "D"): (400, 59243, 0, 0, None, None),
    ("transactions", "rst abandon", "fast", "Q"): (1259, 134608, 0, 0, None, None),
    ("acknowledgements", "rst", "fast", "A"): (400, 100000, 0, 0, 11313, 1424),
    ("acknowledgements", "rst", "fast", "B"): (1680, 420000, 0, 0, 0, 0),
    ("acknowledgements", "rst", "fast", "Q"): (1102, 200000, 0, 0, 0, 0),
}


def run(program, sessions):
    done = subprocess.run([program, "--sessions", str(sessions)], capture_output=True, text=True)
    if done.returncode != 0:
        return {"error": done.stderr.strip() or f"status {done.returncode}"}
    return {"rows": [json.loads(line) for line in done.stdout.splitlines()]}


def sum_of(rows, key):
    work, cuts, disk, variant = key
    of_it = [row for row in rows if (row["work"], row["disk"], row["variant"]) == (work, disk, variant)
             and row["cut"] in cuts.split()]
    return [sum(row[count] for row in of_it) for count in COUNTS] if len(of_it) == len(cuts.split()) else None


def verdict(counts):
    """Of lost, doubled, refused, left: whether there was any. What was not looked at is None."""
    return [None if count is None else count > 0 for count in counts[2:]]


def agree(mock, real):
    return all(b is None or a == b for a, b in zip(verdict(mock), verdict(real)))


def main():
    proof = Proof("calibration", "The mock and a real broker, judged by the same experiments", COLUMNS)
    program = proof.program("calibration")
    mark = hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()[:12]
    result = proof.series(mark, lambda: run(program, proof.pick(2, 50)))
    proof.check("rows" in result, result.get("error", ""))
    for key, real in REAL.items():
        mock = sum_of(result.get("rows", []), key)
        if not proof.check(mock is not None, f"{key}: it was not tried with the mock"):
            continue
        same = proof.check(agree(mock, real), f"{key}: the mock {mock}, Artemis {real}")
        work, cuts, disk, variant = key
        proof.row(work, cuts.replace(" ", ", "), disk, f"{variant}: {VARIANTS[variant]}", *mock,
                  *("" if count is None else count for count in real), same)
    proof.note("The client is bare: one session, a log, and one of four ways to go on after a cut. Both times it works "
               "on after a cut without waiting for answers. Twenty cuts to a session; each of 100 to 400 sends, or 5 to "
               "40 transactions of 1 to 12, or as many acknowledgements as there are deliveries.")
    proof.note("A verdict is whether there was any: the mock's disk is not that of the measurement, and how much was "
               "under way at a cut is chance. The slow disk takes up to 300 ms for a sync; Artemis was made slow by "
               "the flush interval of its journal.")
    proof.note("With A an abandoned link costs the mock's clients more than those of Artemis: it leaves more of what it has "
               "read undone when a session moves, which makes it the harder of the two to get along with.")
    proof.note("With D a second REATTACH goes to the link on which the session lives. Where deliveries are under way "
               "this is unsound with Artemis as well, and Artemis 2.18 does not survive it: it is no way out even on a "
               "fast disk.")
    proof.note("Artemis with Q: the cuts include 549, 359 and 302 inside the recovery; these acknowledgements were made "
               "partly with a window of one byte and no second link. With the slow disk B and Q lost and doubled "
               "nothing, how much they sent was not kept.")
    return proof.finish()


if __name__ == "__main__":
    sys.exit(main())
