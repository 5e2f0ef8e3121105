"""Judging the storms: outcomes noted by the C program, joined by seq with what the Java judge finds in the queues."""
import json
import pathlib
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]

CONFIRMED, REJECTED, NOT_DONE, UNKNOWN = 1, 2, 3, 4


def java():
    """The command that runs one of the tests' Java programs."""
    path = subprocess.run([sys.executable, str(ROOT / "tests/support/broker.py"), "java"], check=True,
                          capture_output=True, text=True).stdout.strip()
    return ["java", "-Xmx512M", "-cp", path]


class Judge:
    """The Java judge as a long-running process: one JVM for all series of a proof."""

    def __init__(self, port):
        self.process = subprocess.Popen(
            [*java(), "Judge", "--port", str(port), "--user", "admin", "--password", "admin", "--server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.process.stdout.readline()  # that it is ready

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the judge ended")
        answer = json.loads(line)
        if not answer.get("ok"):
            raise RuntimeError(f"judge: {words}: {answer.get('error')}")
        return answer

    def take(self, queue):
        """The seqs that are in a queue just now, in its order, and how many messages have not come."""
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(scratch) / "seqs"
            answer = self.ask("drain", queue, str(path))
            return [int(line) for line in path.read_text().split()], answer["remaining"]

    def drain(self, queue):
        """The seqs of a queue, in its order; the queue is gone afterwards."""
        seqs = []
        # "that is all" may come while the queue is still being filled from its journal or pages: ask until it is empty
        idle = 0
        while True:
            more, remaining = self.take(queue)
            seqs += more
            if remaining <= 0:
                break
            idle = 0 if more else idle + 1
            if idle == 1000:
                raise RuntimeError(f"judge: {queue}: {remaining} messages do not come")
        self.ask("delete", queue)
        return seqs

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


class Emptying:
    """Takes what is in the queues QUEUE.0, QUEUE.1, ... again and again while a storm fills them."""

    def __init__(self, judge, queue, lanes):
        self.judge, self.queue = judge, queue
        self.taken, self.over = [[] for _ in range(lanes)], threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        while not self.over.wait(0.05):
            for lane, seqs in enumerate(self.taken):
                queue = f"{self.queue}.{lane}"
                if self.judge.ask("count", queue)["count"] > 0:  # -1 before the storm has made it
                    seqs += self.judge.take(queue)[0]

    def __enter__(self):
        self.thread.start()
        return self.taken

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Broker:
    """A broker of the proof's own, with the judge beside it."""

    def __init__(self, *settings):
        self.directory = tempfile.mkdtemp(prefix="reattach-broker-")
        self.run("create", *settings)
        self.port = self.run("start")["port"]
        self.judge = Judge(self.port)

    def run(self, command, *arguments):
        out = subprocess.run([sys.executable, str(ROOT / "tests/support/broker.py"), command, self.directory,
                              *arguments], check=True, capture_output=True, text=True).stdout
        lines = out.strip().splitlines()
        return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}

    def logged(self, code):
        """How often the broker's log says that."""
        return (pathlib.Path(self.directory) / "log/reattach-run.log").read_text(errors="replace").count(code)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.judge.close()
        finally:
            self.run("cleanup")


def run(program, seconds, *arguments):
    """One storm; its summary. A storm that does not end in time hangs, which is a result, not an accident."""
    command = [program, *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        return {"hangs": 1, "errors": 1, "error": f"not over after {seconds} s: {(late.stderr or b'')[-300:]}"}
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    return {"hangs": 0, "errors": 1, "error": f"exit status {done.returncode}: {done.stderr[-300:]}"}


def join(outcomes, seqs, every):
    """Outcomes by seq against the seqs found, in their order."""
    times = [0] * len(outcomes)
    foreign = 0
    for seq in seqs:
        if 0 <= seq < len(outcomes):
            times[seq] += 1
        else:
            foreign += 1
    total = {"messages": len(outcomes), "stored": len(seqs), "lost": 0, "doubled": foreign, "unknown": 0, "not_done": 0,
             "rejected": 0, "without_outcome": 0, "wrong": 0}
    total["out_of_order"] = sum(1 for a, b in zip(seqs, seqs[1:]) if b < a)
    for seq, outcome in enumerate(outcomes):
        forbidden = every > 0 and seq % every == every - 1
        total["doubled"] += max(0, times[seq] - 1)
        if outcome == CONFIRMED:
            total["lost"] += times[seq] == 0
            total["wrong"] += forbidden
        elif outcome == REJECTED:
            total["rejected"] += 1
            total["wrong"] += not forbidden or times[seq] > 0
        elif outcome == NOT_DONE:
            total["not_done"] += 1
            total["wrong"] += times[seq] > 0
        elif outcome == UNKNOWN:
            total["unknown"] += 1
        else:
            total["without_outcome"] += 1
    return total


def add(total, more):
    for key, value in more.items():
        total[key] = total.get(key, 0) + value
    return total


def judge_lanes(judge, queue, prefix, lanes, every=50, taken=None):
    """taken: the seqs of each lane that were taken out before."""
    total = {}
    for lane in range(lanes):
        path = pathlib.Path(f"{prefix}.{lane}")
        outcomes = path.read_bytes()
        path.unlink()
        before = taken[lane] if taken else []
        add(total, join(outcomes, before + judge.drain(f"{queue}.{lane}"), every))
    return total
