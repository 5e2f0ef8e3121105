"""Every kind of test once; called by scripts/test when everything it needs is installed."""
import os
import platform
import signal
import subprocess
import sys

import brokers
import prove as proofs
from report import ROOT, Report

PRESETS = ["release", "dev", "asan", "tsan"]
JOBS = str(min(os.cpu_count() or 1, 8))
BUDGET = 20 * 60 # seconds, on two cores
# Most of their time is a broker's start or Java's, and what they do in the library the other programs do as well: without asan.
OTHERS_TIME = "artemis/test_(restart|mock|interop|reconnect)|support/test_broker"


def plain_address_space():
    """clang 14's sanitizers cannot place their shadow where a newer kernel's randomization may put a program."""
    prefix = ["setarch", platform.machine(), "--addr-no-randomize"]
    try:
        if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode == 0:
            return prefix
    except FileNotFoundError:
        pass
    return [] # some containers forbid it, and most kernels do not need it


def build(report, preset):
    return (report.step(f"configure {preset}", ["cmake", "--preset", preset])
            and report.step(f"build {preset}", ["cmake", "--build", "--preset", preset, "-j", JOBS]))


def test_without_broker(report, built):
    for preset in PRESETS:
        if preset not in built:
            continue # its build counted as the failure
        prefix = plain_address_space() if preset in ("asan", "tsan") else []
        report.ctest(f"test {preset}", f"build/{preset}", "-LE", "artemis", "-j", JOBS, prefix=prefix)


def test_with_broker(report, built):
    shares = {"dev": ["-R", OTHERS_TIME], "asan": ["-E", OTHERS_TIME]}
    if not built >= shares.keys():
        return # its build counted as the failure
    try:
        with brokers.broker("test-broker") as port:
            environment = {**os.environ, "REATTACH_BROKER_PORT": str(port)}
            for preset, share in shares.items():
                report.ctest(f"artemis {preset}", f"build/{preset}", "-L", "artemis", *share, env=environment,
                             prefix=plain_address_space() if preset == "asan" else [])
    except RuntimeError as error:
        print(f"the broker for the tests: {error}")
        report.add(0, 1)


def test_bindings(report):
    for name, program in (("python", "python/run.py"), ("ruby and lua", "run_ruby_lua.py")):
        report.program(f"package {name}", [sys.executable, ROOT / "tests/bindings" / program])


def prove(report):
    left = max(BUDGET - report.elapsed() - 30, 60)
    proofs.run_all(report, "prove", small=True, names=[], budget=left)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Started in the background it would be ignored here and in every program of the tests, some of which are interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    report = Report()
    built = {preset for preset in PRESETS if build(report, preset)}
    test_without_broker(report, built)
    test_with_broker(report, built)
    if "release" in built:
        test_bindings(report)
        prove(report)
    return report.finish()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
