"""A scripted session cut at every byte, in either direction; and pairs of cuts, the second one behind every frame of the
recovery from the first."""
import hashlib
import pathlib
import re
import subprocess
import sys

from proof import Proof

COLUMNS = ["script", "commands", "cut", "offsets", "pairs", "violations"]
KINDS = ("up", "overshoot", "down")
LINE = re.compile(r"script \d+, (\d+) commands: (\w+) +(\d+) of +(\d+) offsets, +(\d+) pairs, 0 violations")
PIECE = 100  # offsets of a series with pairs: so much is done again after a stop


def run(program, script, *options):
    """{kind: [commands, offsets, bytes of that direction, pairs]}"""
    done = subprocess.run([program, "--script", str(script), *map(str, options)], capture_output=True, text=True)
    if done.returncode != 0:
        return {"violation": done.stderr.strip() or f"status {done.returncode}"}
    return {kind: list(map(int, (commands, tried, end, pairs)))
            for commands, kind, tried, end, pairs in LINE.findall(done.stdout)}


def in_pieces(proof, program, mark, script):
    """Every offset with every pair."""
    first = run(program, script, "--to", 0)
    if not proof.check(set(first) == set(KINDS), first.get("violation", "rows are missing")):
        return None
    total = {kind: [first[kind][0], 0, first[kind][2], 0] for kind in KINDS}
    for start in range(1, max(first[kind][2] for kind in KINDS) + 1, PIECE):
        piece = proof.series(f"{mark}-{script}-pairs-{start}",
                             lambda start=start: run(program, script, "--from", start, "--to", start + PIECE - 1, "--pairs", 1))
        if not proof.check(set(piece) == set(KINDS), piece.get("violation", "rows are missing")):
            return None
        for kind in KINDS:
            total[kind][1] += piece[kind][1]
            total[kind][3] += piece[kind][3]
    return total


def main():
    proof = Proof("offsets", "Cuts at every byte of a scripted session", COLUMNS)
    program = proof.program("sim_cuts")
    mark = hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()[:12]
    for script in proof.pick((1,), range(1, 9)):
        if script == 1 and not proof.small:
            result = in_pieces(proof, program, mark, script)
        else:
            result = proof.series(f"{mark}-{script}", lambda: run(program, script, "--pairs", 40 if proof.small else 0))
        if result is None or not proof.check(set(result) == set(KINDS), result.get("violation", "rows are missing")):
            continue
        for kind in KINDS:
            commands, tried, end, pairs = result[kind]
            proof.check(tried == end and commands >= 60, f"script {script}, {kind}: {tried} of {end} offsets, {commands} commands")
            proof.row(script, commands, kind, tried, pairs, 0)
    proof.note("up: the link is reset when so many bytes were written; overshoot: more were written, and so many arrived; down: "
               "so many of the broker's bytes came. A pair's second cut falls behind a frame of the recovery, each in turn, on "
               "each of its links and in either direction.")
    return proof.finish()


if __name__ == "__main__":
    sys.exit(main())
