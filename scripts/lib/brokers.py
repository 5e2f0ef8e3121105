"""The broker that the tests share: started once, stopped on every way out."""
import contextlib
import subprocess
import sys

from report import ROOT, read_json_line

BROKER = ROOT / "tests/support/broker.py"


def call(*arguments):
    run = subprocess.run([sys.executable, str(BROKER), *map(str, arguments)], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError((run.stderr + run.stdout).strip())
    return run.stdout


@contextlib.contextmanager
def broker(directory):
    """A fresh broker in build/; gives its port."""
    directory = ROOT / "build" / directory
    if directory.exists():
        call("cleanup", directory)
    try:
        yield int(read_json_line(call("up", directory))["port"])
    finally:
        call("cleanup", directory)
