"""Runs the proofs (prove_*.py) or the measurements (bench_*.py) of tests/*/ and writes their tables.

    prove.py KIND [--small] [NAME...]        KIND: prove or bench

Each driver is called as `driver --small|--full --budget SECONDS --out FILE` and writes one JSON object there: {name, title,
passed, failed, columns, rows, notes}; see tests/artemis/proof.py, which does it for them. Full tables go to docs/proofs/
(docs/bench/), small ones stay under build/. A driver that does not end in time, ends with an error or writes nothing counts
as one failure.
"""
import json
import os
import signal
import sys
import time

from report import LOGS, ROOT, Report, log_of, sentence, tail

sys.path.insert(0, str(ROOT / "tests/artemis"))
import proof  # noqa: E402

TABLES = {"prove": "docs/proofs", "bench": "docs/bench"}
FULL_BUDGET = 6 * 3600 # seconds for one proof in its long form
LEAST = 120 # in its short one: the longest takes 45 on a quiet machine


def drivers(kind, names):
    found = {path.stem.removeprefix(f"{kind}_"): path
             for path in sorted((ROOT / "tests").rglob(f"{kind}_*.py"), key=lambda path: path.stem)}
    unknown = [name for name in names if name not in found]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are: {', '.join(found) or 'none'}")
    return [(name, path) for name, path in found.items() if not names or name in names]


def read_result(path, status):
    try:
        result = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    if status != 0 and result["failed"] == 0:
        result["failed"] = 1
        result.setdefault("notes", []).append(f"the driver ended with status {status}")
    return result


def run_one(report, kind, name, path, small, budget):
    form = "small" if small else "full"
    part = f"{kind} {name} {form}"
    out = ROOT / "build" / kind / form / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    began = time.monotonic()
    command = [sys.executable, path, f"--{form}", "--budget", int(budget), "--out", out]
    status = report.run(part, command, budget * 1.5 + 60,
                        env={**os.environ, "PYTHONPATH": f"{ROOT}/tests/artemis:{ROOT}/tests/support"})
    result = read_result(out, status)
    if result is None:
        report.add(0, 1)
        report.line(part, began, "FAILED: no result")
        tail(log_of(part))
        return
    report.add(result["passed"], result["failed"])
    report.line(part, began, sentence(result["passed"], result["failed"]))
    if result["failed"]:
        tail(log_of(part))
    table = out.with_suffix(".md") if small else ROOT / TABLES[kind] / f"{name}.md"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(proof.markdown(result))


def run_all(report, kind, small, names, budget):
    """budget: seconds for all of them, shared evenly among those still to come; but a slow one is not ended before LEAST."""
    todo = drivers(kind, names)
    end = time.monotonic() + budget
    for i, (name, path) in enumerate(todo):
        share = FULL_BUDGET if not small else max((end - time.monotonic()) / (len(todo) - i), LEAST)
        run_one(report, kind, name, path, small, share)


def main(kind, *arguments):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    small = "--small" in arguments
    names = [word for word in arguments if not word.startswith("-")]
    wrong = [word for word in arguments if word.startswith("-") and word != "--small"]
    if wrong:
        sys.exit(f"usage: {kind} [--small] [NAME...]")
    report = Report()
    if not drivers(kind, names):
        sys.exit(f"there is no tests/{kind}_*.py yet")
    if not (report.step("configure release", ["cmake", "--preset", "release"])
            and report.step("build release", ["cmake", "--build", "--preset", "release"])):
        return report.finish()
    run_all(report, kind, small, names, budget=600)
    return report.finish()


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
