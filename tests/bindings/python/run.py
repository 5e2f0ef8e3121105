#!/usr/bin/env python3
"""Builds the wheel into a fresh environment under build/, starts a broker unless REATTACH_BROKER_PORT names one, and runs
the tests of the Python package. run.py [unittest's arguments]; the last line is the sum."""
import os
import pathlib
import re
import shutil
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "scripts/lib"), str(ROOT / "tests/bindings")]

import brokers  # noqa: E402
import sanitizer  # noqa: E402
from report import Report, log_of, sentence, tail  # noqa: E402

HERE = ROOT / "tests/bindings/python"
PLACE = sanitizer.place(ROOT / "build/bindings/python")
TIMEOUT = 600 if not sanitizer.FLAGS else 1800


def install(report):
    """The package in an environment of its own, as a user would get it."""
    shutil.rmtree(PLACE, ignore_errors=True)
    python = PLACE / "venv/bin/python"
    if not (report.step("bindings python environment", [sys.executable, "-m", "venv", PLACE / "venv"])
            and report.step("bindings python wheel", [python, "-m", "pip", "wheel", "--no-deps", "-w", PLACE,
                                                      ROOT / "bindings/python"])):
        return None
    wheels = list(PLACE.glob("reattach-*-cp311-abi3-*.whl"))
    if len(wheels) != 1:
        print(f"expected one cp311-abi3 wheel in {PLACE.relative_to(ROOT)}")
        report.add(0, 1)
        return None
    installed = report.step("bindings python install", [python, "-m", "pip", "install", "--no-deps", *wheels])
    return python if installed else None


def test(report, python, port, arguments):
    name, began = "bindings python", time.monotonic()
    status = report.run(name, [python, "-X", "dev", "-m", "unittest", *(arguments or ["discover", "-v", "-s", HERE])],
                        TIMEOUT, env={**os.environ, **sanitizer.environment(), "REATTACH_BROKER_PORT": str(port),
                             "PYTHONPATH": str(HERE)})
    text = log_of(name).read_text(errors="replace")
    ran = re.search(r"^Ran (\d+) tests?", text, re.M)
    bad = sum(map(int, re.findall(r"(?:failures|errors|unexpected successes)=(\d+)", text)))
    skipped = sum(map(int, re.findall(r"skipped=(\d+)", text)))
    bad = max(bad, 0 if status == 0 else 1)
    passed = max(int(ran[1]) - bad - skipped, 0) if ran else 0
    report.add(passed, bad, skipped)
    report.line(name, began, sentence(passed, bad, skipped))
    if bad:
        tail(log_of(name))


def main():
    report = Report()
    relay = ROOT / os.environ.get("REATTACH_BUILD", "build/release") / "tests/relay"
    if not relay.exists() and not (report.step("configure release", ["cmake", "--preset", "release"])
                                   and report.step("build relay", ["cmake", "--build", "--preset", "release",
                                                                   "--target", "relay"])):
        return report.finish()
    python = install(report)
    if python is None:
        return report.finish()
    if os.environ.get("REATTACH_BROKER_PORT"):
        test(report, python, os.environ["REATTACH_BROKER_PORT"], sys.argv[1:])
    else:
        with brokers.broker("bindings-python-broker") as port:
            test(report, python, port, sys.argv[1:])
    return report.finish()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
