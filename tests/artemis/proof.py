"""What the drivers prove_*.py and bench_*.py share: arguments, resuming, time, and the table.

    proof = Proof("cuts", "Sessions cut at random times", ["cut", "messages", "lost", "doubled"])
    for how in proof.pick(small=["rst"], full=["rst", "fin", "silent"]):
        result = proof.series(how, lambda: run_storm(how, minutes=proof.pick(0.2, 30)))
        proof.check(result["lost"] == 0, f"{how}: {result['lost']} lost")
        proof.row(how, result["messages"], result["lost"], result["doubled"])
    proof.note("Broker 2.44.0, one cut every 200 to 2,000 ms.")
    sys.exit(proof.finish())

A finished series is kept under build/ and not run again, as long as neither the library nor the driver has changed: a long
proof can be stopped and called again. A series that violated its claim is kept too: a violation does not go away by asking
twice. `--fresh` forgets them.
"""
import argparse
import hashlib
import json
import os
import pathlib
import platform
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("REATTACH_BUILD", "build/release")


class Proof:
    def __init__(self, name, title, columns):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)) # so that brokers end with us
        parser = argparse.ArgumentParser(description=title)
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--small", action="store_true", help="a minute or so, part of scripts/test")
        form.add_argument("--full", action="store_true", help="the long form (default)")
        parser.add_argument("--budget", type=float, default=0, help="seconds to stay within; 0: no limit")
        parser.add_argument("--out", help="where the result goes, as JSON")
        parser.add_argument("--fresh", action="store_true", help="forget the finished series")
        self.arguments = parser.parse_args()
        self.small = self.arguments.small
        self.began = time.monotonic()
        command = pathlib.Path(sys.argv[0]).stem.partition("_")[0]
        self.result = {"name": name, "title": title, "command": f"scripts/{command} {name}", "columns": columns,
                       "rows": [], "notes": [], "passed": 0, "failed": 0}
        self.kept = ROOT / "build" / pathlib.Path(sys.argv[0]).stem / ("small" if self.small else "full")
        self.kept.mkdir(parents=True, exist_ok=True)
        self.fingerprint = fingerprint()

    def pick(self, small, full):
        return small if self.small else full

    def seconds_left(self):
        """Of the budget; without one: for ever."""
        if not self.arguments.budget:
            return float("inf")
        return self.arguments.budget - (time.monotonic() - self.began)

    def series(self, key, run):
        """run() gives a JSON object; or what it gave the last time."""
        path = self.kept / f"{key}.json"
        if path.exists() and not self.arguments.fresh:
            kept = json.loads(path.read_text())
            if kept["fingerprint"] == self.fingerprint:
                print(f"{key}: kept from an earlier run", flush=True)
                return kept["result"]
        print(f"{key}: running", flush=True)
        result = run()
        scratch = path.with_suffix(".part")
        scratch.write_text(json.dumps({"fingerprint": self.fingerprint, "result": result}))
        scratch.rename(path) # whole or not there
        print(f"{key}: {json.dumps(result)}", flush=True)
        return result

    def check(self, good, text):
        """One claim; text says what was violated."""
        self.result["passed" if good else "failed"] += 1
        if not good:
            print(f"VIOLATION: {text}", flush=True)
            self.note(f"Violated: {text}")
        return good

    def check_worth(self, key, r):
        """A series in which the first link's count was always right, or every session needed a barrier, shows nothing."""
        self.check(r["count_advanced"] > 0 and r["barriers_skipped"] > 0,
                   f"{key}: n2 > n1 {r['count_advanced']} times, {r['barriers_skipped']} barriers skipped: proves nothing")

    def row(self, *cells):
        assert len(cells) == len(self.result["columns"]), (cells, self.result["columns"])
        self.result["rows"].append(list(cells))

    def note(self, text):
        self.result["notes"].append(text)

    def program(self, name):
        """Path of a program built from tests/ or examples/, or an error that says how to build it."""
        for directory in ("tests", "examples"):
            path = BUILD / directory / name
            if path.exists():
                return str(path)
        sys.exit(f"{name} is not built: cmake --build --preset release")

    def finish(self):
        """Writes the result; gives the exit status."""
        self.result["machine"] = machine()
        self.result["seconds"] = round(time.monotonic() - self.began, 1)
        if self.arguments.out:
            pathlib.Path(self.arguments.out).write_text(json.dumps(self.result, indent=1) + "\n")
        print(markdown(self.result))
        return 1 if self.result["failed"] or not self.result["passed"] else 0


def fingerprint():
    """Of what a result depends on: the library, and everything in this directory and in support/."""
    digest = hashlib.sha256()
    for path in [BUILD / "libreattach.a", *sorted((ROOT / "tests/artemis").glob("*.*")),
                 *sorted((ROOT / "tests/support").rglob("*.*"))]:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def machine():
    """What the figures were measured on, in one line, without names."""
    memory = "?"
    for line in open("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            memory = f"{int(line.split()[1]) / 1024 / 1024:.0f} GiB"
    model = platform.machine()
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} x {model}, {memory}, Linux {platform.release().split('-')[0]}"


def cell(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def markdown(result):
    """The table of a result, for docs/proofs/."""
    align = ["---:" if all(isinstance(row[i], (int, float)) for row in result["rows"]) else "---"
             for i in range(len(result["columns"]))]
    lines = [f"# {result['title']}", "", "| " + " | ".join(result["columns"]) + " |", "|" + "|".join(align) + "|"]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in result["rows"]]
    lines += ["", f"{result['passed']} passed, {result['failed']} failed."]
    lines += ["", *(f"- {note}" for note in result["notes"])] if result["notes"] else []
    if "machine" in result:
        lines += ["", f"Measured on {result['machine']}."]
    if "command" in result:
        lines += ["", f"Written by `{result['command']}`; do not edit."]
    return "\n".join(lines) + "\n"
