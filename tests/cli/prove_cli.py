"""`reattach send` and `reattach receive` as processes through a network that keeps breaking: streams and bursts."""
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "artemis")]
from kit import Command, Relay  # noqa: E402
from proof import BUILD, Proof  # noqa: E402
from storm import Broker  # noqa: E402

COLUMNS = ["what", "acknowledge", "cut", "pairs", "cuts", "messages", "confirmed", "received", "re-attached", "lost", "doubled",
           "out of order", "left over", "exit statuses", "seconds", "CPU s"]
REATTACH = str(BUILD / "bin/reattach")
BY_TIME = ["--every", "100..500"]
FLOW_CUTS = [("rst", [*BY_TIME, "--how", "rst"]), ("fin", [*BY_TIME, "--how", "fin"]),
             ("after up to 200,000 bytes", ["--bytes", "1..200000"]), ("after up to 20,000 bytes", ["--bytes", "1..20000"])]
BAD = ["rejected", "not_done", "unknown", "duplicates", "missing", "out_of_order", "recreated"]


def queue_command(broker, action, queue):
    status, _, err = Command(REATTACH, "queue", action, queue, port=broker.port).finish(60)
    if status != 0:
        raise RuntimeError(f"queue {action} {queue}: {err}")


def result_of(command, seconds):
    status, summary, err = command.finish(seconds)
    return {"status": status, "summary": summary or {}, "stderr": err[-500:]}


def total(results, member):
    return sum(r["summary"].get(member, 0) for r in results)


def judge(proof, key, who, results, expected):
    """Every process by its own words: exit status, summary, nothing said on stderr."""
    for i, r in enumerate(results):
        s, name = r["summary"], f"{key}: {who} {i}"
        proof.check(r["status"] == 0 and r["stderr"] == "", f"{name}: exit status {r['status']}: {r['stderr']}")
        proof.check(s.get("messages") == expected and s.get("confirmed", 0) + s.get("processed", 0) == expected
                    and all(s.get(member) == 0 for member in BAD), f"{name}: {s}")


# ---- streams: sender and receiver behind the same relay ----

def flow(proof, broker, ack, cut, arguments, pairs):
    key = f"flow-{ack}-{cut}-{pairs}".replace(" ", "").replace(",", "")
    by_time = arguments[0] == "--every"
    count = proof.pick(30000 if by_time else 4000, 600000 if by_time else 50000) // (pairs if by_time else 1)

    def run():
        queues = [f"cli.{key}.{i}" for i in range(pairs)]
        for queue in queues:
            queue_command(broker, "create", queue)
        with Relay(proof.program("relay"), broker.port, *arguments, "--seed", 11 + pairs) as relay:
            receivers = [Command(REATTACH, "receive", queue, "--count", count, "--idle", 30, "--ack", ack, "--batch", 50,
                                 "--quiet", "--json", "--timeout", 60, port=relay.port) for queue in queues]
            senders = [Command(REATTACH, "send", queue, "--count", count, "--size", 100, "--durable", "--json",
                               "--timeout", 60, port=relay.port) for queue in queues]
            result = {"senders": [result_of(c, 300) for c in senders], "receivers": [result_of(c, 300) for c in receivers],
                      "relay": relay.stop()}
        result["left"] = sum(len(broker.judge.drain(queue)) for queue in queues)
        return result

    r = proof.series(key, run)
    senders, receivers = r["senders"], r["receivers"]
    statuses = sorted({str(x["status"]) for x in senders + receivers})
    both = senders + receivers
    proof.row("stream", ack, cut, pairs, r["relay"]["effective"], total(senders, "messages"), total(senders, "confirmed"),
              total(receivers, "messages"), total(both, "reattached"),
              total(senders, "confirmed") - (total(receivers, "messages") - total(receivers, "duplicates")),
              total(receivers, "duplicates"), total(receivers, "out_of_order"), r["left"], " ".join(statuses),
              max((x["summary"].get("seconds", 0) for x in both), default=0), total(both, "cpu_seconds"))
    judge(proof, key, "sender", senders, count)
    judge(proof, key, "receiver", receivers, count)
    proof.check(r["left"] == 0, f"{key}: {r['left']} messages left over although acknowledged")
    # by bytes the number of cuts is a matter of luck: half of the connections are cut by what flows in their quiet direction
    enough = proof.pick(2, 20 if by_time else 10)
    proof.check(r["relay"]["effective"] >= enough, f"{key}: only {r['relay']['effective']} cuts")
    proof.check(total(both, "reattached") > 0, f"{key}: no session was re-attached: proves nothing")


# ---- bursts: only senders, as fast as they go; the judge reads the queues ----

