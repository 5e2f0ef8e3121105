#!/usr/bin/env python3
"""Every public function's comment ends in the same five lines, in this order; a script can only check that they exist."""
import re
import sys

from headers import HEADERS, ROOT, declarations

WANTED = ["Thread", "Blocks", "Owns", "Errors", "Since"]
LINE = re.compile(r"^\s*\*\s(Thread|Blocks|Owns|Errors|Since):\s+(\S.*)$", re.M)


def problem(comment):
    if not comment:
        return "no comment directly above"
    found = [match[1] for match in LINE.finditer(comment.replace("*/", ""))]
    if found != WANTED:
        missing = [word for word in WANTED if word not in found]
        return f"missing: {', '.join(missing)}" if missing else f"in the order {', '.join(found)}"
    last = comment[comment.index("Since:"):].replace("*/", "").strip().splitlines()
    return "something follows the line Since" if len(last) > 1 else None


def self_test():
    good = "/* Does it.\n *\n" + "".join(f" * {word}: text\n" for word in WANTED) + " */\n"
    assert problem(good) is None
    assert problem("") and problem("/* Does it. */") and problem(good.replace("Owns", "Has"))
    assert problem(good.replace("Thread: text\n * Blocks", "Blocks: text\n * Thread"))
    assert problem(good.replace(" */\n", " * And more.\n */\n"))


self_test()
bad, good = [], 0
for header in HEADERS:
    for name, line, comment in declarations(header):
        wrong = problem(comment)
        if wrong:
            bad.append(f"{header.relative_to(ROOT)}:{line}: {name}: {wrong}")
        else:
            good += 1
print("\n".join(bad))
print(f"{good} functions with their five lines, {len(bad)} without")
sys.exit(1 if bad or not good else 0)
