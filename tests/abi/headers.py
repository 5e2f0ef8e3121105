"""Reads the public headers: which functions are declared, with which comment above them."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = sorted((ROOT / "abi/reattach").glob("*.h"))
DECLARATION = re.compile(r"^RA_API\b[^;{]*?\b(\w+)\s*\([^;{]*\)[^;{]*;", re.M)


def declarations(path):
    """(function, line, its comment or ""). Declarations that follow each other without a gap share the comment above."""
    text = path.read_text()
    end, comment = 0, ""
    for match in DECLARATION.finditer(text):
        between = text[end:match.start()]
        if between.endswith("*/\n"):
            comment = between[between.rindex("/*"):]
        elif "\n\n" in between or not end:
            comment = ""
        end = match.end()
        yield match[1], text.count("\n", 0, match.start()) + 1, comment


def functions(library):
    """What a library exports: reattach-mock what mock.h declares, reattach all the rest."""
    headers = [header for header in HEADERS if (header.name == "mock.h") == (library == "reattach-mock")]
    return {name for header in headers for name, _, _ in declarations(header)}
