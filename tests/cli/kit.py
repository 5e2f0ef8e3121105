"""What the tests and the proof of the command share: running it, and the relay between it and the broker."""
import json
import os
import subprocess

USER = ["--user", "admin"]
ENVIRONMENT = {**os.environ, "REATTACH_PASSWORD": "admin"}


def url(port, options=""):
    return f"tcp://127.0.0.1:{port}" + (f"?{options}" if options else "")


class Relay:
    """The relay as a process that takes commands; arguments as for `relay`."""

    def __init__(self, program, target, *arguments):
        self.process = subprocess.Popen([program, "--listen", "0", "--target", str(target), "--control",
                                         *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        """Ends it; gives its counters."""
        out, _ = self.process.communicate(timeout=30)
        return json.loads(out.strip().splitlines()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self.process.stdin.close()
        self.process.stdout.close()


class Command:
    """`reattach` under way; finish() gives (exit status, last JSON object on stdout or None, stderr)."""

    def __init__(self, program, *arguments, port=None, options="", user="admin", **more):
        words = [program, *map(str, arguments)]
        if port is not None:
            words += ["--url", url(port, options), "--user", user]
        self.process = subprocess.Popen(words, env=more.pop("env", ENVIRONMENT), text=True, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, stdin=more.pop("stdin", subprocess.DEVNULL), **more)

    def finish(self, seconds, input=None):
        try:
            out, err = self.process.communicate(input, timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            return None, None, f"not over after {seconds} s: {err[-500:]}"
        lines = [line for line in out.splitlines() if line.startswith("{")]
        return self.process.returncode, json.loads(lines[-1]) if lines else None, err.strip()
