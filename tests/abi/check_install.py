#!/usr/bin/env python3
"""check_install.py BUILD_DIRECTORY: a program finds an installed reattach through pkg-config, shared and static."""
import os
import pathlib
import subprocess
import sys
import tempfile

PROGRAM = r"""
#include <reattach/reattach.h>
#include <stdio.h>

int main(void)
{
    puts(ra_error_code_name(RA_E_TIMEOUT));
    return 0;
}
"""


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def main(build):
    with tempfile.TemporaryDirectory() as directory:
        prefix = pathlib.Path(directory) / "prefix"
        run("cmake", "--install", build, "--prefix", prefix)
        pc = next(prefix.rglob("reattach.pc"))
        library_directory = pc.parent.parent
        environment = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "LD_LIBRARY_PATH": str(library_directory)}
        source = pathlib.Path(directory) / "program.c"
        source.write_text(PROGRAM)
        for kind in ("shared", "static"):
            flags = run("pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs",
                        *(["--static"] if kind == "static" else []), "reattach", env=environment).split()
            if kind == "static":
                flags = [str(library_directory / "libreattach.a") if f == "-lreattach" else f for f in flags]
            program = pathlib.Path(directory) / kind
            run("gcc", "-Wall", "-Werror", source, "-o", program, *flags)
            said = run(program, env=environment).strip()
            needs = run("readelf", "-d", program)
            assert ("libreattach.so.1" in needs) == (kind == "shared"), needs
            print(f"{kind}: {said}")
            assert "TIMEOUT" in said
    print("installed, found and used")


main(sys.argv[1])
