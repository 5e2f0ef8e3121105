#!/usr/bin/env python3
"""`reattach mock`, run as a process, with the command itself as its client: test_mock.py BUILD_DIRECTORY [TEST...]"""
import json
import pathlib
import signal
import subprocess
import sys
import unittest

from kit import Command, url

PATIENCE = 60  # seconds; says "hangs" and nothing else
PROGRAM = None


class Mock:
    """The command under way, which has said where it listens."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([PROGRAM, "mock", "--json", *map(str, arguments)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = self.hear()
        self.port = self.said["port"]

    def hear(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self.hear()

    def end(self, how=signal.SIGTERM):
        """Exit status, summary, stderr."""
        if how is not None:
            self.process.send_signal(how)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, json.loads(out.splitlines()[-1]), err


class Test(unittest.TestCase):
    def mock(self, *arguments):
        mock = Mock(*arguments)
        self.addCleanup(lambda: mock.process.poll() is None and mock.end())
        return mock

    def client(self, mock, *arguments):
        status, summary, err = Command(PROGRAM, *arguments, "--json", port=mock.port).finish(PATIENCE)
        self.assertIsNotNone(status, err)
        return status, summary

    def test_it_says_where_it_is__and_ends_with_its_counters(self):
        for how in (signal.SIGINT, signal.SIGTERM):
            mock = self.mock("--queue", "q")
            self.assertEqual(mock.said, {"kind": "mock", "url": url(mock.port), "port": mock.port})
            self.assertEqual(self.client(mock, "send", "q", "--count", 5)[0], 0)
            status, summary, err = mock.end(how)
            self.assertEqual((status, err, summary["kind"], summary["stored"]), (0, "", "summary", 5))

    def test_without_json__the_url_is_alone_on_stdout(self):
        done = subprocess.run([PROGRAM, "mock", "--control"], input="", text=True, capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^tcp://127\.0\.0\.1:\d+\n$")
        self.assertIn("connections 0", done.stderr)

    def test_a_fault_of_the_command_line__happens(self):
        mock = self.mock("--queue", "q", "--fault", "reset,at=send,nth=3")
        status, summary = self.client(mock, "send", "q", "--count", 5, "--durable")
        self.assertEqual((status, summary["confirmed"], summary["reattached"]), (0, 5, 1))
        self.assertEqual(self.client(mock, "receive", "q", "--count", 5)[0], 0)
        self.assertEqual(mock.end()[1]["cut"], 1)

    def test_the_same_seed__gives_the_same_fault(self):
        def refused(seed):
            mock = self.mock("--queue", "q", "--seed", seed, "--fault", "reject,at=send,nth=1..100,code=105")
            self.assertEqual(self.client(mock, "send", "q", "--count", 100)[1]["rejected"], 1)
            out = subprocess.run([PROGRAM, "receive", "q", "--count", "99", "--json", "--url", mock.said["url"]],
                                 text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=PATIENCE).stdout
            come = {json.loads(line)["properties"]["seq"] for line in out.splitlines()[:-1]}
            return set(range(100)) - come

        first, again = [[refused(seed) for seed in (1, 2, 3)] for _ in range(2)]
        self.assertEqual(first, again)
        self.assertNotEqual(first[0], first[1])

    def test_control__takes_faults_from_stdin_and_answers(self):
        mock = self.mock("--queue", "q", "--control")
        self.assertEqual(mock.ask("reset,at=send"), {"kind": "answer", "done": True, "error": ""})
        self.assertEqual(self.client(mock, "send", "q", "--count", 1)[1]["reattached"], 1)
        self.assertEqual(mock.ask("counters")["cut"], 1)
        answer = mock.ask("rset")
        self.assertFalse(answer["done"])
        self.assertIn("reset", answer["error"])
        self.assertTrue(mock.ask("clear")["done"])
        mock.process.stdin.close()
        mock.process.stdin = None
        self.assertEqual(mock.end(None)[0], 0)

    def test_mistakes__have_their_exit_status(self):
        mock = self.mock()
        for words, status, said in ((["--fault", "reset,at=sned"], 1, "sned"), (["--queue", ""], 1, "name"),
                                    (["--port", "70000"], 1, "65535"), (["--url", "x"], 1, "--url"),
                                    (["--port", mock.port], 2, str(mock.port))):
            done = subprocess.run([PROGRAM, "mock", *map(str, words)], text=True, capture_output=True, timeout=PATIENCE)
            self.assertEqual((done.returncode, done.stdout), (status, ""), words)
            self.assertIn(said, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)


if __name__ == "__main__":
    PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve() / "bin/reattach")
    unittest.main()
