#!/usr/bin/env python3
"""bugs.py [--seeds N] [NAME...]: are bugs that are put back on purpose found?

Each tests/sim/bugs/NAME.patch is applied to a copy of the sources, and the simulation runs on it until it sees a violation.
Prints a table of how many scenarios that took; fails when one is not found, when a patch does not apply any more, or when the
sources as they are do not pass. The first line of a patch says what the bug is. With names, the others are only tried on.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOMS = ("src/base", "src/codec", "src/engine", "src/mock")
SIM = ("tests/sim/world.c", "tests/sim/work.c", "tests/sim/check.c", "tests/sim/sim_main.c")
API = ("src/api/message.c",)  # of which the engine's messages need their end only
FLAGS = ["-std=c11", "-ffunction-sections", "-O1", "-g", "-D_GNU_SOURCE", "-Iabi", "-Isrc", "-Itests/sim"]
CC = os.environ.get("CC", "cc")


def sources(tree):
    return [p.relative_to(tree) for room in ROOMS for p in sorted((tree / room).glob("*.c"))] + \
        [pathlib.Path(name) for name in API + SIM]


def compile_all(tree, names, objects):
    if any(name.suffix == ".h" for name in names):
        names = sources(tree)  # nobody knows who includes it

    def compile_one(name):
        subprocess.run([CC, *FLAGS, "-c", str(name), "-o", str(objects / (str(name).replace("/", "_") + ".o"))],
                       cwd=tree, check=True)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(compile_one, names))


def link(objects, program):
    subprocess.run([CC, "-Wl,--gc-sections", "-o", str(program), *map(str, sorted(objects.glob("*.o"))), "-lm", "-lpthread"], check=True)


def simulate(program, seeds, seconds):
    """(scenarios until a violation, what it was), or (None, why none)"""
    try:
        done = subprocess.run([str(program), "--seeds", str(seeds)], capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return None, f"no violation in {seconds} s"
    found = re.search(r"^seed (\d+), at [\d.]+ s: (.*)$", done.stderr, re.M)
    if found:
        return int(found[1]), found[2]
    if done.returncode != 0:
        return None, f"ended with status {done.returncode}: {done.stderr.strip()[-200:]}"
    return None, f"no violation in {seeds} scenarios"


def copy_tree(tree):
    for name in ("src", "abi", "tests/sim"):
        shutil.copytree(ROOT / name, tree / name)


def patched_files(patch):
    return [pathlib.Path(name) for name in re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.M)]


def put_on(patch, tree, *options):
    """None, or why it does not go on."""
    done = subprocess.run(["patch", "-p1", "--no-backup-if-mismatch", *options, "-i", str(patch)], cwd=tree,
                          capture_output=True, text=True)
    if done.returncode == 0:
        return None
    return "the patch does not apply any more: " + done.stdout.strip().replace("\n", "; ")


def one_bug(patch, tree, objects, scratch, seeds):
    """The tree is as it was afterwards."""
    changed = patched_files(patch)
    before = {name: (tree / name).read_bytes() for name in changed}
    mine = scratch / "objects"
    shutil.copytree(objects, mine)
    try:
        why = put_on(patch, tree)
        if why is not None:
            return None, why
        compile_all(tree, changed, mine)
        link(mine, scratch / "sim")
        return simulate(scratch / "sim", seeds, 300)
    except subprocess.CalledProcessError:
        return None, "it does not compile any more"
    finally:
        for name, content in before.items():
            (tree / name).write_bytes(content)
        shutil.rmtree(mine)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10000)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    patches = sorted((ROOT / "tests/sim/bugs").glob("*.patch"))
    missed = 0
    with tempfile.TemporaryDirectory(prefix="reattach-bugs-") as directory:
        scratch = pathlib.Path(directory)
        tree, objects = scratch / "tree", scratch / "sound"
        objects.mkdir()
        copy_tree(tree)
        compile_all(tree, sources(tree), objects)
        link(objects, scratch / "sim")
        scenarios, what = simulate(scratch / "sim", arguments.seeds, 300)
        print(f"{'as it is':26} {what}", flush=True)
        if not what.startswith("no violation in"):
            return 1
        for patch in patches:
            if arguments.names and patch.stem not in arguments.names:
                scenarios, what = None, put_on(patch, tree, "--dry-run")
                if what is None:
                    continue
            else:
                scenarios, what = one_bug(patch, tree, objects, scratch, arguments.seeds)
            missed += scenarios is None
            print(f"{patch.stem:26} {scenarios if scenarios is not None else 'MISSED':>6}  {what}", flush=True)
    print(f"{missed} bugs missed")
    return 1 if missed or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
