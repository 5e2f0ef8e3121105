"""Bursts of durable sends to an address that pages, cut: what is over its limit goes to page files, in order, and back.

The broker itself gets the order wrong now and then when an address begins to page: so the order is judged where everything
is paged from the first message on, and only told where the address goes to and fro, beside the same without any cut.
"""
import sys

from proof import Proof
from prove_burst import COLUMNS, exact, judge, row, series
from storm import Broker

PAGE = 50_000  # bytes
LIMIT = 100_000  # in memory
PAGING_BEGINS = "AMQ222038"
CUT = ("--how", "rst,fin,abandon", "--second", 0.5)
BURST = 3000  # messages, in each round without a cut


def broker_with(limit):
    settings = {"max-size-bytes": limit, "page-size-bytes": PAGE}
    return Broker("--big", *(word for name, value in settings.items()
                             for word in ("--setting", f"address-settings/address-setting[@match='#']/{name}={value}")))


def storm(proof, broker, key, arguments, lanes, emptied):
    before = broker.logged(PAGING_BEGINS)
    return series(proof, broker, key, arguments, lanes, 0, proof.pick(120, 3600), emptied,
                  lambda: {"paging": broker.logged(PAGING_BEGINS) - before})


def cut(proof, broker, where, lanes, threads, emptied):
    """Emptied meanwhile, the address begins to page again and again."""
    cuts, key = proof.pick(4, 500), f"{'emptied' if emptied else 'paged'}-{lanes}"
    r = storm(proof, broker, key, [*CUT, "--lanes", lanes, "--threads", threads, "--cuts", cuts, "--seed", 7 + lanes], lanes,
              emptied)
    if r.get("judged"):
        row(proof, "rst,fin,abandon + second", where, 0, lanes, threads, r, r["paging"])
    judge(proof, key, cuts, r, ordered=not emptied)
    proof.check(r["paging"] >= lanes, f"{key}: paging began {r['paging']} times: proves little")


def total(a, b):
    """Of two results: sums, as deep as they go."""
    if isinstance(a, dict):
        return {key: total(value, b[key]) for key, value in a.items()}
    return a if isinstance(a, str) else a + b


def uncut(proof, broker, where, rounds):
    results = [storm(proof, broker, f"uncut-{n}", ["--cuts", 0, "--messages", BURST, "--seed", n], 1, True)
               for n in range(rounds)]
    r = results[0]
    for other in results[1:]:
        r = total(r, other)
    if exact(proof, "uncut", r):
        row(proof, "none", where, 0, 1, 1, r, r["paging"])


def main():
    proof = Proof("paging", "Bursts of pipelined durable sends to an address that pages, cut", [*COLUMNS, "times paging began"])
    with broker_with(0) as broker:
        for lanes, threads in proof.pick([(1, 1)], [(1, 1), (4, 2)]):
            cut(proof, broker, "pages only", lanes, threads, False)
    if not proof.small:
        with broker_with(LIMIT) as broker:
            for lanes, threads in [(1, 1), (4, 2)]:
                cut(proof, broker, "memory and pages", lanes, threads, True)
            uncut(proof, broker, "memory and pages", 150)
    proof.note(f"Pages of {PAGE:,} bytes. Pages only: with max-size-bytes=0 everything but the first message is paged; the queues are "
               f"emptied in the end. Memory and pages: with max-size-bytes={LIMIT:,}, about 75 messages; the queues are emptied "
               "all the time, so that paging ends and begins again.")
    proof.note("Out of order, where paging begins under load: the broker itself then delivers what it has paged before what is still on "
               f"its way into memory. The last row shows it without any cut, in bursts of {BURST:,} messages, each to an address "
               "of its own.")
    sys.exit(proof.finish())


main()
