#!/usr/bin/env python3
"""Builds the Ruby and Lua modules in build/bindings and runs their tests against a real broker and the cutting relay.

    run_ruby_lua.py [ruby] [lua]

Prints one line per language and a sum; exit status 0 when everything passed. REATTACH_BROKER_PORT: a broker that runs
already (otherwise one is started); REATTACH_SWIG: the swig to use (otherwise that of PyPI is put into build/tools).
Logs: build/log/bindings-*.log.
"""
import contextlib
import os
import pathlib
import re
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts/lib"))
import brokers  # noqa: E402
import sanitizer  # noqa: E402
from report import LOGS, ROOT, Report, sentence, tail  # noqa: E402

SWIG = "4.5.1"
BUILD = sanitizer.place(ROOT / "build/bindings")
SUMS = {  # how the runners say it: what passed is worked out for minitest
    "ruby": re.compile(r"^(?P<all>\d+) runs, \d+ assertions, (?P<failed>\d+) failures, (?P<errors>\d+) errors, "
                       r"(?P<skipped>\d+) skips", re.M),
    "lua": re.compile(r"^(?P<passed>\d+) passed, (?P<failed>\d+) failed", re.M),
}


def swig(report):
    """The path of SWIG, or None when it cannot be had."""
    if os.environ.get("REATTACH_SWIG"):
        return os.environ["REATTACH_SWIG"]
    home = ROOT / f"build/tools/swig-{SWIG}"
    if not (home / "bin/swig").exists():
        shutil.rmtree(home, ignore_errors=True)
        if not (report.step("bindings swig venv", [sys.executable, "-m", "venv", home])
                and report.step("bindings swig", [home / "bin/pip", "install", "--quiet", f"swig=={SWIG}"])):
            return None
    return home / "bin/swig"


def build(report, languages):
    generator = swig(report)
    return (generator is not None
            and report.step("bindings configure", [
                "cmake", "--preset", "release", "-B", BUILD, f"-DREATTACH_SWIG={generator}", *sanitizer.cmake_arguments(),
                *(f"-DREATTACH_{language.upper()}={'ON' if language in languages else 'OFF'}" for language in SUMS)])
            and report.step("bindings build", ["cmake", "--build", BUILD, "-j", min(os.cpu_count() or 1, 8), "--target",
                                               "relay", *(f"reattach_{language}" for language in languages)]))


def command(language):
    if language == "ruby":
        tests = sorted((ROOT / "tests/bindings/ruby").glob("test_*.rb"))
        return ["ruby", "-W", f"-I{ROOT / 'bindings/ruby/lib'}", f"-I{BUILD / 'bindings/ruby'}", "-e",
                "ARGV.shift(Integer(ARGV.shift)).each { |path| require path }", len(tests), *tests]
    return ["lua5.4", ROOT / "tests/bindings/lua/test_all.lua"]


def environment(language, port):
    return {**os.environ, **sanitizer.environment(leaks=language == "lua"), "REATTACH_BROKER_PORT": str(port), "REATTACH_RELAY": str(BUILD / "tests/relay"),
            "LUA_PATH": f"{ROOT}/bindings/lua/?.lua;{ROOT}/tests/bindings/lua/?.lua;;",
            "LUA_CPATH": f"{BUILD}/bindings/lua/?.so;;"}


def counts(language, log, status):
    """Passed, failed, skipped; a run without its sum, or with a bad status that nothing explains, is a failure."""
    sums = list(SUMS[language].finditer(log.read_text(errors="replace")))
    if not sums:
        return 0, 1, 0
    said = {name: int(value) for name, value in sums[-1].groupdict().items()}
    failed = said["failed"] + said.get("errors", 0)
    skipped = said.get("skipped", 0)
    passed = said.get("passed", said.get("all", 0) - failed - skipped)
    return passed, failed or int(status != 0), skipped


def test(report, language, port):
    name = f"bindings {language}"
    log = LOGS / f"bindings-{language}.log"
    began = time.monotonic()
    status = report.run(name, command(language), timeout=280, env=environment(language, port))
    result = counts(language, log, status)
    report.add(*result)
    report.line(name, began, sentence(*result))
    if status != 0:
        tail(log)


def run(report, languages, port=None):
    """port: of a broker that runs already; without one a broker is started."""
    if not build(report, languages):
        return
    try:
        with contextlib.nullcontext(port) if port else brokers.broker("bindings-broker") as running:
            for language in languages:
                test(report, language, running)
    except RuntimeError as error:
        print(f"the broker for the bindings: {error}")
        report.add(0, 1)


def main():
    languages = sys.argv[1:] or list(SUMS)
    unknown = [language for language in languages if language not in SUMS]
    if unknown:
        print(f"no such language: {', '.join(unknown)} (there are {', '.join(SUMS)})", file=sys.stderr)
        return 1
    report = Report()
    run(report, languages, os.environ.get("REATTACH_BROKER_PORT"))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
