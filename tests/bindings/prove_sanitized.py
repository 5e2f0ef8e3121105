"""The tests of the Python, Ruby and Lua packages with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer in the
modules and the library. The small form only shows that an error in there would be heard of."""
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "artemis"), str(HERE.parents[1] / "scripts/lib")]
os.environ["REATTACH_SANITIZE"] = "address,undefined"
import brokers  # noqa: E402
import sanitizer  # noqa: E402
from proof import Proof  # noqa: E402

PACKAGES = {"Python": ["python/run.py"], "Ruby": ["run_ruby_lua.py", "ruby"], "Lua": ["run_ruby_lua.py", "lua"]}
PLANTED = {"free twice": "double-free", "lose": "LeakSanitizer"}
PROGRAM = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
for i in range(10):
    block = libc.malloc(777)
if sys.argv[1] == "free twice":
    libc.free(block), libc.free(block)
del block
"""


def planted(proof):
    for what, expected in PLANTED.items():
        done = subprocess.run([sys.executable, "-c", PROGRAM, what], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **sanitizer.environment()})
        proof.check(done.returncode != 0 and expected in done.stderr, f"to {what} is not told: {done.stderr[-500:]}")


def tests(proof, package, words, port):
    began = time.monotonic()
    done = subprocess.run([sys.executable, HERE / words[0], *words[1:]], capture_output=True, text=True, timeout=3600,
                          env={**os.environ, "REATTACH_BROKER_PORT": str(port)})
    found = re.findall(r"^(\d+) passed, (\d+) failed", done.stdout, re.M)
    passed, failed = map(int, found[-1]) if found else (0, 1)
    proof.row(package, passed, failed, round(time.monotonic() - began))
    proof.check(done.returncode == 0 and passed > 0 and failed == 0, f"{package}: {done.stdout[-2000:]}")


def main():
    proof = Proof("sanitized", "The packages' tests under AddressSanitizer", ["package", "passed", "failed", "seconds"])
    planted(proof)
    if not proof.small:
        with brokers.broker("sanitized-broker") as port:
            for package, words in PACKAGES.items():
                tests(proof, package, words, port)
    proof.note("With UndefinedBehaviorSanitizer, and with the leak check but for Ruby, which does not give all of its memory "
               "back. A planted double free and a planted leak are told.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    main()
