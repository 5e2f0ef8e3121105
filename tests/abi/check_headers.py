#!/usr/bin/env python3
"""Each public header compiles alone, twice in a row, as C11 and as C++17, with all warnings, with gcc and with clang."""
import shutil
import subprocess
import sys

from headers import HEADERS, ROOT

WARNINGS = "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Werror".split()
C = ["-x", "c", "-std=c11", "-Wstrict-prototypes"]
CXX = ["-x", "c++", "-std=c++17", "-Wold-style-cast"]
COMPILERS = [("gcc", C), ("g++", CXX), ("clang", C), ("clang++", CXX)]

good, bad = 0, 0
for compiler, language in COMPILERS:
    if not shutil.which(compiler):
        sys.exit(f"{compiler} is not installed")
    for header in HEADERS:
        text = f"#include <reattach/{header.name}>\n" * 2 + "int nothing;\n"
        command = [compiler, *language, *WARNINGS, "-I", str(ROOT / "abi"), "-fsyntax-only", "-"]
        run = subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        good += run.returncode == 0
        if run.returncode:
            bad += 1
            print(f"{header.name} alone with {compiler}:\n{run.stdout}")
print(f"{good} compilations of {len(HEADERS)} headers were clean, {bad} were not")
sys.exit(1 if bad or not good else 0)
