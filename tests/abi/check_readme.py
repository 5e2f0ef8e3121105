#!/usr/bin/env python3
"""The README shows examples as they are compiled: a C block behind <!-- FILE --> is that file. --write puts it there."""
import re
import sys

from headers import ROOT

BLOCK = re.compile(r"(<!-- (examples/\S+\.c) -->\n```c\n)(.*?)(```\n)", re.S)
readme = ROOT / "README.md"
text = readme.read_text()
blocks = list(BLOCK.finditer(text))
fresh = BLOCK.sub(lambda match: match[1] + (ROOT / match[2]).read_text() + match[4], text)
if "--write" in sys.argv:
    readme.write_text(fresh)
    print("written: README.md")
    sys.exit(0)
if not blocks:
    sys.exit("the README shows no example")
if fresh != text:
    sys.exit("an example in the README is not what its file says: tests/abi/check_readme.py --write")
print(f"{len(blocks)} example in the README is the file's")
