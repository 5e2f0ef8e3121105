"""A replicated pair: the primary is killed with -9, its backup takes over, the primary comes back and takes over again, under
durable load from two senders and two receivers, one of each transacted. The same with one broker alone, killed and started again.

Senders send again what ended as unknown, so a message can be there twice, but never without notice; and what was confirmed is
there (prove_failover.c keeps the books). With duplicateDetection the library does that, and nothing is there twice. The Java
client runs beside it, on the same brokers, through the same failovers.
"""
import contextlib
import os
import random
import signal
import sys
import time

from pair import Relay, Talker, Two
from proof import Proof
from storm import Broker, java

COLUMNS = ["versions", "client", "failovers", "fail-backs", "queue", "messages", "confirmed", "unknown sends", "lost", "doubled",
           "doubled, not announced", "sessions recreated", "recoveries cut", "longest standstill, s"]
OPTIONS = "user=admin&password=admin&reliable=true&maxRetryInterval=500&callTimeout=300000&callFailoverTimeout=-1"
LOADS = {"plain": ("", 0), "duplicateDetection": ("&duplicateDetection=true", 1)}  # options, transactions once and only once
JAVA = ("individual", "transacted")  # how its receivers acknowledge
PATIENCE = 240  # seconds until everybody gets something through again
ROLES = 4
PART = 5  # rounds of one series, so that a long proof can be stopped and resumed
PART_SECONDS = 300
DELAY_MS = 15  # of the relay, each way
RATE = 200  # messages a second, of each sender


class Load:
    """The program under test, and how long its four stood still at most."""

    def __init__(self, proof, port, name, mapped=""):
        options, once = LOADS[name]
        self.name, self.queue = name, f"failover.{name}"
        self.program = Talker([proof.program("prove_failover"), "--url", f"tcp://127.0.0.1:{port}?{OPTIONS}{options}{mapped}",
                               "--queue", self.queue, "--rate", RATE, "--once", once])
        self.longest = 0.0
        self.cut = 0  # connections that were looking for their sessions when the broker was killed

    def through(self):
        return list(self.program.said.get("through", [0] * ROLES))

    def reattached(self):
        return [session["reattached"] for session in self.program.said["sessions"]]

    def moves(self, began, before):
        """Until each of the four has got more through than before; whether that is so."""
        good = self.program.wait(lambda said: all(a > b for a, b in zip(said.get("through", before), before)), PATIENCE)
        self.longest = max(self.longest, time.monotonic() - began)
        return good

    def result(self):
        status, said = self.program.end(300), self.program.said
        return {"status": status, "verdict": said.get("verdict", []), "longest": round(self.longest, 1),
                "recreated": sum(session["recreated"] for session in said.get("sessions", [])), "recoveries_cut": self.cut}


def all_move(loads):
    began, before = time.monotonic(), [load.through() for load in loads]
    return all([load.moves(began, counts) for load, counts in zip(loads, before)])


def backup_again(pair):
    """Until the backup is one again. Whether its process had to be started for that: now and then Artemis ends instead of
    restarting as a backup (AMQ222232, interrupted while it waits for a lock of its own)."""
    try:
        pair.run("wait", "backup", "synced")
        return 0
    except RuntimeError:
        if pair.run("status", "backup")["running"]:
            raise
        pair.run("start", "backup")
        pair.run("wait", "backup", "synced")
        return 1


def cut_and_kill(pair, loads, relay):
    """The broker goes while its clients are looking for their sessions on it: a recovery takes ten roundtrips or so. Who has
    not found its session by then never will."""
    pid = pair.run("status", "primary")["pid"]
    before = [load.reattached() for load in loads]
    relay.tell("cut rst")
    time.sleep(random.uniform(0, 12 * DELAY_MS / 1000))
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)  # the programs say every 0.1 s how far they are
    for load, counts in zip(loads, before):
        load.cut += sum(now == then for now, then in zip(load.reattached(), counts))


def one_round(pair, loads, pause, relay):
    """There and back: whether everybody went on after each, and whether the backup had to be helped."""
    time.sleep(random.uniform(*pause))
    if relay:
        cut_and_kill(pair, loads, relay)
    pair.run("kill", "primary")
    pair.run("wait", "backup", "active")
    there = all_move(loads)
    time.sleep(random.uniform(*pause))
    pair.run("start", "primary")
    back = all_move(loads)
    return there, back, backup_again(pair)


