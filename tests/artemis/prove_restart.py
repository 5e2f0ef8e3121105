"""The broker is killed with -9 and started again under durable sends: the sender goes on by itself, every send ends in
exactly one way, and what the broker has agrees with it.

C sends and notes outcomes and events (prove_restart.c), the Java judge empties the queue afterwards, and the two are
joined by `seq`. Events of an outage have to come in the legal order: DISCONNECTED, RETRYING any number of times, then for
each session exactly one of REATTACHED, RECREATED, SESSION_LOST; a session that was not back yet may be missing when the
next outage begins.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

from proof import Proof
from storm import Broker, join

COLUMNS = ["sends", "kills", "messages", "confirmed", "rejected", "not done", "unknown", "unknown, there",
           "unknown, not", "open at a kill", "lost", "doubled", "no or two outcomes", "wrong", "recreated",
           "longest outage, s"]
BACK = {"reattached", "recreated", "session_lost"}
PATIENCE = 240
# A broker's start may take longer than a call waits by default, on a busy machine.
OPTIONS = ("user=limited&password=limited&reliable=true&maxRetryInterval=500&producerWindowSize=1048576&callTimeout=300000"
           "&callFailoverTimeout=-1")


class Sender:
    """The C program; its lines are read as they come."""

    def __init__(self, proof, port, mode, forbidden, queue, out, more=""):
        url = f"tcp://127.0.0.1:{port}?{OPTIONS}{more}"
        command = [proof.program("prove_restart"), "--url", url, "--queue", queue, "--mode", mode, "--out", out,
                   "--forbidden", str(forbidden)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events, self.full, self.summary, self.changed = [], 0, None, threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.wait(lambda: self.events)
        self.sessions = self.events.pop(0)["sessions"]

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                answer = json.loads(line)
                if answer.get("event") == "full":
                    self.full = len(self.events)
                elif "event" in answer:
                    self.events.append(answer)
                else:
                    self.summary = answer
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def wait(self, until):
        with self.changed:
            return self.changed.wait_for(lambda: until() or self.process.poll() is not None, PATIENCE) and bool(until())

    def back(self):
        return sum(event["event"] in BACK for event in self.events)

    def end(self):
        self.process.stdin.close()
        try:
            status = self.process.wait(180)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "hangs"
        self.reader.join(10)
        return status


def violations(events, sessions):
    """Of the legal sequence of events; sentences."""
    found, out, waiting = [], False, set()
    for n, event in enumerate(events):
        kind, session = event["event"], event["session"]
        if kind == "disconnected":
            out, waiting = True, set(sessions)
        elif kind == "retrying":
            if not out:
                found.append(f"event {n}: retrying while connected")
        elif kind in BACK:
            if session not in waiting:
                found.append(f"event {n}: {kind} of session {session}, which was not out")
            waiting.discard(session)
            out = bool(waiting)
        elif kind != "closed" or n != len(events) - 1:
            found.append(f"event {n}: {kind}")
    if waiting:
        found.append(f"sessions {sorted(waiting)} never came back")
    return found


def outages(events):
    """Seconds from each DISCONNECTED to the last session's return."""
    spans, since = [], None
    for event in events:
        if event["event"] == "disconnected" and since is None:
            since = event["ms"]
        elif event["event"] in BACK and since is not None:
            spans.append([since, event["ms"]])
            since = None
        elif event["event"] in BACK and spans:
            spans[-1][1] = event["ms"]
    return [(b - a) / 1000 for a, b in spans]


def kill_and_start(broker, sender, load):
    """One outage under load; whether all sessions came back from it."""
    if sender.sessions == 1: # pipelined: only when the line is full again
        sender.wait(lambda: sender.full == len(sender.events))
    time.sleep(random.uniform(*load))
    before = sender.back()
    broker.run("kill")
    time.sleep(random.choice([0, 0.2, 1]))
    broker.run("start")
    return sender.wait(lambda: sender.back() >= before + sender.sessions)


def has_ids(name):
    return name.endswith("-ids")


