"""`reattach send` and `reattach receive` as processes through a network that keeps breaking: streams and bursts."""
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "artemis")]
from kit import ENVIRONMENT, Command, Relay  # noqa: E402
from proof import BUILD, Proof  # noqa: E402
from storm import Broker  # noqa: E402

COLUMNS = ["what", "acknowledge", "cut", "pairs", "cuts", "messages", "confirmed", "rejected", "received", "re-attached",
           "lost", "doubled", "out of order", "left over", "exit statuses", "seconds", "CPU s"]
REATTACH = str(BUILD / "bin/reattach")
BY_TIME = ["--every", "100..500"]
FLOW_CUTS = [("rst", [*BY_TIME, "--how", "rst"]), ("fin", [*BY_TIME, "--how", "fin"]),
             ("after up to 200,000 bytes", ["--bytes", "1..200000"]), ("after up to 20,000 bytes", ["--bytes", "1..20000"])]
COUNTS = ["confirmed", "processed", "rejected", "not_done", "unknown", "duplicates", "missing", "out_of_order", "recreated"]
REFUSED_EVERY = 50
ADMIN = {"options": "initialConnectAttempts=-1"}  # the first link may be cut as well
LIMITED = {"user": "limited", "env": {**ENVIRONMENT, "REATTACH_PASSWORD": "limited"},  # may not send to forbidden.#
           "options": "initialConnectAttempts=-1&routeCheck=none"}  # where no queue is


def queue_command(broker, action, queue):
    status, _, err = Command(REATTACH, "queue", action, queue, port=broker.port).finish(60)
    if status != 0:
        raise RuntimeError(f"queue {action} {queue}: {err}")


def result_of(command, seconds):
    status, summary, err = command.finish(seconds)
    return {"status": status, "summary": summary or {}, "stderr": err[-500:]}


def total(results, member):
    return sum(r["summary"].get(member, 0) for r in results)


