#!/usr/bin/env python3
"""check_install.py BUILD_DIRECTORY: a program finds what was installed through pkg-config, shared and static."""
import os
import pathlib
import subprocess
import sys
import tempfile

PROGRAMS = {"reattach": r"""
#include <reattach/reattach.h>
#include <stdio.h>

int main(void)
{
    puts(ra_error_code_name(RA_E_TIMEOUT));
    return 0;
}
""", "reattach-mock": r"""
#include <reattach/mock.h>
#include <stdio.h>

int main(void)
{
    ra_mock *mock = NULL;
    ra_error *err = NULL;

    if (ra_mock_start("port=TIMEOUT", &mock, &err) == RA_E_OPTION)
        puts(ra_error_message(err));
    ra_error_free(err);
    return 0;
}
"""}


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
        for name, text in PROGRAMS.items():
            source.write_text(text)
            for kind in ("shared", "static"):
                flags = run("pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs",
                            *(["--static"] if kind == "static" else []), name, env=environment).split()
                if kind == "static":
                    flags = [str(library_directory / f"lib{f[2:]}.a") if f.startswith("-lreattach") else f for f in flags]
                program = pathlib.Path(directory) / f"{name}-{kind}"
                run("gcc", "-Wall", "-Werror", source, "-o", program, *flags)
                said = run(program, env=environment).strip()
                needs = run("readelf", "-d", program)
                assert (f"lib{name}.so.1" in needs) == (kind == "shared"), needs
                print(f"{name} {kind}: {said}")
                assert "TIMEOUT" in said
    print("installed, found and used")


main(sys.argv[1])
