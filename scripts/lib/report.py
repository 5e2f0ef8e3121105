"""Runs the parts of a long job: each with its log and its time, one line per part, one sum at the end."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / "build/log"
CRITERION = re.compile(r"^\[====\] Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)", re.M)
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", re.M)
SKIPPED = re.compile(r"^(?:\[SKIP\] .*|skipped: .*|skipped .*)$", re.M)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Report:
    def __init__(self):
        self.began = time.monotonic()
        self.passed = self.failed = self.skipped = 0
        self.notes = []
        LOGS.mkdir(parents=True, exist_ok=True)

    def elapsed(self):
        return time.monotonic() - self.began

    def progress(self, text):
        if sys.stdout.isatty():
            print(f"\r\x1b[K{text} ...", end="", flush=True)

    def line(self, name, began, text):
        if sys.stdout.isatty():
            print("\r\x1b[K", end="")
        print(f"{name:<28} {time.monotonic() - began:6.1f} s  {text}", flush=True)

    def add(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def run(self, name, command, timeout, **more):
        """Runs a command into its log; returns its status, or None when the time was over."""
        self.progress(name)
        log = log_of(name)
        with open(log, "w") as output:
            process = subprocess.Popen([str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **more)
            try:
                return process.wait(timeout)
            except subprocess.TimeoutExpired:
                output.write(f"\nended after {timeout} s\n")
                return None
            finally:
                end_group(process)

    def step(self, name, command, timeout=1200, **more):
        """A part that only has to work. One that does not counts as one failure."""
        began = time.monotonic()
        status = self.run(name, command, timeout, **more)
        self.line(name, began, "done" if status == 0 else "FAILED")
        if status != 0:
            self.add(0, 1)
            tail(log_of(name))
        return status == 0

    def ctest(self, name, build, *arguments, timeout=1200, prefix=(), **more):
        """A run of ctest, counted down to the single test inside each executable."""
        began = time.monotonic()
        junit = LOGS / f"{name.replace(' ', '-')}.xml"
        junit.unlink(missing_ok=True)
        status = self.run(name, [*prefix, "ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error",
                                 "--output-junit", junit, "--test-output-size-passed", 10000000,
                                 "--test-output-size-failed", 10000000, *arguments], timeout, **more)
        counts = count_junit(junit, self.notes) if junit.exists() else [0, 0, 0]
        if status != 0 and counts[1] == 0:
            counts[1] = 1
        self.add(*counts)
        self.line(name, began, sentence(*counts))
        if status != 0:
            show_failed(junit, log_of(name))
        return status == 0

    def program(self, name, command, timeout=1200, **more):
        """A program that prints its sum as finish() does."""
        began = time.monotonic()
        status = self.run(name, command, timeout, **more)
        counts = count_output(log_of(name).read_text(errors="replace"), status == 0)
        self.add(*counts)
        self.line(name, began, sentence(*counts))
        if status != 0:
            tail(log_of(name))
        return status == 0

    def finish(self):
        for note in self.notes:
            print(note)
        print(f"{'all of it':<28} {self.elapsed():6.1f} s")
        print(sentence(self.passed, self.failed, self.skipped), flush=True)
        return 1 if self.failed or not self.passed else 0


def log_of(name):
    return LOGS / f"{name.replace(' ', '-')}.log"


def sentence(passed, failed, skipped=0):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def tail(path, lines=40):
    text = path.read_text(errors="replace").splitlines()
    print("\n".join("    " + line for line in text[-lines:]))
    print(f"    (all of it: {path.relative_to(ROOT)})", flush=True)


def show_failed(junit, log):
    """The end of what each failed test said; of the log, when there is none."""
    cases = ElementTree.parse(junit).getroot().iter("testcase") if junit.exists() else []
    failed = [case for case in cases if case.get("status") != "run"]
    if not failed:
        tail(log)
        return
    for case in failed:
        print(f"    {case.get('name')}:")
        for line in ANSI.sub("", case.findtext("system-out") or "").rstrip().splitlines()[-25:]:
            print("        " + line)
    print(f"    (all of it: {log.relative_to(ROOT)})", flush=True)


def end_group(process):
    """Whatever a part left behind ends with it."""
    try:
        os.killpg(process.pid, 15)
        process.wait(10)
        os.killpg(process.pid, 9)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass


def count_output(text, good):
    """Counts of one test executable; one that says nothing counts as one."""
    text = ANSI.sub("", text)
    passed = failed = skipped = 0
    for match in CRITERION.finditer(text):
        passed += int(match[2])
        failed += int(match[3]) + int(match[4])
        skipped += len(re.findall(r"^\[SKIP\]", text, re.M))
    for match in PLAIN.finditer(text):
        passed += int(match[1])
        failed += int(match[2])
        skipped += int(match[3] or 0)
    if not good and failed == 0:
        failed = 1
    if passed + failed + skipped == 0:
        passed = 1
    return [passed, failed, skipped]


def count_junit(path, notes):
    total = [0, 0, 0]
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        good = case.get("status") == "run"
        counts = count_output(output, good)
        total = [a + b for a, b in zip(total, counts)]
        if not good:
            notes.append(f"failed: {case.get('name')} ({path.stem})")
        for match in SKIPPED.finditer(ANSI.sub("", output)):
            notes.append(f"{case.get('name')} ({path.stem}): {match[0]}")
    return total


def read_json_line(text):
    """The last line that is a JSON object: programs may chat before it."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    raise ValueError("no JSON line in: " + text[-500:])
