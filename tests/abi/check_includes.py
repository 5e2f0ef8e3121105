#!/usr/bin/env python3
"""Includes point down only. check_includes.py [ROOT]; --self-test plants violations and expects to find each.

    cli -> abi;  api -> client -> engine, net, tls -> codec -> base;  mock -> net, codec, base

"Down" is transitive. Every room may include the public headers (reattach/*.h), the public headers only themselves.
System headers are free; a quoted include has to be a file of ours.
"""
import pathlib
import re
import sys
import tempfile

DOWN = {
    "base": [],
    "codec": ["base"],
    "engine": ["codec"],
    "net": ["codec"],
    "tls": ["codec"],
    "client": ["engine", "net", "tls"],
    "api": ["client"],
    "mock": ["net", "codec", "base"],
    "cli": [],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def reachable(room):
    found = {room}
    for below in DOWN[room]:
        found |= reachable(below)
    return found


def includes(path):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] == '"', match[2]


def resolve(root, path, name, quoted):
    """The file of ours that is meant, relative to the root, or None."""
    places = [path.parent] if quoted else []
    for place in places + [root / "src", root / "abi"]:
        candidate = (place / name).resolve()
        if candidate.is_file() and candidate.is_relative_to(root):
            return candidate.relative_to(root)
    return None


def verdict(root, path, name, quoted):
    """What is wrong with this include, or None."""
    target = resolve(root, path, name, quoted)
    if target is None:
        return f'"{name}" is no file of ours (system headers are <...>)' if quoted else None
    own = path.relative_to(root).parts
    if target.parts[0] == "abi":
        return None if str(target).startswith("abi/reattach/") else f"{target} is not a public header"
    if own[0] == "abi":
        return f"a public header includes {target}"
    if target.parts[0] != "src" or len(target.parts) < 3:
        return f"{target} belongs to no room"
    room = own[1]
    if target.parts[1] not in reachable(room):
        return f"{room} may not include {target.parts[1]} ({target})"
    return None


def check(root):
    """(number of includes, list of violations)"""
    root = root.resolve()
    count, bad = 0, []
    files = sorted(p for top in ("abi", "src") for p in (root / top).rglob("*.[ch]"))
    for path in files:
        own = path.relative_to(root)
        if own.parts[0] == "src" and (len(own.parts) < 3 or own.parts[1] not in DOWN):
            bad.append(f"{own}: not in a room this test knows")
            continue
        for number, quoted, name in includes(path):
            count += 1
            wrong = verdict(root, path, name, quoted)
            if wrong:
                bad.append(f"{own}:{number}: {wrong}")
    return count, bad


def plant(root, files):
    for room in DOWN:
        (root / "src" / room).mkdir(parents=True)
        (root / "src" / room / "x.h").write_text("")
    (root / "abi/reattach").mkdir(parents=True)
    (root / "abi/reattach/public.h").write_text("")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def self_test():
    allowed = [(a, b) for a in DOWN for b in DOWN if b in reachable(a)]
    good = {f"src/{a}/uses_{b}.c": f'#include <stdio.h>\n#include "{b}/x.h"\n#include <reattach/public.h>\n'
            for a, b in allowed}
    bad = {f"src/{a}/uses_{b}.c": f'# include "{b}/x.h"\n' for a in DOWN for b in DOWN if (a, b) not in allowed}
    bad["src/codec/angle.c"] = "#include <net/x.h>\n"
    bad["src/codec/dots.c"] = '#include "../engine/x.h"\n'
    bad["src/codec/unknown.c"] = '#include "nowhere.h"\n'
    bad["src/attic/file.c"] = "\n"
    bad["abi/reattach/inward.h"] = '#include "base/x.h"\n'
    # spelled out, so that a mistake in the table above cannot hide
    for a, b in (("base", "codec"), ("codec", "engine"), ("engine", "net"), ("net", "engine"), ("engine", "client"),
                 ("client", "api"), ("cli", "base"), ("cli", "api"), ("mock", "engine"), ("net", "tls"), ("tls", "net")):
        assert f"src/{a}/uses_{b}.c" in bad, f"{a} -> {b} counts as allowed"
    for a, b in (("api", "engine"), ("api", "base"), ("client", "codec"), ("mock", "base"), ("net", "base")):
        assert f"src/{a}/uses_{b}.c" in good, f"{a} -> {b} counts as forbidden"
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        plant(root, good | bad)
        found = {line.split(":")[0] for line in check(root)[1]}
    assert found == set(bad), f"missed {set(bad) - found}, too much {found - set(bad)}"
    print(f"self test: {len(bad)} planted violations found, {len(good)} allowed includes passed")


def main():
    self_test()
    if "--self-test" in sys.argv:
        return 0
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    count, bad = check(root)
    print("\n".join(bad) or f"{count} includes, all pointing down")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
