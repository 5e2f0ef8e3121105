#!/usr/bin/env python3
"""check_baseline.py BASELINE LIBRARY [--write]: compares a library's ABI with its baseline, a file in abi/.

A difference is either a mistake or a decision; for a decision scripts/abi-baseline writes the files anew (--write), and the
commit says why. Additions count as differences too: the baseline is to be the whole truth.
"""
import pathlib
import subprocess
import sys
import tempfile

from headers import ROOT


def dump(library, output, headers):
    # The headers tell abidw what is public; without source lines, or every edit would change the file.
    subprocess.run(["abidw", "--headers-dir", str(headers), "--drop-private-types", "--exported-interfaces-only",
                    "--no-elf-needed", "--no-show-locs", "--no-comp-dir-path", "--no-corpus-path", "--no-architecture",
                    "--type-id-style", "hash", "--out-file", str(output), str(library)], check=True)


def difference(old, new):
    """What abidiff has to say, "" for nothing."""
    run = subprocess.run(["abidiff", "--no-show-locs", str(old), str(new)], capture_output=True, text=True)
    return run.stdout + run.stderr if run.returncode else ""


def self_test(directory):
    """A changed type, a removed and an added function are seen; the same code again is not."""
    texts = {
        "old": "int ra_a(int x) { return x; } int ra_b(void) { return 1; }",
        "same": "\n\nint ra_a(int x) { return x + 1; } int ra_b(void) { return 2; }",
        "type": "int ra_a(long x) { return (int)x; } int ra_b(void) { return 1; }",
        "less": "int ra_a(int x) { return x; }",
        "more": "int ra_a(int x) { return x; } int ra_b(void) { return 1; } int ra_c(void) { return 1; }",
    }
    for name, text in texts.items():
        library = directory / f"{name}.so"
        subprocess.run(["gcc", "-g", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=text, text=True, check=True)
        dump(library, directory / f"{name}.abi", directory)
    seen = {name for name in texts if difference(directory / "old.abi", directory / f"{name}.abi")}
    assert seen == {"type", "less", "more"}, f"self test: seen {seen}"


def main(name, library, *options):
    baseline = ROOT / "abi" / name
    if "--write" in options:
        dump(library, baseline, ROOT / "abi/reattach")
        print(f"written: {baseline.relative_to(ROOT)}")
        return 0
    with tempfile.TemporaryDirectory() as place:
        directory = pathlib.Path(place)
        self_test(directory)
        if not baseline.exists():
            print(f"there is no abi/{name} yet: scripts/abi-baseline writes it")
            return 1
        now = directory / "now.abi"
        dump(library, now, ROOT / "abi/reattach")
        text = difference(baseline, now)
    print(text or "the ABI is the baseline's")
    if text:
        print(f"the ABI differs from abi/{name}; if that is meant: scripts/abi-baseline")
    return 1 if text else 0


sys.exit(main(*sys.argv[1:]))
