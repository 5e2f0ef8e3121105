"""Two real brokers for the proofs: a primary and its backup, or a cluster of two active nodes."""
import functools
import json
import pathlib
import subprocess
import sys
import tempfile
import threading

from storm import ROOT, Judge


class Two:
    """`kind` as broker.py has it: pair or cluster."""

    def __init__(self, kind, *settings):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"reattach-{kind}-"))
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

    @functools.cached_property
    def judge(self):
        """For queues of the primary, or of node 0."""
        return Judge(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            if "judge" in self.__dict__:
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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:  # something went wrong, and nobody waits for it any more
            self.process.kill()
            self.process.wait()


class Relay:
    """An address under which a broker is reached, and which it does not know."""

    def __init__(self, proof, target, *arguments):
        self.program = Talker([proof.program("relay"), "--listen", 0, "--target", target, "--control", *arguments])
        if not self.program.wait(lambda said: "port" in said, 10):
            raise RuntimeError("the relay does not listen")
        self.port = self.program.said["port"]

    def tell(self, line):
        self.program.process.stdin.write(line + "\n")
        self.program.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.end(10)
