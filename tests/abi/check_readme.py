#!/usr/bin/env python3
"""README.md and docs/mock.md show examples as they are: a block behind <!-- FILE --> is that file. --write puts it there."""
import re
import sys

from headers import ROOT

PAGES = ["README.md", "docs/mock.md"]
BLOCK = re.compile(r"(<!-- (examples/\S+) -->\n```\w+\n)(.*?)(```\n)", re.S)
for name in PAGES:
    page = ROOT / name
    text = page.read_text()
    count = len(BLOCK.findall(text))
    fresh = BLOCK.sub(lambda match: match[1] + (ROOT / match[2]).read_text() + match[4], text)
    if "--write" in sys.argv:
        page.write_text(fresh)
        print(f"written: {name}")
    elif not count:
        sys.exit(f"{name} shows no example")
    elif fresh != text:
        sys.exit(f"an example in {name} is not what its file says: tests/abi/check_readme.py --write")
    else:
        print(f"{name}: its examples ({count}) are the files'")