def burst(proof, broker, disk, cut, arguments, pairs, cuts, count):
    key = f"burst-{disk}-{cut}-{pairs}".replace(" ", "").replace(",", "")

    def one_round(number):
        queues = [f"cli.{key}.{number}.{i}" for i in range(pairs)]
        for queue in queues:
            queue_command(broker, "create", queue)
        with Relay(proof.program("relay"), broker.port, *arguments, "--seed", 100 * number + pairs) as relay:
            senders = [Command(REATTACH, "send", queue, "--count", count, "--size", 100, "--durable", "--json",
                               "--timeout", 60, port=relay.port) for queue in queues]
            results = [result_of(c, 300) for c in senders]
            effective = relay.stop()["effective"]
        found = {"lost": 0, "doubled": 0, "out_of_order": 0}
        for queue in queues:
            seqs = broker.judge.drain(queue)
            found["lost"] += count - len(set(seqs) & set(range(count)))
            found["doubled"] += len(seqs) - len(set(seqs))
            found["out_of_order"] += sum(1 for a, b in zip(seqs, seqs[1:]) if b < a)
        return results, effective, found

    def run():
        result = {"senders": [], "cuts": 0, "rounds": 0, "lost": 0, "doubled": 0, "out_of_order": 0}
        while result["cuts"] < cuts and result["rounds"] < 200:
            senders, effective, found = one_round(result["rounds"])
            result["senders"] += senders
            result["cuts"] += effective
            result["rounds"] += 1
            for name, value in found.items():
                result[name] += value
        return result

    r = proof.series(key, run)
    senders = r["senders"]
    proof.row("burst, slow disk" if disk == "slow" else "burst", "", cut, pairs, r["cuts"], total(senders, "messages"),
              total(senders, "confirmed"), "", total(senders, "reattached"), r["lost"], r["doubled"], r["out_of_order"], "",
              " ".join(sorted({str(x["status"]) for x in senders})), total(senders, "seconds"),
              total(senders, "cpu_seconds"))
    judge(proof, key, "sender", senders, count)
    proof.check(r["lost"] == r["doubled"] == r["out_of_order"] == 0,
                f"{key}: {r['lost']} lost, {r['doubled']} doubled, {r['out_of_order']} out of order")
    proof.check(r["cuts"] >= cuts, f"{key}: only {r['cuts']} cuts of {cuts}")


def flows(proof, broker):
    for ack in ["auto", "individual", "transacted"]:
        small = {"auto": FLOW_CUTS[3:], "individual": FLOW_CUTS[:1], "transacted": FLOW_CUTS[3:]}[ack]
        for cut, arguments in proof.pick(small, FLOW_CUTS):
            for pairs in proof.pick([1], [1, 4]):
                flow(proof, broker, ack, cut, arguments, pairs)


def bursts(proof, broker):
    half = proof.pick(20, 500)
    for how in proof.pick(["rst,fin,abandon"], ["rst", "fin", "abandon", "rst,fin,abandon"]):
        for pairs in proof.pick([1], [1, 4]):
            burst(proof, broker, "fast", how, ["--bytes", "1..60000", "--how", how], pairs, half, proof.pick(3000, 20000))


def own_fingerprint(proof):
    """Of this directory and the command as well."""
    digest = hashlib.sha256(proof.fingerprint.encode())
    for path in [pathlib.Path(REATTACH), *sorted(HERE.glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main():
    proof = Proof("cli", "The command through a network that keeps breaking", COLUMNS)
    if not pathlib.Path(REATTACH).exists():
        sys.exit("bin/reattach is not built: cmake --build --preset release")
    proof.fingerprint = own_fingerprint(proof)
    with Broker("--big") as broker:
        flows(proof, broker)
        bursts(proof, broker)
    if not proof.small:
        with Broker("--big", "--slow-disk", "300") as broker:
            burst(proof, broker, "slow", "rst", [*BY_TIME, "--how", "rst"], 1, 1000, 100000)
    proof.note("Each sender and each receiver is a process: `reattach send QUEUE --count N --size 100 --durable --json` and "
               "`reattach receive QUEUE --count N --ack ... --quiet --json`. Their summaries have to say that every message was "
               "confirmed, came once, in order; their exit statuses have to be 0, and stderr empty. A Java client then looks "
               "into the queues: empty after a stream; after a burst each number once and in order.")
    proof.note("Streams cut by time: one cut every 100 to 500 ms. Bursts: each connection is cut after 1 to 60,000 bytes, also "
               "while a session is being moved. Slow disk: a journal flush every 300 ms, cuts every 100 to 500 ms.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
