"""Two real brokers for the proofs: a primary and its backup, or a cluster of two active nodes."""
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from storm import ROOT, Judge


class Two:
    """`kind` as broker.py has it: pair or cluster."""

    def __init__(self, kind, *settings):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"reattach-{kind}-"))
        self.judge = None
        try:
            self.port = self.run(kind, ".", *settings)["port"]
        except BaseException:
            self.run("cleanup", ".")
            raise

    def run(self, command, member, *arguments):
        done = subprocess.run([sys.executable, str(ROOT / "tests/support/broker.py"), command,
                               str(self.directory / member), *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"broker.py {command} {member}: {done.stderr}")
        return json.loads(done.stdout)

    def __enter__(self):
        self.judge = Judge(self.port)
        return self

    def __exit__(self, *_):
        try:
            self.judge.close()
        finally:
            self.run("cleanup", ".")


class Talker:
    """A program that says something in JSON now and then; the latest of each kind of line is kept."""

    def __init__(self, command, **more):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, **more)
        self.said, self.changed = {}, threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.said.update(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def wait(self, until, seconds):
        """Whether until(what was said so far) became true."""
        with self.changed:
            self.changed.wait_for(lambda: until(self.said) or self.process.poll() is not None, seconds)
            return bool(until(self.said))

    def end(self, seconds):
        """Ends its input; its exit status, or "hangs"."""
        self.process.stdin.close()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "hangs"
        self.reader.join(10)
        return status
