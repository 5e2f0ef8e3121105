"""Bursts of pipelined durable sends, cut in every way: nothing lost, nothing doubled, one outcome each."""
import contextlib
import itertools
import sys
import tempfile

from proof import Proof
from storm import Broker, Emptying, judge_lanes, run

COLUMNS = ["cut", "disk", "refused", "sessions", "threads", "cuts", "second cuts", "messages", "unanswered at a cut", "n2 > n1",
           "replayed", "answers lost", "answers doubled", "barriers", "skipped", "rejected", "unknown", "lost",
           "doubled", "out of order"]
QUIET = 20  # every so many cuts one comes when everything is answered


def series(proof, broker, key, arguments, lanes, every, seconds, emptied=False, more=dict):
    """emptied: the queues, while they are being filled. more(): what else belongs to the result."""
    def storm():
        with tempfile.TemporaryDirectory() as scratch:
            queue = f"burst.{key}"
            with Emptying(broker.judge, queue, lanes) if emptied else contextlib.nullcontext() as taken:
                result = run(proof.program("prove_burst"), seconds, "--broker", broker.port, "--queue", queue, "--out",
                             f"{scratch}/o", "--forbidden-every", every, *arguments)
            result["judged"] = judge_lanes(broker.judge, queue, f"{scratch}/o", lanes, every, taken) if "sent" in result else {}
            return {**result, **more()}
    return proof.series(key, storm)


def row(proof, how, disk, every, lanes, threads, r, *rest):
    j = r["judged"]
    proof.row(how, disk, f"1 in {every}" if every else "none", lanes, threads, r["relay"]["effective"], r["second_cuts"], j["messages"],
              r["unanswered_at_cuts"], r["count_advanced"], r["replayed"], r["answers_lost"], r["answers_doubled"],
              r["barriers"], r["barriers_skipped"], j["rejected"], j["unknown"], j["lost"], j["doubled"],
              j["out_of_order"], *rest)


def exact(proof, key, r):
    """What holds however the links were cut; but for the order."""
    j = r.get("judged", {})
    if not proof.check(bool(j), f"{key}: {r.get('error')}"):
        return False
    proof.check(r["errors"] == 0 and r["hangs"] == 0, f"{key}: hangs {r['hangs']}, errors {r['errors']}: {r['error']}")
    proof.check(r["recreated"] == 0, f"{key}: {r['recreated']} sessions were recreated although the broker lived on")
    proof.check(j["lost"] == j["doubled"] == 0, f"{key}: {j}")
    proof.check(j["without_outcome"] == j["wrong"] == 0 and r["doubled_outcomes"] == 0, f"{key}: outcomes {j}")
    proof.check(j["unknown"] == 0 or r["numbering_repairs"] > 0, f"{key}: unknown without a repair: {j}")
    return True


def judge(proof, key, cuts, r, ordered=True):
    if not exact(proof, key, r):
        return
    proof.check(not ordered or r["judged"]["out_of_order"] == 0, f"{key}: {r['judged']['out_of_order']} out of order")
    proof.check(r["relay"]["effective"] >= cuts, f"{key}: only {r['relay']['effective']} cuts of {cuts}")
    if cuts >= QUIET:
        proof.check_worth(key, r)


def storms(proof, broker, disk, every, hows, cuts, seconds):
    for (how, second), (lanes, threads) in itertools.product(hows, [(1, 1), (4, 2)]):
        name = how + (" + second" if second else "")
        key = f"{disk}-{every}-{name}-{lanes}".replace(" ", "").replace(",", "")
        r = series(proof, broker, key, ["--how", how, "--second", second, "--lanes", lanes, "--threads", threads,
                                        "--cuts", cuts, "--seed", 7 + lanes], lanes, every, seconds)
        if r.get("judged"):
            row(proof, name, disk, every, lanes, threads, r)
        judge(proof, key, cuts, r)


def without_barrier(proof, broker, cuts, seconds):
    """The test can fail: the same with the barrier switched off loses and doubles."""
    r = series(proof, broker, "naive", ["--how", "rst", "--cuts", cuts, "--no-barrier", 1], 1, 0, seconds)
    j = r.get("judged", {})
    proof.note(f"With the barrier switched off: of {j.get('messages', 0):,} messages {j.get('lost', 0):,} lost and "
               f"{j.get('doubled', 0):,} doubled in {r.get('relay', {}).get('effective', 0):,} cuts "
               f"(errors {r.get('errors')}: {r.get('error', '')[:120]}).")
    proof.check(j.get("lost", 0) > 0 and j.get("doubled", 0) > 0, f"without the barrier nothing went wrong: {r}")


def main():
    proof = Proof("burst", "Bursts of pipelined durable sends, cut", COLUMNS)
    half = proof.pick(30, 500)
    hows = [("rst", 0), ("fin", 0), ("abandon", 0), ("rst,fin,abandon", 1.0)]
    with Broker("--big") as broker:
        storms(proof, broker, "fast", 50, proof.pick(hows[3:], hows), half, proof.pick(120, 1800))
        storms(proof, broker, "fast", 0, proof.pick(hows[:1], hows), half, proof.pick(120, 1800))
        without_barrier(proof, broker, half, proof.pick(120, 1800))
    with Broker("--big", "--slow-disk", "300") as broker:
        storms(proof, broker, "slow", 0, [("rst", 0)], proof.pick(20, 500), proof.pick(180, 3600))
    proof.note("Where one send in fifty is refused, nothing is written behind it until it is, so at most fifty are on the wire; "
               "where none is, all unanswered ones are.")
    proof.note("Slow: a journal flush every 300 ms. Cuts of each kind are shared out between one session on one thread "
               "and four sessions on two threads.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