class Commands:
    """The processes of a series. A command has one address, so refused sends are those of further commands."""
    columns = COLUMNS
    flow_count = 300000  # of a stream cut by time
    slow_count = 100000  # of a burst on the slow disk

    def senders(self, queues, count, refused, port):
        """For each queue one whose sends are taken; then, if some are to be refused, for each one whose sends are."""
        words = ["--size", 100, "--durable", "--json", "--timeout", 60]
        return [Command(REATTACH, "send", queue, "--count", count, *words, port=port, **ADMIN) for queue in queues] + \
            [Command(REATTACH, "send", f"forbidden.{queue}", "--count", count // REFUSED_EVERY, *words, port=port,
                     **LIMITED) for queue in queues if refused]

    def judge_senders(self, proof, key, results, count, refused):
        taken = len(results) // 2 if refused else len(results)
        for i, r in enumerate(results[:taken]):
            judge(proof, f"{key}: sender {i}", r, 0, confirmed=count)
            proof.check(r["stderr"] == "", f"{key}: sender {i}: {r['stderr']}")
        for i, r in enumerate(results[taken:]):
            judge(proof, f"{key}: refused sender {i}", r, 3, rejected=count // REFUSED_EVERY)

    def receiver(self, queue, count, ack, port):
        return Command(REATTACH, "receive", queue, "--count", count, "--idle", 30, "--ack", ack, "--batch", 50, "--quiet",
                       "--json", "--timeout", 60, port=port, **ADMIN)

    def cells(self, results):
        """What a row has behind COLUMNS."""
        return []

    def judge_burst(self, proof, key, results, refused):
        """What only shows in many cuts."""


def judge(proof, name, result, status, **counts):
    """A process by its own words: its exit status, and every count of its summary."""
    s = result["summary"]
    proof.check(result["status"] == status, f"{name}: exit status {result['status']}: {result['stderr']}")
    proof.check(bool(s) and s["messages"] == sum(counts.values())
                and all(s[member] == counts.get(member, 0) for member in COUNTS), f"{name}: {s}")


def row(proof, ends, what, ack, cut, pairs, cuts, senders, receivers, found, left):
    results = senders + receivers
    proof.row(what, ack, cut, pairs, cuts, total(senders, "messages"), total(senders, "confirmed"),
              total(senders, "rejected"), total(receivers, "messages") if receivers else "", total(results, "reattached"),
              found["lost"], found["doubled"], found["out_of_order"], left,
              " ".join(sorted({str(r["status"]) for r in results})),
              max((r["summary"].get("seconds", 0) for r in results), default=0), total(results, "cpu_seconds"),
              *ends.cells(results))


# ---- streams: sender and receiver behind the same relay ----

def flow(proof, broker, ends, ack, cut, arguments, pairs):
    key = f"flow-{ack}-{cut}-{pairs}".replace(" ", "").replace(",", "")
    by_time = arguments[0] == "--every"
    count = proof.pick(30000 if by_time else 4000, ends.flow_count if by_time else 50000) // (pairs if by_time else 1)

    def run():
        queues = [f"{proof.result['name']}.{key}.{i}" for i in range(pairs)]
        for queue in queues:
            queue_command(broker, "create", queue)
        with Relay(proof.program("relay"), broker.port, *arguments, "--seed", 11 + pairs) as relay:
            receivers = [ends.receiver(queue, count, ack, relay.port) for queue in queues]
            senders = ends.senders(queues, count, True, relay.port)
            result = {"senders": [result_of(c, 300) for c in senders], "receivers": [result_of(c, 300) for c in receivers],
                      "relay": relay.stop()}
        result["left"] = sum(len(broker.judge.drain(queue)) for queue in queues)
        return result

    r = proof.series(key, run)
    senders, receivers = r["senders"], r["receivers"]
    duplicates = total(receivers, "duplicates")
    row(proof, ends, "stream", ack, cut, pairs, r["relay"]["effective"], senders, receivers,
        {"lost": total(senders, "confirmed") - (total(receivers, "messages") - duplicates), "doubled": duplicates,
         "out_of_order": total(receivers, "out_of_order")}, r["left"])
    ends.judge_senders(proof, key, senders, count, True)
    for i, receiver in enumerate(receivers):
        judge(proof, f"{key}: receiver {i}", receiver, 0, **{"confirmed" if ack == "transacted" else "processed": count})
        proof.check(receiver["stderr"] == "", f"{key}: receiver {i}: {receiver['stderr']}")
    proof.check(r["left"] == 0, f"{key}: {r['left']} messages left over although acknowledged")
    # by bytes the number of cuts is a matter of luck: half of the connections are cut by what flows in their quiet direction
    enough = proof.pick(2, 20 if by_time else 10)
    proof.check(r["relay"]["effective"] >= enough, f"{key}: only {r['relay']['effective']} cuts")
    proof.check(total(senders + receivers, "reattached") > 0, f"{key}: no session was re-attached: proves nothing")


# ---- bursts: only senders, as fast as they go; the judge reads the queues ----

def burst(proof, broker, ends, disk, cut, arguments, refused, pairs, cuts, count):
    key = f"burst-{disk}-{cut}-{'refused' if refused else 'taken'}-{pairs}".replace(" ", "").replace(",", "")

    def one_round(number):
        queues = [f"{proof.result['name']}.{key}.{number}.{i}" for i in range(pairs)]
        for queue in queues:
            queue_command(broker, "create", queue)
        with Relay(proof.program("relay"), broker.port, *arguments, "--seed", 100 * number + pairs) as relay:
            results = [result_of(c, 300) for c in ends.senders(queues, count, refused, relay.port)]
            effective = relay.stop()["effective"]
        found = {"lost": 0, "doubled": 0, "out_of_order": 0}
        for queue in queues:
            seqs = broker.judge.drain(queue)
            found["lost"] += count - len(set(seqs) & set(range(count)))
            found["doubled"] += len(seqs) - len(set(seqs) & set(range(count)))
            found["out_of_order"] += sum(1 for a, b in zip(seqs, seqs[1:]) if b < a)
        return results, effective, found

    def run():
        result = {"rounds": [], "cuts": 0, "found": {}}
        while result["cuts"] < cuts and len(result["rounds"]) < 200:
            senders, effective, found = one_round(len(result["rounds"]))
            result["rounds"].append(senders)
            result["cuts"] += effective
            for name, value in found.items():
                result["found"][name] = result["found"].get(name, 0) + value
        return result

    r = proof.series(key, run)
    senders = [sender for one in r["rounds"] for sender in one]
    row(proof, ends, "burst, slow disk" if disk == "slow" else "burst", "", cut, pairs, r["cuts"], senders, [], r["found"], "")
    for number, one in enumerate(r["rounds"]):
        ends.judge_senders(proof, f"{key}, round {number}", one, count, refused)
    proof.check(not any(r["found"].values()), f"{key}: {r['found']}")
    proof.check(r["cuts"] >= cuts, f"{key}: only {r['cuts']} cuts of {cuts}")
    ends.judge_burst(proof, key, senders, refused)


def flows(proof, broker, ends):
    for ack in ["auto", "individual", "transacted"]:
        small = {"auto": FLOW_CUTS[3:], "individual": FLOW_CUTS[:1], "transacted": FLOW_CUTS[3:]}[ack]
        for cut, arguments in proof.pick(small, FLOW_CUTS):
            for pairs in proof.pick([1], [1, 4]):
                flow(proof, broker, ends, ack, cut, arguments, pairs)


def bursts(proof, broker, ends):
    cuts = proof.pick(20, 250)
    for how in proof.pick(["rst,fin,abandon"], ["rst", "fin", "abandon", "rst,fin,abandon"]):
        for pairs, refused in proof.pick([(1, True)], [(1, True), (1, False), (4, True), (4, False)]):
            burst(proof, broker, ends, "fast", how, ["--bytes", "1..60000", "--how", how], refused, pairs, cuts,
                  proof.pick(3000, 20000))


def everything(proof, ends):
    with Broker("--big") as broker:
        flows(proof, broker, ends)
        bursts(proof, broker, ends)
    if not proof.small:
        with Broker("--big", "--slow-disk", "300") as broker:
            burst(proof, broker, ends, "slow", "rst", [*BY_TIME, "--how", "rst"], False, 1, 1000, ends.slow_count)
    proof.note("Streams cut by time: one cut every 100 to 500 ms. Bursts: each connection is cut after 1 to 60,000 bytes, also "
               "while a session is being moved. Slow disk: a journal flush every 300 ms, cuts every 100 to 500 ms.")


def own_fingerprint(proof):
    """Of this directory and the command as well."""
    digest = hashlib.sha256(proof.fingerprint.encode())
    for path in [pathlib.Path(REATTACH), *sorted(HERE.glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main():
    proof = Proof("cli", "The command through a network that keeps breaking", Commands.columns)
    if not pathlib.Path(REATTACH).exists():
        sys.exit("bin/reattach is not built: cmake --build --preset release")
    proof.fingerprint = own_fingerprint(proof)
    everything(proof, Commands())
    proof.note("Each sender and each receiver is a process: `reattach send QUEUE --count N --size 100 --durable --json` and "
               "`reattach receive QUEUE --count N --ack ... --quiet --json`. Beside each sender another one sends one message "
               "for fifty of its where the user may not send. Their summaries have to say that every message was confirmed or "
               "every one rejected, that each came once, in order; exit statuses have to be 0, of those refused 3. A Java "
               "client then looks into the queues: empty after a stream; after a burst each number once and in order.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
