"""A replicated pair: the primary is killed with -9, its backup takes over, the primary comes back and takes over again, under
durable load from two senders and two receivers, one of each transacted.

Senders send again what ended as unknown, so a message can be there twice, but never without notice; and what was confirmed is
there (prove_failover.c keeps the books). The Java client runs beside it, on the same pair, through the same failovers.
"""
import random
import sys
import time

from pair import Talker, Two
from proof import Proof
from storm import java

COLUMNS = ["versions", "client", "failovers", "fail-backs", "queue", "messages", "confirmed", "unknown sends", "lost", "doubled",
           "doubled, not announced", "sessions recreated", "longest standstill, s"]
OPTIONS = "user=admin&password=admin&reliable=true&maxRetryInterval=500"
PATIENCE = 60  # seconds until everybody gets something through again
ROLES = 4


class Load:
    """The program under test, and how long each of its four stood still."""

    def __init__(self, proof, port, rate, options):
        self.program = Talker([proof.program("prove_failover"), "--url", f"tcp://127.0.0.1:{port}?{OPTIONS}{options}", "--queue",
                               "failover", "--rate", rate])
        self.longest, self.recoveries = 0.0, 0
        self.moves()

    def through(self):
        return list(self.program.said.get("through", [0] * ROLES))

    def moves(self):
        """Until each of the four has got more through than now; whether that is so."""
        before, began = self.through(), time.monotonic()
        good = self.program.wait(lambda said: all(a > b for a, b in zip(said.get("through", before), before)), PATIENCE)
        self.longest = max(self.longest, time.monotonic() - began)
        self.recoveries += good
        return good

    def recreated(self):
        return sum(session["recreated"] for session in self.program.said.get("sessions", []))


def one_round(pair, load, pause):
    """There and back; whether everybody went on after each."""
    time.sleep(random.uniform(*pause))
    pair.run("kill", "primary")
    pair.run("wait", "backup", "active")
    there = load.moves()
    time.sleep(random.uniform(*pause))
    pair.run("start", "primary")
    back = load.moves()
    pair.run("wait", "backup", "synced")
    return there, back


def start_java(port, rate):
    return Talker([*java(), "Reference", "transfer", "--port", port, "--direct", port, "--queue", "failover.java", "--count",
                   10_000_000, "--rate", rate, "--ack", "individual", "--limit", 7200, "--until-eof", 1])


def failovers(versions, rounds, rate, pause, proof, beside, options=""):
    primary, backup = versions
    with Two("pair", "--version", primary, "--backup-version", backup) as pair:
        other = start_java(pair.port, rate) if beside else None
        load = Load(proof, pair.port, rate, options)
        there = back = 0
        for _ in range(rounds):
            good = one_round(pair, load, pause)
            there, back = there + good[0], back + good[1]
            if not all(good):
                break
        status = load.program.end(240)
        reference = other and (other.end(120), other.said)
        left = {queue: len(pair.judge.drain(f"failover.{queue}")) for queue in ("auto", "tx")}
        return {"status": status, "there": there, "back": back, "verdict": load.program.said.get("verdict", []), "left": left,
                "recreated": load.recreated(), "longest": round(load.longest, 1), "java": reference,
                "sessions": load.program.said.get("sessions", [])}


def judge(proof, name, versions, rounds, result, deduplicated):
    label = "/".join(dict.fromkeys(versions))
    proof.check(result["status"] == 0, f"{name}: the program ended with {result['status']}")
    proof.check(result["there"] == rounds and result["back"] == rounds,
                f"{name}: went on after {result['there']} failovers and {result['back']} fail-backs of {rounds}")
    proof.check(len(result["verdict"]) == 2, f"{name}: no verdict")
    for v in result["verdict"]:
        queue = v["queue"]
        proof.row(label, "reattach" + (", duplicateDetection" if deduplicated else ""), result["there"], result["back"], queue,
                  v["messages"], v["confirmed"], v["unknown"], v["lost"], v["doubled"], v["doubled_unannounced"],
                  result["recreated"], result["longest"])
        proof.check(v["confirmed"] == v["messages"] > 0, f"{name}, {queue}: not everything was confirmed in the end: {v}")
        proof.check(v["lost"] == 0 and result["left"][queue] == 0, f"{name}, {queue}: lost {v['lost']}, left {result['left']}")
        proof.check(v["doubled_unannounced"] == 0, f"{name}, {queue}: {v['doubled_unannounced']} doubled without notice")
        proof.check(v["doubled_outcomes"] == 0 and v["odd"] == 0, f"{name}, {queue}: outcomes or errors that cannot be: {v}")
        if deduplicated and queue == "auto":
            proof.check(v["doubled"] == 0 and v["unknown"] == 0, f"{name}, {queue}: doubled {v['doubled']}: {v}")
    proof.check(result["recreated"] >= 2 * ROLES * rounds, f"{name}: {result['recreated']} sessions recreated: proves little")
    if result["java"]:
        status, said = result["java"]
        proof.row(label, "Java", result["there"], result["back"], "java", said.get("sent", 0), said.get("confirmed", 0),
                  said.get("refused", 0), said.get("confirmed_lost", 0), said.get("doubled", 0), "", "", "")


def main():
    proof = Proof("failover", "A replicated pair, failed over and back under durable load", COLUMNS)
    newest = ("2.44.0", "2.44.0")
    series = [("same", newest, proof.pick(1, 20), not proof.small, "")]
    series += proof.pick([], [("mixed-2.40", ("2.44.0", "2.40.0"), 3, False, ""),
                              ("mixed-2.18", ("2.44.0", "2.18.0"), 3, False, "")])
    for name, versions, rounds, beside, options in series:
        pause = proof.pick((0.5, 1), (0.5, 2.5))
        result = proof.series(name, lambda: failovers(versions, rounds, 300, pause, proof, beside, options))
        judge(proof, name, versions, rounds, result, "duplicateDetection" in options)
    proof.note("A failover: kill -9 of the primary, the backup takes over. A fail-back: the primary is started, copies what it "
               "missed, takes over, the backup is a backup again. Senders: 300 messages a second each; auto: 100 unanswered at "
               "most, tx: 20 in a transaction. What ended as unknown or not done is sent again with its number.")
    proof.note("Doubled, not announced: more often consumed than sends of it had been reported unknown, and one. Standstill: from "
               "the word of the broker that it has taken over, until each of the four has got something through.")
    proof.note("Java: its own sender (asynchronous, with a handler) and receiver, which send nothing again; unknown sends are its "
               "sendFailed calls, lost are those that it had called confirmed.")
    sys.exit(proof.finish())


main()
