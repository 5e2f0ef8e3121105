"""A link that falls silent under durable sends, for less and for longer than the broker keeps a session without one.

C sends and notes outcomes and events (prove_restart.c) through a relay, which swallows everything and lets no new connection
through for that long; the Java judge empties the queue afterwards.
"""
import pathlib
import sys
import tempfile
import time

from prove_restart import Sender, outages, violations
from proof import Proof
from storm import ROOT, Broker, join

sys.path.insert(0, str(ROOT / "tests/cli"))
from kit import Relay  # noqa: E402

COLUMNS = ["silent for, s", "TTL, s", "duplicate ids", "messages", "confirmed", "unknown", "lost", "doubled",
           "no or two outcomes", "re-attached", "recreated", "outage, s"]


def refused_every(ids):
    """With refusals among them only some sends are on the wire at a time; without, there are always many in doubt."""
    return 50 if ids else 0


def silence(proof, broker, seconds, ttl, ids):
    queue, every = f"silence.{seconds}.{ids}", refused_every(ids)
    broker.judge.ask("create", queue)
    more = f"&connectionTTL={ttl}000&clientFailureCheckPeriod={ttl}00{'&duplicateDetection=true' if ids else ''}"
    with tempfile.TemporaryDirectory() as scratch, Relay(proof.program("relay"), broker.port) as relay:
        sender = Sender(proof, relay.port, "pipelined", every, queue, f"{scratch}/outcomes", more)
        sender.wait(lambda: sender.full == len(sender.events))
        time.sleep(1)  # into the middle of the stream: the first send to an address goes alone
        relay.ask("refuse on")
        relay.ask("cut silent")
        time.sleep(seconds)
        relay.ask("refuse off")
        back = sender.wait(lambda: sender.back() >= 1)
        time.sleep(1)
        status = sender.end()
        outcomes = pathlib.Path(f"{scratch}/outcomes").read_bytes()
    return {"back": back, "status": status, "summary": sender.summary,
            "judged": join(outcomes, broker.judge.drain(queue), every), "illegal": violations(sender.events, [0])[:5],
            "outages": outages(sender.events), "reattached": sum(e["event"] == "reattached" for e in sender.events),
            "recreated": sum(e["event"] == "recreated" for e in sender.events)}


def judge(proof, seconds, ttl, ids, r):
    j, s, name = r["judged"], r["summary"] or {}, f"silent for {seconds} s{', ids' if ids else ''}"
    without = j["without_outcome"] + s.get("doubled_outcomes", 0)
    proof.row(seconds, ttl, ids, j["messages"], s.get("confirmed", 0), j["unknown"], j["lost"], j["doubled"], without,
              r["reattached"], r["recreated"], round(max(r["outages"], default=0), 1))
    proof.check(r["back"] and r["status"] == 0 and not r["illegal"], f"{name}: {r['status']}, events {r['illegal']}")
    proof.check(j["lost"] == 0 and j["doubled"] == 0 and j["wrong"] == 0 and without == 0, f"{name}: {j}")
    proof.check((j["rejected"] > 0) == ids and s.get("confirmed", 0) > 0, f"{name}: proves nothing: {s}")
    kept = seconds < ttl
    proof.check((r["reattached"], r["recreated"]) == ((1, 0) if kept else (0, 1)),
                f"{name}: re-attached {r['reattached']} times, recreated {r['recreated']} times")
    proof.check((j["unknown"] == 0) == (kept or ids), f"{name}: {j['unknown']} unknown")


def main():
    proof = Proof("silence", "A silent link under durable sends", COLUMNS)
    with Broker() as broker:
        for seconds, ttl, ids in proof.pick([(6, 2, True)], [(15, 30, False), (45, 30, False), (45, 30, True)]):
            key = f"{seconds}-{ttl}-{'ids' if ids else 'plain'}"
            judge(proof, seconds, ttl, ids, proof.series(key, lambda: silence(proof, broker, seconds, ttl, ids)))
    proof.note("The relay swallows what both sides write and refuses new connections for that long; 1,500 sends without an "
               "outcome when it begins, with duplicate ids one in fifty of them refused. reliable=true, which sets a TTL of "
               "30 s.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
