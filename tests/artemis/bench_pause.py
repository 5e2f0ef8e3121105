"""From a cut to the next confirmed send: ours beside the Java client, in turns of ten cuts on one broker.

Each client has a relay of its own, which resets its link. The one whose turn it is not stands still (SIGSTOP), so that
each has the machine and the broker for itself.
"""
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time

from proof import Proof
from storm import ROOT, Broker

PARAMETERS = {"confirmationWindowSize": 1 << 20, "reconnectAttempts": -1, "retryInterval": 10,
              "retryIntervalMultiplier": 1.0, "callTimeout": 30000}
TURN = 10
PATIENCE = 10  # seconds without a confirmation until a client counts as hung
MANY = 20  # times, then there is no point in going on
COLD = 20  # cuts
SETTLED = {"idle": 0.03, "load": 0.15}  # seconds from one pause to the next cut, and half of that more at random


class Program:
    """A child that answers each line with one JSON line; it ends with its input."""

    def __init__(self, *command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args[0]} ended with status {self.process.wait()}")
        return json.loads(line)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Client:
    def __init__(self, proof, name, broker, mode, outstanding, classes):
        self.name, self.mode, self.pauses, self.refused, self.hung = name, mode, [], 0, 0
        self.cold = 0  # cuts that do not count, after it had to begin anew
        self.relay = Program(proof.program("relay"), "--listen", 0, "--target", broker.port, "--control")
        port = self.relay.answer()["port"]
        rest = ["--queue", f"pause.{mode}.{outstanding}", "--mode", mode, "--outstanding", outstanding, "--wait", PATIENCE]
        if name == "Java":
            self.command = ["java", "-Xmx256M", "-cp", classes, "Reference", "pause", "--port", port, "--direct",
                            broker.port, "--retry-interval", PARAMETERS["retryInterval"], *rest]
        else:
            # it stands still as long as its partner hangs
            options = "&".join(f"{key}={value}" for key, value in {**PARAMETERS, "connectionTTL": 180000}.items())
            self.command = [proof.program("bench_pause"), "--url",
                            f"tcp://127.0.0.1:{port}?user=admin&password=admin&{options}", *rest]
        self.begin()
        self.signal(signal.SIGSTOP)

    def begin(self):
        self.program = Program(*self.command)
        self.program.answer()

    def signal(self, number):
        os.kill(self.program.process.pid, number)

    def cut(self):
        """Milliseconds; PATIENCE when nothing was confirmed until then: the client begins anew. What passes between our
        order to cut and our word to the client counts too, for both alike."""
        began = time.monotonic_ns()
        self.relay.tell("cut rst")
        hit = self.relay.answer()["result"]
        self.program.tell("cut")
        told = time.monotonic_ns()
        answer = self.program.answer()
        self.refused += answer["errors"]
        if hit < 1:
            raise RuntimeError(f"{self.name}, {self.mode}: there was no link to cut")
        if answer["pause_ns"] < 0:
            self.program.process.kill()
            self.program.process.wait()
            self.begin()
            return PATIENCE * 1e3
        return (answer["pause_ns"] + told - began) / 1e6

    def turn(self, cuts, keep):
        self.signal(signal.SIGCONT)
        time.sleep(0.3)
        while cuts > 0 and self.hung < MANY:
            time.sleep(SETTLED[self.mode] * random.uniform(1, 1.5))
            pause = self.cut()
            hung = pause >= PATIENCE * 1e3
            counts = keep and (hung or self.cold == 0)
            self.cold = COLD if hung else max(self.cold - 1, 0)
            if counts:
                self.hung += hung
                self.pauses.append(pause)
            cuts -= counts or not keep
        self.signal(signal.SIGSTOP)

    def end(self):
        self.program.end()
        self.relay.end()


def measure(proof, broker, mode, outstanding, classes, cuts, warm_up):
    clients = [Client(proof, name, broker, mode, outstanding, classes) for name in ("Java", "reattach")]
    try:
        for keep, rounds in ((False, warm_up), (True, cuts // TURN)):
            for _ in range(rounds):
                for client in clients:
                    client.turn(TURN, keep)
        return {client.name: {"pauses": client.pauses, "refused": client.refused, "hung": client.hung}
                for client in clients}
    finally:
        for client in clients:
            client.end()


def row(proof, mode, name, result):
    pauses = sorted(result["pauses"])
    median, p90 = statistics.median(pauses), pauses[int(len(pauses) * 0.9)]
    proof.row(mode, name, len(pauses), median, p90, pauses[0], pauses[-1], result["refused"], result["hung"])
    return median, p90


def compare(proof, mode, result):
    java, ours = (row(proof, mode, name, result[name]) for name in ("Java", "reattach"))
    for what, theirs, own in zip(("median", "p90"), java, ours):
        proof.note(f"{mode}: {what} {own:.2f} ms, Java {theirs:.2f} ms, ratio {own / theirs:.2f}.")
        if what == "median" or not proof.small:
            proof.check(own <= theirs / 2, f"{mode}: {what} {own:.2f} ms is more than half of {theirs:.2f} ms")
    bad = result["reattach"]["refused"] + result["reattach"]["hung"]
    proof.check(bad == 0, f"{mode}: sends failed or never were confirmed: {result['reattach']}")


def main():
    proof = Proof("pause", "From a cut to the next confirmed send, ms",
                  ["mode", "client", "cuts", "median", "p90", "least", "most", "failed sends", "hung"])
    classes = subprocess.run([sys.executable, ROOT / "tests/support/broker.py", "java"], check=True,
                             capture_output=True, text=True).stdout.strip()
    cuts, warm_up = proof.pick((20, 2), (100, 20))
    with Broker() as broker:
        for mode, outstanding in (("idle", 1), ("load", 100), ("load", 1000)):
            what = mode if mode == "idle" else f"{mode}, {outstanding:,}"
            result = proof.series(f"{mode}-{outstanding}",
                                  lambda: measure(proof, broker, mode, outstanding, classes, cuts, warm_up))
            compare(proof, what, result)
    proof.note("idle: non-durable, everything answered before the cut; load: durable, so many unconfirmed. "
               "Both clients: " + ", ".join(f"{key}={value}" for key, value in PARAMETERS.items())
               + ". In turns of ten cuts on one broker, "
               f"{TURN * warm_up} cuts of each before the first that counts. Hung: nothing confirmed within "
               f"{PATIENCE} s of a cut; this counts as {PATIENCE} s, and the client was started anew and cut {COLD} times "
               "before the next that counts.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
