"""What the tests of the Python package share: the broker, the relay that cuts, a queue of one's own.

The broker is the one whose port is in REATTACH_BROKER_PORT; run.py sees to that. Every wait has a deadline, PATIENCE, that
says "hangs" and nothing else.
"""
import gc
import itertools
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import unittest

import reattach

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / os.environ.get("REATTACH_BUILD", "build/release")
PORT = int(os.environ.get("REATTACH_BROKER_PORT", "0"))
PATIENCE = 30
RELIABLE = {"reliable": True, "retryInterval": 20, "retryJitter": 0, "maxRetryInterval": 200}
_numbers = itertools.count(1)


class Relay:
    """Between the client and the broker, or whatever listens on target."""

    def __init__(self, target=None):
        self.process = subprocess.Popen([BUILD / "tests/relay", "--listen", "0", "--target", str(target or PORT),
                                         "--control"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = self._answer()["port"]

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the relay ended with status {self.process.wait()}")
        return json.loads(line)

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._answer()

    def cut(self, how="rst"):
        hit = self.tell(f"cut {how}")["result"]
        assert hit >= 1, "there was no link to cut"

    def close(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


def census():
    """Descriptors, threads and Python objects of ours in this process."""
    gc.collect()
    ours = sum(type(thing).__module__.partition(".")[0] == "reattach" for thing in gc.get_objects())
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), ours


def await_that(condition, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.005)


class Case(unittest.TestCase):
    """Opens connections and closes all that a test left open."""

    def relay(self, target=None):
        relay = Relay(target)
        self.addCleanup(relay.close)
        return relay

    def connect(self, port=None, **options):
        settings = {"user": "admin", "password": "admin", **options}
        connection = reattach.connect(f"tcp://127.0.0.1:{port or PORT}", timeout=PATIENCE, **settings)
        self.addCleanup(connection.close, 5)
        return connection

    def through_relay(self, **options):
        relay = self.relay()
        return relay, self.connect(relay.port, **{**RELIABLE, **options})

    def queue(self, session):
        name = f"python.{os.getpid()}.{next(_numbers)}"
        session.create_queue(name)
        return name

    def opened(self, connection, **more):
        """(session, queue, producer, consumer), started."""
        session = connection.session(**more)
        queue = self.queue(session)
        producer, consumer = session.producer(queue), session.consumer(queue)
        session.start()
        return session, queue, producer, consumer

    def hear(self, connection, condition, what):
        """Dispatches until the condition holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            connection.wait(0.1)
            self.assertLess(time.monotonic(), end, f"never: {what}")

    def drained(self, consumer, idle=0.2):
        """Everything that is in the queue."""
        found = []
        while some := consumer.receive_many(1000, idle):
            found += some
        if found:
            found[-1].acknowledge()
        return found

    def in_child(self, program, *arguments, timeout=PATIENCE, **more):
        """A Python program of its own; gives the finished process."""
        return subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True,
                              timeout=timeout, **more)


def in_thread(function):
    """Starts it; join() gives what it returned or raises what it raised."""
    class Task(threading.Thread):
        result = error = None

        def run(self):
            try:
                self.result = function()
            except BaseException as error:
                self.error = error

        def value(self):
            self.join(PATIENCE)
            assert not self.is_alive(), "the thread hangs"
            if self.error:
                raise self.error
            return self.result

    task = Task(daemon=True)
    task.start()
    return task
