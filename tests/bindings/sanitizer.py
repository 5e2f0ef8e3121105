"""What the runners of the packages do with REATTACH_SANITIZE=address,undefined: the modules and the library inside are built
with gcc's sanitizers, and the interpreter, which is not, is told to load their run time first."""
import os
import subprocess

FLAGS = os.environ.get("REATTACH_SANITIZE", "")


def place(directory):
    """Builds with and without do not share one."""
    return directory.with_name(directory.name + "-sanitized") if FLAGS else directory


def cmake_arguments():
    return [f"-DREATTACH_SANITIZE={FLAGS}", "-DCMAKE_C_COMPILER=gcc", "-DCMAKE_CXX_COMPILER=g++"] if FLAGS else []


def environment(leaks=True):
    """leaks: whether the interpreter gives all of its memory back at the end, so that what is left is ours."""
    if not FLAGS:
        return {}
    libraries = [subprocess.run(["gcc", f"-print-file-name=lib{name}.so"], check=True, capture_output=True,
                                text=True).stdout.strip() for name in ("asan", "ubsan")]
    return {"LD_PRELOAD": " ".join(libraries), "PYTHONMALLOC": "malloc", "UBSAN_OPTIONS": "print_stacktrace=1",
            "ASAN_OPTIONS": f"detect_leaks={int(leaks)}:detect_stack_use_after_return=1:use_sigaltstack=0"}
