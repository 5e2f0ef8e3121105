#!/usr/bin/env python3
"""check_baseline.py LIBREATTACH.SO [--write]: compares the ABI with abi/baseline.abi.

A difference is either a mistake or a decision; for a decision scripts/abi-baseline writes the file anew (--write), and the
commit says why. Additions count as differences too: the baseline is to be the whole truth.
"""
import pathlib
import subprocess
import sys
import tempfile

from headers import ROOT

BASELINE = ROOT / "abi/baseline.abi"


def dump(library, output):
    # The headers tell abidw what is public; no source lines, or every edit would change the file.
    subprocess.run(["abidw", "--headers-dir", str(ROOT / "abi/reattach"), "--drop-private-types", "--no-show-locs",
                    "--no-comp-dir-path", "--no-corpus-path", "--type-id-style", "hash", "--no-architecture",
                    "--out-file", str(output), str(library)], check=True)


def main(library, *options):
    if "--write" in options:
        dump(library, BASELINE)
        print(f"written: {BASELINE.relative_to(ROOT)}")
        return 0
    if not BASELINE.exists():
        print("there is no abi/baseline.abi yet: scripts/abi-baseline writes it")
        return 1
    with tempfile.TemporaryDirectory() as directory:
        now = pathlib.Path(directory) / "now.abi"
        dump(library, now)
        run = subprocess.run(["abidiff", "--no-show-locs", str(BASELINE), str(now)], capture_output=True, text=True)
    print(run.stdout + run.stderr)
    if run.returncode:
        print("the ABI differs from abi/baseline.abi; if that is meant: scripts/abi-baseline")
        return 1
    print("the ABI is the baseline's")
    return 0


sys.exit(main(*sys.argv[1:]))
