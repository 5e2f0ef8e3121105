#!/usr/bin/env python3
"""check_symbols.py NAME SHARED STATIC

NAME is reattach or reattach-mock. The shared library exports exactly the declared functions, all under one version; its
SONAME is libNAME.so.1; what the rooms share privately is called rai_.
"""
import re
import subprocess
import sys

from headers import functions

VERSIONS = {"reattach": "REATTACH_1.0", "reattach-mock": "REATTACH_MOCK_1.0"}


def tool(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported(library):
    """name -> version of every symbol that a program can link to"""
    symbols = {}
    for line in tool("nm", "-D", "--defined-only", "--with-symbol-versions", library).splitlines():
        _, kind, name = line.split(maxsplit=2)
        name, _, version = name.partition("@")
        if kind != "A":  # the version node itself
            symbols[name] = version.lstrip("@")
    return symbols


def shared_privately(archive):
    """Symbols that are visible between the object files."""
    names = set()
    for line in tool("nm", "-g", "--defined-only", archive).splitlines():
        fields = line.split()
        if len(fields) == 3:
            names.add(fields[2])
    return names


def main(name, library, archive):
    declared, symbols, version = functions(name), exported(library), VERSIONS[name]
    bad = []
    bad += [f"declared and not exported: {symbol}" for symbol in sorted(declared - symbols.keys())]
    bad += [f"exported and not declared: {symbol}" for symbol in sorted(symbols.keys() - declared)]
    bad += [f"not called ra_: {symbol}" for symbol in sorted(symbols) if not symbol.startswith("ra_")]
    bad += [f"{symbol} has version '{v}'" for symbol, v in sorted(symbols.items()) if v != version]
    private = shared_privately(archive) - declared
    bad += [f"shared between rooms and not called rai_: {symbol}" for symbol in sorted(private)
            if not re.match(r"rai_|__(asan|tsan|ubsan|odr)", symbol)]
    soname = re.search(r"SONAME.*\[(.*)\]", tool("readelf", "-d", library))
    if not soname or soname[1] != f"lib{name}.so.1":
        bad.append(f"the SONAME is {soname and soname[1]}, not lib{name}.so.1")
    print("\n".join(bad))
    print(f"{len(declared)} declared, {len(symbols)} exported, {len(private)} private, {len(bad)} wrong")
    return 1 if bad or not declared else 0


sys.exit(main(*sys.argv[1:]))
