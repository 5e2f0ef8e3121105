"""`reattach send` and `reattach receive` as processes through a network that keeps breaking: streams and bursts."""
import collections
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "artemis")]
import without_barrier  # noqa: E402
from kit import ENVIRONMENT, Command, Relay  # noqa: E402
from proof import BUILD, Proof  # noqa: E402
from storm import Broker  # noqa: E402

STATISTICS = {"second cuts": "recoveries_cut", "n2 > n1": "count_advanced", "replayed": "replayed",
              "answers lost": "answers_lost", "answers doubled": "answers_doubled", "barriers": "barriers",
              "skipped": "barriers_skipped"}
COLUMNS = ["what", "acknowledge", "cut", "pairs", "cuts", "messages", "confirmed", "rejected", "received", "re-attached",
           *STATISTICS, "lost", "doubled", "out of order", "left over", "exit statuses", "seconds", "CPU s"]
REATTACH = str(BUILD / "bin/reattach")
BY_TIME = ["--every", "100..500"]
FLOW_CUTS = [("rst", [*BY_TIME, "--how", "rst"]), ("fin", [*BY_TIME, "--how", "fin"]),
             ("after up to 200,000 bytes", ["--bytes", "1..200000"]), ("after up to 20,000 bytes", ["--bytes", "1..20000"])]
COUNTS = ["confirmed", "processed", "rejected", "not_done", "unknown", "duplicates", "missing", "out_of_order", "recreated"]
BURST_CUTS = ["--bytes", "1..60000"]
PATIENCE = 900  # seconds; says "hangs" and nothing else
ROUNDS = 1000  # a burst that has not been cut often enough by then proves nothing
REFUSED_EVERY = 50
ADMIN = {"user": "admin", "options": "initialConnectAttempts=-1"}  # the first link may be cut as well
LIMITED = {"user": "limited",  # may not send to forbidden.#
           "options": "initialConnectAttempts=-1&routeCheck=none"}  # where no queue is


def create(ends, broker, queue):
    status, _, err = ends.start("queue", "create", queue, port=broker.port, **ADMIN).finish(60)
    if status != 0:
        raise RuntimeError(f"queue create {queue}: {err}")


def result_of(command):
    status, summary, err = command.finish(PATIENCE)
    return {"status": status, "summary": summary or {}, "stderr": err[-500:]}


def total(results, member):
    return sum(r["summary"].get(member, 0) for r in results)


def statistics(results):
    return {member: sum(r["summary"].get("statistics", {}).get(member, 0) for r in results)
            for member in STATISTICS.values()}