def restarts(proof, broker, name, forbidden, kills, load):
    queue, mode = f"restart.{name}", name.partition("-")[0]
    broker.judge.ask("create", queue)
    with tempfile.TemporaryDirectory() as scratch:
        sender = Sender(proof, broker.port, mode, forbidden, queue, f"{scratch}/outcomes",
                        "&duplicateDetection=true" if has_ids(name) else "")
        came_back = 0
        for _ in range(kills):
            came_back += kill_and_start(broker, sender, load)
            if sender.process.poll() is not None:
                break
        time.sleep(0.5)
        status = sender.end()
        try:
            outcomes = pathlib.Path(f"{scratch}/outcomes").read_bytes()
        except FileNotFoundError:
            outcomes = b""
    seqs = broker.judge.drain(queue)
    there = set(seqs)
    legal = violations(sender.events, [0] if mode == "pipelined" else [0, 2, 3])
    return {"status": status, "came_back": came_back, "summary": sender.summary,
            "judged": join(outcomes, seqs, forbidden),
            "unknown_there": sum(1 for seq, o in enumerate(outcomes) if o == 4 and seq in there),
            "illegal": legal[:5], "outages": outages(sender.events),
            "disconnected": sum(e["event"] == "disconnected" for e in sender.events),
            "recreated": sum(e["event"] == "recreated" for e in sender.events),
            "open": [e["open"] for e in sender.events if e["event"] == "disconnected"],
            "events": sender.events[:60]}


def judge(proof, mode, forbidden, kills, r):
    j, s = r["judged"], r["summary"] or {}
    proof.row(mode, r["disconnected"], j["messages"], s.get("confirmed", 0), j["rejected"], j["not_done"], j["unknown"],
              r["unknown_there"], j["unknown"] - r["unknown_there"], min(r["open"], default=0), j["lost"], j["doubled"],
              j["without_outcome"] + s.get("doubled_outcomes", 0), j["wrong"], r["recreated"],
              round(max(r["outages"], default=0), 1))
    proof.check(r["status"] == 0 and bool(s), f"{mode}: the sender ended with {r['status']}")
    proof.check(r["came_back"] == kills and r["disconnected"] >= kills,
                f"{mode}: back after {r['came_back']} of {kills}")
    proof.check(j["lost"] == 0, f"{mode}: {j['lost']} confirmed messages are not there")
    proof.check(j["doubled"] == 0, f"{mode}: {j['doubled']} messages are there twice")
    proof.check(j["without_outcome"] == 0 and s.get("doubled_outcomes") == 0, f"{mode}: not one outcome each: {s}")
    proof.check(j["wrong"] == 0, f"{mode}: {j['wrong']} outcomes that cannot be")
    proof.check(s.get("odd_errors") == 0, f"{mode}: sends ended with an unexpected error")
    proof.check(not r["illegal"], f"{mode}: events: {r['illegal']}")
    proof.check(s.get("confirmed", 0) > 0 and (j["rejected"] > 0) == (forbidden > 0), f"{mode}: proves nothing: {s}")
    if has_ids(mode):
        proof.check(j["unknown"] == 0 and j["not_done"] == 0 and min(r["open"], default=0) >= 1000,
                    f"{mode}: {j['unknown']} unknown, {j['not_done']} not done, open sends at the kills {r['open']}")
    elif mode != "blocking":
        proof.check(j["unknown"] > 0 and min(r["open"], default=0) >= 1000,
                    f"{mode}: {j['unknown']} unknown, open sends at the kills {r['open']}: proves nothing")


def main():
    proof = Proof("restart", "Broker killed with -9 and started again under durable sends", COLUMNS)
    kills = proof.pick(2, 20)
    series = [("pipelined", 50), ("blocking", 50), ("pipelined-ids", 50)] + \
        proof.pick([], [("pipelined-allowed", 0), ("pipelined-allowed-ids", 0)])
    with Broker() as broker:
        for name, forbidden in series:
            load = proof.pick((0.5, 1), (0.5, 2.5))
            times = proof.pick(1, kills) if has_ids(name) else kills
            judge(proof, name, forbidden, times,
                  proof.series(name, lambda: restarts(proof, broker, name, forbidden, times, load)))
    proof.note("One send in fifty goes where the user may not send and has to be rejected. pipelined: tagged sends of "
               "one thread, 1,500 without an outcome at every kill; with sends that may be refused among them, fifty "
               "at most are on the wire, in pipelined-allowed all are. blocking: four threads on three sessions. ids: with "
               "duplicateDetection=true, where nothing may be unknown.")
    proof.note("Unknown is reported, and legal, for what was under way when the broker died; the two columns behind it "
               "say how many of those the broker had. Options: reliable=true, maxRetryInterval=500, "
               "producerWindowSize=1048576, callTimeout=300000, callFailoverTimeout=-1.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