def start_java(stack, port, ack):
    command = [*java(), "Reference", "transfer", "--port", port, "--direct", port, "--queue", f"failover.java.{ack}", "--count",
               10_000_000, "--rate", RATE, "--ack", ack, "--limit", 7200, "--until-eof", 1, "--ha", 1]
    reference = stack.enter_context(Talker(command))
    if not reference.wait(lambda said: "ready" in said, PATIENCE):
        raise RuntimeError("the Java client did not connect")
    return reference


def end_java(reference):
    reference.end(120)
    return {key: reference.said.get(key, 0) for key in ("sent", "confirmed", "refused", "confirmed_lost", "doubled")}


def under_load(proof, brokers, port, mapped, beside, rounds, one):
    """one(loads) is a round: whether everybody went on after the way there, and after the way back, and whether the backup had
    to be helped."""
    with contextlib.ExitStack() as stack:
        references = {ack: start_java(stack, brokers.port, ack) for ack in (JAVA if beside else ())}
        loads = [Load(proof, port, name, mapped) for name in LOADS]
        for load in loads:
            stack.enter_context(load.program)
        there = back = started = 0
        for _ in range(rounds if all_move(loads) else 0):
            good_there, good_back, again = one(loads)
            there, back, started = there + good_there, back + good_back, started + again
            if not (good_there and good_back):
                break
        return {"there": there, "back": back, "backup_started": started, "loads": {load.name: load.result() for load in loads},
                "java": {ack: end_java(reference) for ack, reference in references.items()},
                "left": {f"{load.name}.{queue}": len(brokers.judge.drain(f"{load.queue}.{queue}"))
                         for load in loads for queue in ("auto", "tx")}}


def failovers(proof, versions, rounds, pause, beside, in_recovery):
    primary, backup = versions
    with contextlib.ExitStack() as stack:
        pair = stack.enter_context(Two("pair", "--version", primary, "--backup-version", backup))
        relay = stack.enter_context(Relay(proof, pair.port, "--delay", DELAY_MS)) if in_recovery else None
        port = relay.port if relay else pair.port
        mapped = f"&addressMap=127.0.0.1:{pair.port}=127.0.0.1:{port}" if relay else ""
        return under_load(proof, pair, port, mapped, beside, rounds, lambda loads: one_round(pair, loads, pause, relay))


def restart(broker, loads, pause):
    time.sleep(random.uniform(*pause))
    broker.run("restart", "--kill")
    return all_move(loads), True, 0


def restarts(proof, rounds, pause, beside):
    with Broker() as broker:
        return under_load(proof, broker, broker.port, "", beside, rounds, lambda loads: restart(broker, loads, pause))


def add(a, b, key=""):
    """The results of two series as one."""
    if isinstance(a, dict):
        return {k: add(a[k], b[k], k) for k in a}
    if isinstance(a, list):
        return [add(x, y) for x, y in zip(a, b)]
    if isinstance(a, str) or key == "longest":
        return max(a, b)
    return a + b


def parts(proof, name, rounds, run):
    """run(n) for all rounds, in parts, as long as there is time; how many there were and what came out."""
    total, done = None, 0
    while done < rounds and (total is None or proof.seconds_left() > PART_SECONDS):
        count = min(PART, rounds - done)
        result = proof.series(f"{name}-{done}", lambda: run(count))
        done += count
        total = result if total is None else add(total, result)
    proof.check(done == rounds, f"{name}: there was time for {done} rounds of {rounds}")
    return done, total


def judge_queue(proof, name, v, left, resent):
    proof.check(v["confirmed"] == v["messages"] > 0, f"{name}: not everything was confirmed in the end: {v}")
    proof.check(v["lost"] == 0 and left == 0, f"{name}: lost {v['lost']}, left {left}")
    proof.check(v["doubled_unannounced"] == 0, f"{name}: {v['doubled_unannounced']} doubled without notice")
    proof.check(v["doubled_outcomes"] == 0 and v["odd"] == 0, f"{name}: outcomes or errors that cannot be: {v}")
    if resent: # by the library itself
        proof.check(v["doubled"] == 0 and v["unknown"] == 0, f"{name}: doubled {v['doubled']}, unknown {v['unknown']}")


