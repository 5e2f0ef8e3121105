"""Builds tests and simulation with gcc --coverage in build/coverage, runs them, and reads what gcov counted.

    coverage.py [--build DIR] [--no-run] [--no-branches]     DIR: another build directory; --no-run: what is counted there
                                                             already; --no-branches: lists lines only

A branch counts as covered when it was taken at least once. Every function of a header counts once, however many files
include it. What is not covered is printed as file:line, branches with how many of how many were taken.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

from report import ROOT, Report

ROOMS = ["src/codec", "src/engine"]
TESTS = ["unit", "engine"] # rooms of tests
SCENARIOS = 2000 # of the simulation
LINES, BRANCHES = 95, 85 # per cent
REASONS = ROOT / "docs/proofs/coverage.md"


class Source:
    def __init__(self):
        self.lines = {}    # number -> times executed
        self.function = {} # number -> its function
        self.branches = {} # (number, place in the line) -> times taken

    def add(self, lines):
        for line in lines:
            number = line["line_number"]
            self.lines[number] = self.lines.get(number, 0) + line["count"]
            self.function[number] = line.get("function_name", "")
            for i, branch in enumerate(line["branches"]):
                self.branches[number, i] = self.branches.get((number, i), 0) + branch["count"]

    def missed_lines(self):
        return sorted(number for number, count in self.lines.items() if count == 0)

    def missed_branches(self):
        """Of lines that were executed: number -> (taken, all)."""
        of_line = {}
        for (number, _), taken in self.branches.items():
            done, total = of_line.get(number, (0, 0))
            of_line[number] = done + (taken > 0), total + 1
        return {number: counts for number, counts in sorted(of_line.items())
                if counts[0] < counts[1] and self.lines[number] > 0}


def read_counts(build):
    sources = {}
    objects = sorted((build / "CMakeFiles/reattach_objects.dir").rglob("*.gcda"))
    run = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", *map(str, objects)],
                         cwd=build, capture_output=True, text=True, check=True)
    for text in run.stdout.splitlines():
        for file in json.loads(text)["files"]:
            path = (ROOT / file["file"]).resolve() # the library is built with names relative to the root
            if path.is_relative_to(ROOT):
                sources.setdefault(str(path.relative_to(ROOT)), Source()).add(file["lines"])
    return sources


def share(done, total):
    return 100 * done / total if total else 0.0


def show_missed(path, source, with_branches):
    for number in source.missed_lines():
        print(f"{path}:{number}: never executed ({source.function[number]})")
    if with_branches:
        for number, (done, total) in source.missed_branches().items():
            print(f"{path}:{number}: {done} of {total} branches taken")


def show_unexplained(sources):
    """Functions with lines that are never executed, and that the page of reasons does not name."""
    known = set(re.findall(r"`(\w+)`", REASONS.read_text())) if REASONS.exists() else set()
    for path, source in sorted(sources.items()):
        for function in sorted({source.function[number] for number in source.missed_lines()} - known):
            print(f"{path}: what is not covered in {function} has no reason in {REASONS.relative_to(ROOT)}")


def check_room(room, sources, report):
    mine = [source for path, source in sources.items() if path.startswith(room + "/")]
    lines = [count for source in mine for count in source.lines.values()]
    branches = [count for source in mine for count in source.branches.values()]
    for what, counts, limit in (("lines", lines, LINES), ("branches", branches, BRANCHES)):
        done = sum(count > 0 for count in counts)
        good = share(done, len(counts)) >= limit
        report.add(good, not good)
        print(f"{room}: {done} of {len(counts)} {what}, {share(done, len(counts)):.2f} % (at least {limit} %)"
              f"{'' if good else ': FAILED'}")


def build_and_run(report, build):
    configure = ["cmake", "-S", ".", "-B", build, "-G", "Ninja", "-D", "CMAKE_C_COMPILER=gcc",
                 "-D", "CMAKE_BUILD_TYPE=Debug", "-D", "CMAKE_C_FLAGS=--coverage -O0", "-D", "REATTACH_COMMAND=OFF",
                 "-D", "REATTACH_EXAMPLES=OFF"]
    targets = [*(f"tests_{room}" for room in TESTS), "sim"]
    if not report.step("configure coverage", configure):
        return False
    for stale in build.rglob("*.gcda"):
        stale.unlink()
    return (report.step("build coverage", ["cmake", "--build", build, "-j", os.cpu_count() or 1, "--target", *targets])
            and report.ctest("test coverage", build, "-R", f"^({'|'.join(TESTS)})/", "-j", os.cpu_count() or 1)
            and report.step("simulate", [build / "tests/sim", "--seeds", SCENARIOS]))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description="line and branch coverage of codec and engine")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/coverage")
    parser.add_argument("--no-run", action="store_true")
    parser.add_argument("--no-branches", action="store_true")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    report = Report()
    if not arguments.no_run and not build_and_run(report, build):
        return report.finish()
    sources = {path: source for path, source in read_counts(build).items()
               if path.startswith(tuple(room + "/" for room in ROOMS))}
    for path, source in sorted(sources.items()):
        show_missed(path, source, not arguments.no_branches)
    show_unexplained(sources)
    for room in ROOMS:
        check_room(room, sources, report)
    return report.finish()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
