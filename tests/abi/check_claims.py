#!/usr/bin/env python3
"""Every test that a table of the documentation names exists: suite::name in C, file.py::name and prove_NAME.py in Python."""
import re
import sys

from headers import ROOT

PAGES = ["docs/reconnection.md", "docs/proofs/weak-spots.md", "docs/proofs/scenarios.md"]
SPOTS = 30

in_c = {f"{suite}::{name}" for path in (ROOT / "tests").rglob("*.c")
        for suite, name in re.findall(r"^(?:Artemis)?Test\((\w+), (\w+)", path.read_text(), re.M)}
files = {path.name: path.read_text() for path in (ROOT / "tests").rglob("*.py")}


def exists(name):
    if not re.match(r"\w+\.py", name):
        return name in in_c
    file, _, function = name.partition("::")
    return file in files and (not function or f"def {function}(" in files[file])


named, bad = 0, []
for page in PAGES:
    for name in re.findall(r"`(\w+::\w+|\w+\.py(?:::\w+)?)`", (ROOT / page).read_text()):
        named += 1
        if not exists(name) and name != "file.py::name" and name != "suite::name":
            bad.append(f"{page}: there is no test {name}")
rows = dict(re.findall(r"^\| (W\d+) \|(.*)", (ROOT / PAGES[1]).read_text(), re.M))
for number in range(1, SPOTS + 1):
    row = rows.get(f"W{number}", "")
    if "`" not in row.rpartition(" | ")[2] and "does not apply" not in row:
        bad.append(f"{PAGES[1]}: W{number} has neither a test nor a reason")
if bad or named < 100:
    sys.exit("\n".join(bad) or f"only {named} tests are named: the pages are not read")
print(f"{named} tests are named and exist")