class Commands:
    """The processes of a series. A command has one address, so refused sends are those of further commands."""
    columns = COLUMNS
    flow_count = 600000  # of a stream cut by time or in long pieces
    slow_count = 100000  # of a burst on the slow disk

    def __init__(self, program, library=None):
        """library: a directory with another libreattach.so.1 than the program's own."""
        self.program = program
        self.environment = {"LD_LIBRARY_PATH": library} if library else {}
        self.together = collections.Counter()  # statistics of all series

    def start(self, *words, port, user, options):
        return Command(self.program, *words, port=port, user=user, options=options,
                       env={**ENVIRONMENT, **self.environment, "REATTACH_PASSWORD": user})

    def senders(self, queues, count, refused, port):
        """For each queue one whose sends are taken; then, if some are to be refused, for each one whose sends are."""
        words = ["--size", 100, "--durable", "--json", "--statistics", "--timeout", 60]
        return [self.start("send", queue, "--count", count, *words, port=port, **ADMIN) for queue in queues] + \
            [self.start("send", f"forbidden.{queue}", "--count", count // REFUSED_EVERY, *words, port=port, **LIMITED)
             for queue in queues if refused]

    def judge_senders(self, proof, key, results, count, refused):
        taken = len(results) // 2 if refused else len(results)
        for i, r in enumerate(results[:taken]):
            judge(proof, f"{key}: sender {i}", r, 0, confirmed=count)
            proof.check(r["stderr"] == "", f"{key}: sender {i}: {r['stderr']}")
        for i, r in enumerate(results[taken:]):
            judge(proof, f"{key}: refused sender {i}", r, 3, rejected=count // REFUSED_EVERY)

    def receiver(self, queue, count, ack, port):
        return self.start("receive", queue, "--count", count, "--idle", 30, "--ack", ack, "--batch", 50, "--quiet", "--json",
                          "--statistics", "--timeout", 60, port=port, **ADMIN)

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
              *statistics(results).values(), found["lost"], found["doubled"], found["out_of_order"], left,
              " ".join(sorted({str(r["status"]) for r in results})),
              max((r["summary"].get("seconds", 0) for r in results), default=0), total(results, "cpu_seconds"),
              *ends.cells(results))


def check_worth(proof, key, ends, results):
    """A small series has too few cuts to judge it by itself: see everything()."""
    found = statistics(results)
    ends.together.update(found)
    if not proof.small:
        proof.check_worth(key, found)


# ---- streams: sender and receiver behind the same relay ----

def flow(proof, broker, ends, ack, cut, arguments, pairs):
    key = f"flow-{ack}-{cut}-{pairs}".replace(" ", "").replace(",", "")
    by_time = arguments[0] == "--every"
    many = proof.pick(by_time, by_time or (cut, arguments) == FLOW_CUTS[2])
    count = proof.pick(30000 if by_time else 4000, ends.flow_count if many else 50000) // (pairs if many else 1)

    def run():
        queues = [f"{proof.result['name']}.{key}.{i}" for i in range(pairs)]
        for queue in queues:
            create(ends, broker, queue)
        with Relay(proof.program("relay"), broker.port, *arguments, "--seed", 11 + pairs) as relay:
            receivers = [ends.receiver(queue, count, ack, relay.port) for queue in queues]
            senders = ends.senders(queues, count, True, relay.port)
            result = {"senders": [result_of(c) for c in senders], "receivers": [result_of(c) for c in receivers],
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
    check_worth(proof, key, ends, senders + receivers)


# ---- bursts: only senders, as fast as they go; the judge reads the queues ----

def bursts_until(proof, broker, ends, key, arguments, refused, pairs, cuts, count):
    """Rounds until there were so many cuts. A message is lost that was confirmed and is not there."""
    def one_round(number):
        queues = [f"{proof.result['name']}.{key}.{number}.{i}" for i in range(pairs)]
        for queue in queues:
            create(ends, broker, queue)
        with Relay(proof.program("relay"), broker.port, *arguments, "--seed", 100 * number + pairs) as relay:
            results = [result_of(c) for c in ends.senders(queues, count, refused, relay.port)]
            effective = relay.stop()["effective"]
        found = {"lost": 0, "doubled": 0, "out_of_order": 0}
        for queue, result in zip(queues, results):
            seqs = broker.judge.drain(queue)
            right = len(set(seqs) & set(range(count)))
            found["lost"] += max(result["summary"].get("confirmed", 0) - right, 0)
            found["doubled"] += len(seqs) - right
            found["out_of_order"] += sum(1 for a, b in zip(seqs, seqs[1:]) if b < a)
        return results, effective, found

    result = {"rounds": [], "cuts": 0, "found": collections.Counter()}
    while result["cuts"] < cuts and len(result["rounds"]) < ROUNDS:
        senders, effective, found = one_round(len(result["rounds"]))
        result["rounds"].append(senders)
        result["cuts"] += effective
        result["found"].update(found)
    return result


def burst(proof, broker, ends, disk, cut, arguments, refused, pairs, cuts, count):
    key = f"burst-{disk}-{cut}-{'refused' if refused else 'taken'}-{pairs}".replace(" ", "").replace(",", "")
    r = proof.series(key, lambda: bursts_until(proof, broker, ends, key, arguments, refused, pairs, cuts, count))
    senders = [sender for one in r["rounds"] for sender in one]
    row(proof, ends, "burst, slow disk" if disk == "slow" else "burst", "", cut, pairs, r["cuts"], senders, [], r["found"], "")
    for number, one in enumerate(r["rounds"]):
        ends.judge_senders(proof, f"{key}, round {number}", one, count, refused)
    proof.check(not any(r["found"].values()), f"{key}: {r['found']}")
    proof.check(r["cuts"] >= cuts, f"{key}: only {r['cuts']} cuts of {cuts}")
    ends.judge_burst(proof, key, senders, refused)
    check_worth(proof, key, ends, senders)


def control(proof, broker, make):
    """The proof can fail: the same processes without the barrier lose and double. make() gives them, and no other count
    than the first one shows that it did."""
    cuts = proof.pick(30, 250)
    # what was lost is never answered, and is taken for done at the next cut: so there has to be one
    arguments = [*BURST_CUTS, "--every", "1000..2000", "--how", "rst"]
    r = proof.series("without-barrier", lambda: bursts_until(proof, broker, make(), "without-barrier", arguments, False, 1, cuts,
                                                             20000))
    senders, found = [sender for one in r["rounds"] for sender in one], r["found"]
    proof.note(f"A burst without the barrier (the library was built again, with the engine's hook for it switched on): of "
               f"{total(senders, 'confirmed'):,} confirmed messages {found['lost']:,} lost, and {found['doubled']:,} doubled, in "
               f"{r['cuts']:,} cuts.")
    proof.check(found["lost"] > 0 and found["doubled"] > 0, f"without the barrier nothing went wrong: {found}")
    proof.check(total(senders, "reattached") > 0 and statistics(senders)["count_advanced"] == 0,
                f"the control had the barrier: {statistics(senders)}")


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
            burst(proof, broker, ends, "fast", how, [*BURST_CUTS, "--how", how], refused, pairs, cuts,
                  proof.pick(3000, 20000))


def everything(proof, ends, without):
    """without: makes the ends that have no barrier, or None."""
    with Broker("--big") as broker:
        flows(proof, broker, ends)
        bursts(proof, broker, ends)
        if without is not None:
            control(proof, broker, without)
    if not proof.small:
        with Broker("--big", "--slow-disk", "300") as broker:
            burst(proof, broker, ends, "slow", "rst", [*BY_TIME, "--how", "rst"], False, 1, 1000, ends.slow_count)
    proof.check_worth("all together", ends.together)
    proof.check(proof.small or ends.together["recoveries_cut"] > 0, "no link was cut while a session was being moved")
    proof.note("Streams cut by time: one cut every 100 to 500 ms. Bursts: each connection is cut after 1 to 60,000 bytes, also "
               "while a session is being moved. Slow disk: a journal flush every 300 ms, cuts every 100 to 500 ms.")


def fingerprint(proof, *paths):
    """Of these files and this directory as well."""
    digest = hashlib.sha256(proof.fingerprint.encode())
    for path in [*paths, *sorted(HERE.glob("*.*"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main():
    proof = Proof("cli", "The command through a network that keeps breaking", Commands.columns)
    if not pathlib.Path(REATTACH).exists():
        sys.exit("bin/reattach is not built: cmake --build --preset release")
    proof.fingerprint = fingerprint(proof, pathlib.Path(REATTACH))
    everything(proof, Commands(REATTACH), lambda: Commands(REATTACH, without_barrier.library(BUILD, REATTACH)))
    proof.note("Each sender and each receiver is a process: `reattach send QUEUE --count N --size 100 --durable --json --statistics` and "
               "`reattach receive QUEUE --count N --ack ... --quiet --json --statistics`. Beside each sender another one sends one message "
               "for fifty of its where the user may not send. Their summaries have to say that every message was confirmed or "
               "every one rejected, that each came once, in order; exit statuses have to be 0, of those refused 3. A Java "
               "client then looks into the queues: empty after a stream; after a burst each number once and in order.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