def judge(proof, name, versions, rounds, in_recovery, result):
    alone = len(versions) == 1
    label = "/".join(dict.fromkeys(versions)) + (", in a recovery" if in_recovery else ", alone" if alone else "")
    back = "" if alone else result["back"]
    if result["backup_started"]:
        proof.note(f"{label}: at {result['backup_started']} of {rounds} fail-backs the backup's process ended by itself and was "
                   "started again.")
    proof.check(result["there"] == rounds and result["back"] == rounds,
                f"{name}: went on after {result['there']} failovers and {result['back']} fail-backs of {rounds}")
    for load, r in result["loads"].items():
        proof.check(r["status"] == 0 and len(r["verdict"]) == 2, f"{name}, {load}: ended with {r['status']}")
        proof.check(r["recreated"] >= (1 if alone else 2) * ROLES * rounds, f"{name}, {load}: {r['recreated']} recreated: proves little")
        proof.check(not in_recovery or r["recoveries_cut"] >= rounds,
                    f"{name}, {load}: {r['recoveries_cut']} recoveries cut: proves little")
        for v in r["verdict"]:
            queue = v["queue"]
            proof.row(label, load, result["there"], back, queue, v["messages"], v["confirmed"], v["unknown"], v["lost"],
                      v["doubled"], v["doubled_unannounced"], r["recreated"], r["recoveries_cut"], r["longest"])
            judge_queue(proof, f"{name}, {load}, {queue}", v, result["left"][f"{load}.{queue}"],
                        load == "duplicateDetection")
    for ack, said in result["java"].items():
        proof.row(label, "Java", result["there"], back, f"auto, {ack}", said["sent"], said["confirmed"],
                  said["refused"], said["confirmed_lost"], said["doubled"], "", "", "", "")


def main():
    proof = Proof("failover", "A replicated pair, failed over and back under durable load", COLUMNS)
    newest, pause, beside = ("2.44.0", "2.44.0"), proof.pick((0.5, 1), (0.5, 2.5)), not proof.small
    series = [("same", newest, proof.pick(1, 20), beside, False)]
    series += proof.pick([], [("in-recovery", newest, 50, False, True),
                              ("mixed-2.40", ("2.44.0", "2.40.0"), 3, False, False),
                              ("mixed-2.18", ("2.44.0", "2.18.0"), 3, False, False)])
    if not proof.small:
        done, result = parts(proof, "alone", 20, lambda count: restarts(proof, count, pause, beside))
        judge(proof, "alone", newest[:1], done, False, result)
    for name, versions, rounds, with_java, in_recovery in series:
        done, result = parts(proof, name, rounds,
                             lambda count: failovers(proof, versions, count, pause, with_java, in_recovery))
        judge(proof, name, versions, done, in_recovery, result)
    proof.note("A failover: kill -9 of the primary, the backup takes over. A fail-back: the primary is started, copies what it "
               "missed, takes over, the backup is a backup again. Senders: 200 messages a second each; auto: 100 unanswered at "
               "most, tx: 20 in a transaction. What ended as unknown or not done is sent again with its number; with "
               "duplicateDetection the library does so, in tx by ra_session_transact(). All clients of a pair of versions share one "
               "pair of brokers and its failovers. Alone: one broker, killed with -9 and started again.")
    proof.note("Doubled, not announced: more often consumed than sends of it had been reported unknown, and one. Standstill: from "
               "the word of the broker that it has taken over, until each of the four has got something through.")
    proof.note("In a recovery: all links are cut by a relay that delays them, and the primary is killed up to 0.2 s later; recoveries "
               "cut counts the connections that had not got their sessions again by then, of four in each round.")
    proof.note("Java: its own sender (ha=true, asynchronous, with a handler), which sends nothing again, and a receiver that "
               "acknowledges each message, or 50 in a transaction; unknown sends are its sendFailed calls, lost are those that it had "
               "called confirmed.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
