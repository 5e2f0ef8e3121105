"""Reads the public headers: which functions are declared, with which comment above them."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = sorted((ROOT / "abi/reattach").glob("*.h"))
DECLARATION = re.compile(r"^RA_API\b[^;{]*?\b(\w+)\s*\([^;{]*\)[^;{]*;", re.M)


def declarations(path):
    """(function, line, text of the comment that ends right above its declaration or "")"""
    text = path.read_text()
    for match in DECLARATION.finditer(text):
        above = text[:match.start()].rstrip(" \t")
        comment = ""
        if above.endswith("*/\n") and not above.endswith("\n\n"):
            comment = above[above.rindex("/*"):]
        yield match[1], text.count("\n", 0, match.start()) + 1, comment


def functions():
    return {name for header in HEADERS for name, _, _ in declarations(header)}
