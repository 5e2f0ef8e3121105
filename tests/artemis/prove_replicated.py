"""Bursts of durable sends on a replicated pair, cut: an answer takes longer there, because the backup has to have it too."""
import sys

from pair import Two
from proof import Proof
from prove_burst import COLUMNS, storms


def main():
    proof = Proof("replicated", "Bursts of pipelined durable sends on a replicated pair, cut", COLUMNS)
    with Two("pair", "--big") as pair:
        storms(proof, pair, "replicated", 0, [("rst,fin,abandon", 0.5)], proof.pick(30, 500), proof.pick(120, 3600))
    proof.note("A primary and its backup in sync, both of version 2.44.0, on one machine; the clients' links are cut, the brokers "
               "live on.")
    sys.exit(proof.finish())


main()
