"""Many sessions cut at once, behind a slow road, with one held up and a second cut inside the recovery."""
import pathlib
import sys
import tempfile

from proof import Proof
from storm import CONFIRMED, REJECTED, Broker, run

COLUMNS = ["connections", "sessions", "delay ms", "sends", "second cut", "re-attached", "barriers", "skipped",
           "n2 > n1", "replayed", "answers lost", "lost", "doubled", "acknowledged but left", "all others back ms",
           "held-up one back ms"]
SPACE = 16
NOT_SENT = 255
HOLD_MS = 5000



def judged(seqs, outcomes):
    times = [0] * len(outcomes)
    for seq in seqs:
        if 0 <= seq < len(times):
            times[seq] += 1
    j = {"lost": 0, "doubled": 0, "wrong": 0, "stored": len(seqs)}
    for seq, outcome in enumerate(outcomes):
        index = seq // SPACE
        forbidden = index % 5 == 4 and index % 10 != 9 and seq % SPACE == 10
        expected = NOT_SENT if outcome == NOT_SENT else REJECTED if forbidden else CONFIRMED
        j["wrong"] += outcome != expected
        j["lost"] += outcome == CONFIRMED and times[seq] == 0
        j["doubled"] += max(0, times[seq] - (outcome == CONFIRMED))
    return j


def one(proof, broker, connections, sessions, totals):
    key = f"{connections}x{sessions}"

    def many():
        with tempfile.TemporaryDirectory() as scratch:
            out = pathlib.Path(scratch) / "o"
            result = run(proof.program("prove_many"), 300, "--broker", broker.port, "--queue", f"many.{key}", "--threads",
                         connections, "--lanes", sessions, "--delay", 50, "--out", out)
            if out.exists():
                result["judged"] = judged(broker.judge.drain(f"many.{key}"), out.read_bytes())
            return result

    r = proof.series(key, many)
    if not proof.check("judged" in r, f"{key}: {r.get('error')}"):
        return
    j = r["judged"]
    total = connections * sessions
    for name in totals:
        totals[name] += r[name]
    proof.row(connections, total, 50, r["sent"], r["second_cuts"], r["reattached"], r["barriers"], r["barriers_skipped"],
              r["count_advanced"], r["replayed"], r["answers_lost"], j["lost"], j["doubled"], r["left"], r["others_ms"],
              r["held_ms"])
    proof.check(r["errors"] == r["hangs"] == 0, f"{key}: {r['error']}")
    proof.check(j["lost"] == j["doubled"] == j["wrong"] == 0 and r["left"] == 0, f"{key}: {j}, {r['left']} left")
    proof.check(r["reattached"] >= total and r["recreated"] == 0, f"{key}: {r['reattached']} of {total} re-attached")
    proof.check(r["second_cuts"] > 0 and r["recoveries_cut"] > 0, f"{key}: the second cut hit no recovery")
    proof.check(r["held_ms"] >= HOLD_MS, f"{key}: the held-up one was back after {r['held_ms']} ms: not held up")
    proof.check(r["others_ms"] < HOLD_MS and r["others_ms"] < 20000,
                f"{key}: the others were back only after {r['others_ms']} ms: held up by the one, or near the TTL")
    if not proof.small:
        proof.check_worth(key, r)


def main():
    proof = Proof("many", "Many sessions cut at once", COLUMNS)
    totals = {"count_advanced": 0, "barriers_skipped": 0}
    with Broker("--big", "--slow-disk", str(proof.pick(500, 2000))) as broker:
        one(proof, broker, 1, proof.pick(200, 1000), totals)
    # Each REATTACH holds a thread of the broker's pool (30 by default) until the session's own executor, which runs in the
    # same pool, has answered: more connections than threads, all coming back in one moment, stop the broker for good.
    with Broker("--big", "--slow-disk", "500", "--setting", "thread-pool-max-size=500") as broker:
        one(proof, broker, proof.pick(40, 200), proof.pick(2, 5), totals)
    proof.check_worth("all together", totals)
    proof.note("Every tenth session is transacted and has an acknowledgement pending, one in a hundred has nothing logged; the "
               "disk takes up to 2,000 ms for a sync (500 with many connections); the barrier of one session is held back for 5 s after each re-attachment; the TTL is 60 s. Times are from the "
               "first cut to the (last) re-attachment of the slowest session. With many connections the "
               "broker has thread-pool-max-size=500: with the default of 30 it stops for good when more than 30 connections ask for "
               "sessions in the same moment (its threads wait for its threads), whoever the client is.")
    sys.exit(proof.finish())


main()
