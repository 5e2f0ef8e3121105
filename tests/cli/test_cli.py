#!/usr/bin/env python3
"""The command `reattach`, run as a process.

    test_cli.py BUILD_DIRECTORY [PORT] [TEST...]

PORT is that of a real broker, default REATTACH_BROKER_PORT; see tests/support/broker.py. Prints "N passed, N failed".
"""
import http.server
import json
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from kit import ENVIRONMENT, USER, Command, Relay, url

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds; says "hangs" and nothing else
SUMMARY = {"kind": str, "messages": int, "confirmed": int, "processed": int, "rejected": int, "not_done": int, "unknown": int,
           "duplicates": int, "missing": int, "out_of_order": int, "reattached": int, "recreated": int, "seconds": float,
           "cpu_seconds": float}
STATISTICS = ["links", "links_lost", "reattached", "recreated", "barriers", "barriers_skipped", "count_advanced", "replayed",
              "answers_lost", "answers_doubled", "numbering_repairs", "recoveries_cut", "sent", "received", "bytes_out", "bytes_in"]
COMMANDS = ["ping", "send", "receive", "browse", "queue list", "queue create", "queue delete", "queue purge", "queue stat",
            "perf reattach", "mock"]
BUILD = PORT = None


def program(name):
    return str(BUILD / name)


def reattach(*arguments, input=None, env=ENVIRONMENT, **more):
    return subprocess.run([program("bin/reattach"), *map(str, arguments)], input=input, env=env, text=True,
                          capture_output=True, timeout=PATIENCE, **more)


def ask(*arguments, options="", **more):
    """With the broker's address and the user."""
    return reattach(*arguments, "--url", url(PORT, options), *USER, **more)


def last_object(text):
    return json.loads(text.strip().splitlines()[-1])


class Offline(unittest.TestCase):
    """What needs no broker."""

    def usage(self, words, *expected):
        done = reattach(*words)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for text in expected:
            self.assertIn(text, done.stderr)

    def test_version(self):
        done = reattach("--version")
        self.assertRegex(done.stdout, r"^reattach \d+\.\d+\.\d+\n$")
        self.assertEqual(done.returncode, 0)

    def test_nothing_at_all__shows_the_commands_on_stderr(self):
        done = reattach()
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("usage: reattach COMMAND", done.stderr)

    def test_help__names_every_command(self):
        done = reattach("help")
        self.assertEqual(done.returncode, 0)
        for name in COMMANDS:
            self.assertIn(f"\n  {name} ", done.stdout)

    def test_help_of_a_command__is_what_the_manual_shows(self):
        page = ROOT / "docs/command.md"
        text = page.read_text()
        for name in COMMANDS:
            done = reattach("help", *name.split())
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(all(len(line) <= 120 for line in done.stdout.splitlines()), name)
            block = re.compile(rf"(## {name}\n.*?\n```text\n).*?(```\n)", re.S)
            self.assertTrue(block.search(text), f"docs/command.md has no block for {name}")
            text = block.sub(lambda match: match[1] + done.stdout + match[2], text, count=1)
        if os.environ.get("REATTACH_UPDATE"):
            page.write_text(text)
        self.assertEqual(text, page.read_text(), "docs/command.md: run this test with REATTACH_UPDATE=1")

    def test_help_of_a_group__lists_its_commands(self):
        for words in (["help", "queue"], ["queue", "--help"], ["queue", "-h"]):
            done = reattach(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            for name in COMMANDS:
                self.assertEqual(f"\n  {name} " in done.stdout, name.startswith("queue "), name)
        self.assertEqual(reattach("help", "--help").stdout, reattach("help").stdout)

    def test_stdout_that_is_full__is_not_well(self):
        for words in (["--version"], ["help"], ["help", "queue"], ["help", "send"], ["send", "--help"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([program("bin/reattach"), *words], stdout=full, stderr=subprocess.PIPE, text=True,
                                      timeout=PATIENCE)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), words)
            self.assertIn("No space left", done.stderr)

    def test_help_flag__is_the_same(self):
        for words in (["send", "--help"], ["send", "q", "--count", "5", "-h"]):
            done = reattach(*words)
            self.assertEqual((done.returncode, done.stdout), (0, reattach("help", "send").stdout))

    def test_unknown_names__are_named_with_the_nearest_one(self):
        self.usage(["sned"], '"sned"', '"send"')
        self.usage(["xyzzy"], '"xyzzy"', "reattach help")
        self.usage(["queue", "lst"], '"queue lst"', '"queue list"')
        self.usage(["queue"], "list", "create", "delete", "purge", "stat")
        self.usage(["perf"], "reattach")
        self.usage(["help", "recieve"], '"recieve"', '"receive"')
        self.usage(["send", "q", "--cuont", "5"], "--cuont", "--count")
        self.usage(["send", "q", "--dur"], "--dur", "--durable")
        self.usage(["send", "q", "--xyzzy"], "--xyzzy", "reattach help send")
        self.usage(["send", "q", "-n", "5"], "-n", "two dashes")
        self.usage(["receive", "q", "--ack", "idividual"], "--ack", "idividual", "auto|individual|transacted", "individual")
        self.usage(["send", "q", "--body", "x", "--property", "a:itn=5"], "a:itn=5", "int")

    def test_bad_values__are_named_with_what_is_expected(self):
        for value in ("0", "-1", "x", "5x", "", "99999999999999999999", "2147483648"):
            self.usage(["send", "q", "--count", value], "--count", f'"{value}"', "1 to 2147483647")
        for value in ("0", "x", "-1", "nan", "1e99"):
            self.usage(["receive", "q", "--idle", value], "--idle", f'"{value}"', "0.001 to 86400")
        for text in ("x", "=x", "seq=1", "a:int=x", "a:byte=128", "a:boolean=yes", "a:double=x", "a:xyzzy=1", ":int=1"):
            self.usage(["send", "q", "--body", "x", "--property", text], "--property")

    def test_words_too_many_or_too_few(self):
        self.usage(["send"], "queue is missing", "reattach send QUEUE")
        self.usage(["send", ""], "empty")
        self.usage(["send", "a", "b"], '"b"', "one word too many")
        self.usage(["ping", "a"], '"a"', "one word too many")
        self.usage(["send", "q", "--count"], "--count", "missing")
        self.usage(["send", "q", "--durable=yes"], "--durable", "no value")
        self.usage(["--url", "x", "ping"], "--url", "behind it")

    def test_send__wants_exactly_one_source(self):
        self.usage(["send", "q"], "--body", "--file", "--lines", "--size", "--count")
        self.usage(["send", "q", "--body", "x", "--lines"], "exclude each other")
        self.usage(["send", "q", "--file", "/does/not/exist"], "/does/not/exist", "No such file")

    def test_two_dashes__end_the_flags(self):
        done = reattach("queue", "stat", "--url", "tcp://127.0.0.1:1", "--", "--count")
        self.assertEqual(done.returncode, 2)

    def test_bad_url(self):
        self.usage(["ping", "--url", "tcp://127.0.0.1:1?reconectAttempts=1"], "reconectAttempts", "reconnectAttempts")
        self.usage(["ping", "--url", "tcp://"], "host")
        self.usage(["ping", "--url", "tcp://127.0.0.1:99999"], "99999")
        self.assertNotIn("s3cret", reattach("ping", "--url", "tcp://u:s3cret@h:x").stderr)

    def test_passwords(self):
        self.usage(["ping", "--password-file", "/does/not/exist"], "/does/not/exist")
        self.usage(["ping", "--password-file", "/dev/null"], "/dev/null", "nothing")
        self.usage(["ping", "--password", "x", "--password-file", "y"], "exclude each other")
        with tempfile.NamedTemporaryFile("w") as file:
            for size, status in ((1022, 2), (1023, 1)):
                file.seek(0)
                file.write("x" * size + "\n")
                file.flush()
                done = reattach("ping", "--password-file", file.name, "--url", "tcp://127.0.0.1:1")
                self.assertEqual(done.returncode, status, done.stderr)
        done = reattach("ping", "--password", "s3cret", "--url", "tcp://127.0.0.1:1")
        self.assertEqual(done.returncode, 2)
        self.assertIn("REATTACH_PASSWORD", done.stderr.splitlines()[0])
        self.assertNotIn("s3cret", done.stderr)

    # ---- brokers that are none ----

    def cannot_connect(self, address, seconds, *expected):
        for words in (["ping"], ["send", "q", "--body", "x"], ["receive", "q"], ["queue", "list"]):
            began = time.monotonic()
            done = reattach(*words, "--url", address, *USER, "--timeout", seconds)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertLess(time.monotonic() - began, seconds * 10)
            for text in expected:
                self.assertIn(text, done.stderr)

    def test_broker_down(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))  # taken, but nobody listens
            self.cannot_connect(url(s.getsockname()[1]), 2, "refused")

    def test_unknown_host(self):
        self.cannot_connect("tcp://no-such-host.invalid:61616", 3, "no-such-host.invalid")

    def test_a_port_that_speaks_http(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        server.RequestHandlerClass.log_message = lambda *_: None
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            self.cannot_connect(url(server.server_port), 3)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def test_a_port_that_stays_silent(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.cannot_connect(url(server.getsockname()[1]), 0.5)

    def test_a_port_that_closes_at_once(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            def close_all():
                while True:
                    try:
                        server.accept()[0].close()
                    except OSError:
                        return
            thread = threading.Thread(target=close_all)
            thread.start()
            try:
                self.cannot_connect(url(server.getsockname()[1]), 3)
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join()


class Online(unittest.TestCase):
    """On a real broker; each test has a queue of its own."""

    def setUp(self):
        self.queue = f"cli.{self.id().rpartition('.')[2]}.{os.getpid()}"
        self.well("queue", "create", self.queue)
        self.addCleanup(lambda: ask("queue", "delete", self.queue))

    def well(self, *arguments, **more):
        done = ask(*arguments, **more)
        self.assertEqual(done.returncode, 0, (arguments, done.stdout[-500:], done.stderr[-500:]))
        return done

    def objects(self, *arguments, **more):
        return [json.loads(line) for line in self.well(*arguments, "--json", **more).stdout.splitlines()]

    def left(self):
        return self.objects("queue", "stat", self.queue)[0]["messages"]

    def assert_left(self, count):
        """The broker counts a message a moment after it has taken it."""
        until = time.monotonic() + 10
        while (left := self.left()) != count and time.monotonic() < until:
            pass
        self.assertEqual(left, count)

    def relay(self, *arguments):
        relay = Relay(program("tests/relay"), PORT, *arguments)
        self.addCleanup(relay.__exit__)
        return relay

    def start(self, *arguments, **more):
        command = Command(program("bin/reattach"), *arguments, port=more.pop("port", PORT), **more)
        self.addCleanup(command.process.communicate)
        self.addCleanup(command.process.kill)
        return command

    def summary(self, done, status):
        self.assertEqual(done.returncode, status, done.stderr)
        summary = last_object(done.stdout)
        self.assertEqual({key: type(value) for key, value in summary.items()}, SUMMARY)
        self.assertEqual(summary["kind"], "summary")
        return summary

    # ---- the way there ----

    def test_ping(self):
        [answer] = self.objects("ping", "--count", 3)
        self.assertEqual(answer["answers"], 3)
        self.assertLessEqual(answer["least_ms"], answer["median_ms"])
        self.assertIn("connected in", self.well("ping").stdout)

    def test_wrong_password(self):
        for words in (["ping"], ["send", self.queue, "--body", "x"], ["receive", self.queue]):
            done = ask(*words, env={**ENVIRONMENT, "REATTACH_PASSWORD": "wr0ng"})
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn("refused the user", done.stderr)
            self.assertNotIn("wr0ng", done.stderr)

    def test_password_file(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("admin\n")
            file.flush()
            nothing = {k: v for k, v in ENVIRONMENT.items() if k != "REATTACH_PASSWORD"}
            self.well("ping", "--password-file", file.name, env=nothing)

    def test_password_flag__works_and_warns(self):
        done = self.well("ping", "--password", "admin", env={**ENVIRONMENT, "REATTACH_PASSWORD": "wrong"})
        self.assertIn("--password-file", done.stderr)

    def test_unknown_queue(self):
        for words in (["send", "--body", "x"], ["receive"], ["browse"], ["queue stat"], ["queue purge"], ["queue delete"]):
            done = ask(*words[0].split(), "nowhere.at.all", *words[1:])
            self.assertEqual((done.returncode, done.stdout), (3, ""), words)
            lines = [line for line in done.stderr.splitlines() if line.startswith("reattach: ")]
            self.assertEqual(len(lines), 1, done.stderr)
            self.assertRegex(lines[0], "nowhere.at.all")

    # ---- send, receive, browse ----

    def test_send_and_receive__summaries(self):
        sent = self.summary(ask("send", self.queue, "--count", 500, "--size", 100, "--durable", "--json"), 0)
        self.assertEqual((sent["messages"], sent["confirmed"]), (500, 500))
        for ack, member in (("individual", "processed"), ("transacted", "confirmed"), ("auto", "processed")):
            got = self.summary(ask("receive", self.queue, "--count", 130, "--ack", ack, "--quiet", "--json"), 0)
            self.assertEqual((got["messages"], got[member]), (130, 130))
        self.assert_left(110)

    def test_send_forget__is_processed(self):
        sent = self.summary(ask("send", self.queue, "--count", 50, "--forget", "--json"), 0)
        self.assertEqual((sent["messages"], sent["confirmed"], sent["processed"]), (50, 0, 50))
        self.assert_left(50)

    def test_bodies__come_back_as_they_went(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(range(256)) * 1000)
            file.flush()
            self.well("send", self.queue, "--file", file.name)
        got = subprocess.run([program("bin/reattach"), "receive", self.queue, "--count", "1", "--url", url(PORT), *USER],
                             env=ENVIRONMENT, capture_output=True, timeout=PATIENCE)
        self.assertEqual(got.stdout, bytes(range(256)) * 1000 + b"\n")
        self.well("send", self.queue, "--body", "grün 😀", "--count", 2)
        self.assertEqual(self.well("receive", self.queue, "--idle", 0.3).stdout, "grün 😀\ngrün 😀\n")
        self.well("send", self.queue, "--file", "-", input="all\nof\nit\n")
        self.assertEqual(self.objects("receive", self.queue, "--count", 1)[0]["body"], "all\nof\nit\n")

    def test_lines(self):
        self.well("send", self.queue, "--lines", input="a\n\nb\r\nc")
        self.assertEqual(self.well("receive", self.queue, "--idle", 0.3).stdout, "a\n\nb\nc\n")
        long = "x" * 300000
        self.well("send", self.queue, "--lines", input=f"{long}\ny\n")
        self.assertEqual(self.well("receive", self.queue, "--count", 2).stdout, f"{long}\ny\n")
        self.assertEqual(self.summary(ask("send", self.queue, "--lines", "--json", input=""), 0)["messages"], 0)
        self.well("send", self.queue, "--lines", "--count", 2, input="a\nb\nc\n")
        self.assert_left(2)

    def test_lines__go_as_they_come(self):
        command = self.start("send", self.queue, "--lines", "--json", stdin=subprocess.PIPE)
        command.process.stdin.write("first\n")
        command.process.stdin.flush()
        self.assertEqual(self.well("receive", self.queue, "--count", 1, "--idle", PATIENCE).stdout, "first\n")
        status, summary, _ = command.finish(PATIENCE, "second\n")
        self.assertEqual((status, summary["confirmed"]), (0, 2))

    def test_json_messages(self):
        self.well("send", self.queue, "--body", "x", "--durable", "--property", "s=text", "--property", "i:int=-5",
                  "--property", "b:boolean=true", "--property", "d:double=0.5", "--property", "k:v:string=a=b")
        message, summary = self.objects("receive", self.queue, "--count", 1)
        self.assertEqual(message["properties"], {"s": "text", "i": -5, "b": True, "d": 0.5, "k:v": "a=b", "seq": 0})
        self.assertEqual((message["kind"], message["type"], message["durable"], message["body"], message["address"]),
                         ("message", "text", True, "x", self.queue))
        self.assertEqual(summary["kind"], "summary")

    def test_json_body_that_is_no_text(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"\xff\x00\xfe\x01")
            file.flush()
            self.well("send", self.queue, "--file", file.name)
        message = self.objects("browse", self.queue)[0]
        self.assertEqual((message["body_base64"], message["type"]), ("/wD+AQ==", "bytes"))

    def test_browse__leaves_the_messages(self):
        self.well("send", self.queue, "--lines", input="a\nb\nc\n")
        self.assertEqual(self.well("browse", self.queue).stdout, "a\nb\nc\n")
        self.assertEqual(self.well("browse", self.queue, "--count", 2).stdout, "a\nb\n")
        self.assertEqual(self.well("browse", self.queue, "--filter", "seq > 0").stdout, "b\nc\n")
        self.assert_left(3)
        self.well("queue", "purge", self.queue)
        self.assertEqual(self.well("browse", self.queue).stdout, "")

    def test_browse__many(self):
        self.well("send", self.queue, "--count", 20000, "--size", 200)
        self.assertEqual([m["properties"]["seq"] for m in self.objects("browse", self.queue)], list(range(20000)))

    def test_rate(self):
        sent = self.summary(ask("send", self.queue, "--count", 21, "--rate", 20, "--json"), 0)
        self.assertGreater(sent["seconds"], 0.9)
        self.assertLess(sent["seconds"], 10)

    # ---- what is not well ----

    def test_refused_sends__are_counted_and_told_once(self):
        queue = f"forbidden.{self.queue}"
        self.well("queue", "create", queue)
        self.addCleanup(lambda: ask("queue", "delete", queue))
        done = reattach("send", queue, "--count", 20, "--json", "--url", url(PORT), "--user", "limited",
                        env={**ENVIRONMENT, "REATTACH_PASSWORD": "limited"})
        summary = self.summary(done, 3)
        self.assertEqual((summary["messages"], summary["confirmed"], summary["rejected"]), (20, 0, 20))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("SEND", done.stderr)

    def test_numbers_that_come_twice(self):
        self.well("send", self.queue, "--count", 3)
        self.well("send", self.queue, "--count", 3)
        got = self.summary(ask("receive", self.queue, "--idle", 0.3, "--quiet", "--json"), 3)
        self.assertEqual((got["duplicates"], got["missing"], got["out_of_order"]), (3, 0, 0))
        self.well("send", self.queue, "--count", 3)
        self.well("send", self.queue, "--count", 3)
        self.well("receive", self.queue, "--idle", 0.3, "--quiet", "--no-check")

    def test_numbers_that_are_missing_or_not_in_order(self):
        self.well("send", self.queue, "--count", 10)
        got = self.summary(ask("receive", self.queue, "--idle", 0.3, "--quiet", "--json", "--filter", "seq <> 5 AND seq > 1"), 3)
        self.assertEqual((got["messages"], got["missing"]), (7, 1))
        self.well("queue", "purge", self.queue)
        self.well("send", self.queue, "--count", 10, "--property", "a=x")
        self.well("receive", self.queue, "--count", 4, "--quiet", "--filter", "seq > 5")

    def test_fewer_than_asked_for(self):
        self.well("send", self.queue, "--count", 2)
        got = self.summary(ask("receive", self.queue, "--count", 5, "--idle", 0.3, "--quiet", "--json"), 3)
        self.assertEqual(got["messages"], 2)

    def test_bad_filter(self):
        done = ask("receive", self.queue, "--filter", "seq >")
        self.assertEqual(done.returncode, 3)
        self.assertIn("filter", done.stderr)

    def test_stdout_that_ends__leaves_the_rest_in_the_queue(self):
        self.well("send", self.queue, "--count", 1000)
        command = self.start("receive", self.queue)
        command.process.stdout.readline()
        command.process.stdout.close()
        command.process.stdout = open(os.devnull)
        self.assertEqual(command.process.wait(PATIENCE), 3)
        self.assertIn("Broken pipe", command.process.stderr.read())
        got = self.summary(ask("receive", self.queue, "--idle", 0.3, "--quiet", "--json"), 0)
        self.assertGreater(got["messages"], 0)

    def test_closed_descriptors__are_not_taken_for_stdin_and_stdout(self):
        broker = f"--url {url(PORT)} --user admin --timeout 5"
        for words, status in ((f"send {self.queue} --lines {broker} <&-", 3), (f"send {self.queue} --file - {broker} <&-", 1),
                              (f"queue stat {self.queue} {broker} >&-", 3), (f"receive {self.queue} --idle 0.3 {broker} <&-", 0),
                              (f"send {self.queue} --body x {broker} <&- >&- 2>&-", 0),
                              (f"receive {self.queue} --count 1 {broker} >&-", 3)):
            done = subprocess.run(f"{program('bin/reattach')} {words}", shell=True, env=ENVIRONMENT, text=True,
                                  capture_output=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, status, (words, done.stderr))
        self.assert_left(1)

    def test_stdout_that_is_full__is_said(self):
        self.well("send", self.queue, "--body", "x")
        for words in (["queue", "list"], ["queue", "stat", self.queue], ["queue", "purge", f"{self.queue}.no"], ["ping"],
                      ["browse", self.queue], ["receive", self.queue, "--count", 1]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([program("bin/reattach"), *map(str, words), "--url", url(PORT), *USER], stdout=full,
                                      env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 3, words)
            self.assertIn("there is no queue" if "purge" in words else "No space left", done.stderr, words)
        self.assert_left(1)

    # ---- signals ----

    def interrupted(self, command, number, wait):
        wait()
        command.process.send_signal(number)
        return command.finish(PATIENCE)

    def until_left(self, n):
        end = time.monotonic() + PATIENCE
        while self.left() != n:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_ctrl_c__ends_receive_in_order(self):
        for ack in ("auto", "individual", "transacted"):
            self.well("send", self.queue, "--count", 30)
            command = self.start("receive", self.queue, "--ack", ack, "--batch", 1000, "--json")
            for _ in range(30):
                command.process.stdout.readline()
            status, summary, err = self.interrupted(command, signal.SIGINT, lambda: None)
            self.assertEqual((status, err), (0, ""))
            self.assertEqual(summary["messages"], 30)
            self.assert_left(0)

    def test_ctrl_c__ends_send_in_order(self):
        command = self.start("send", self.queue, "--count", 100000, "--rate", 100, "--json")
        status, summary, err = self.interrupted(command, signal.SIGTERM, lambda: self.wait_for_more())
        self.assertEqual((status, err), (3, ""))  # not all that was asked for
        self.assertEqual(summary["messages"], summary["confirmed"])
        self.assert_left(summary["messages"])

    def wait_for_more(self):
        end = time.monotonic() + PATIENCE
        while self.left() < 5:
            self.assertLess(time.monotonic(), end)

    def test_ctrl_c__ends_a_send_that_waits_for_stdin(self):
        command = self.start("send", self.queue, "--lines", "--json", stdin=subprocess.PIPE)
        command.process.stdin.write("one\n")
        command.process.stdin.flush()
        status, summary, err = self.interrupted(command, signal.SIGINT, lambda: self.until_left(1))
        self.assertEqual((status, summary["confirmed"], err), (0, 1, ""))

    def test_ctrl_c__is_not_for_a_background_job(self):
        command = self.start("receive", self.queue, "--json", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        self.well("send", self.queue, "--count", 1)
        command.process.stdout.readline()
        command.process.send_signal(signal.SIGINT)
        self.well("send", self.queue, "--count", 1, "--property", "more=x")
        self.assertIn("more", command.process.stdout.readline())
        command.process.send_signal(signal.SIGTERM)
        self.assertEqual(command.finish(PATIENCE)[1]["messages"], 2)

    def test_ctrl_c_twice__does_not_wait_for_a_broker_that_is_gone(self):
        relay = self.relay()
        command = self.start("send", self.queue, "--count", 10000000, "--size", 100, "--json", "--timeout", 50,
                             port=relay.port)
        self.wait_for_more()
        relay.ask("refuse on")
        relay.ask("cut rst")  # in the middle of a stream of sends
        command.process.send_signal(signal.SIGINT)
        with self.assertRaises(subprocess.TimeoutExpired):
            command.process.wait(1)  # it waits for answers
        command.process.send_signal(signal.SIGINT)
        status, summary, _ = command.finish(20)
        self.assertEqual(status, 3)
        self.assertGreater(summary["not_done"] + summary["unknown"], 0)
        self.assertEqual(summary["messages"], summary["confirmed"] + summary["not_done"] + summary["unknown"])

    # ---- lost connections ----

    def test_through_cuts(self):
        relay = self.relay("--bytes", "1..20000", "--how", "rst,fin", "--seed", 5)
        for ack in ("auto", "individual", "transacted"):
            receiver = self.start("receive", self.queue, "--count", 2000, "--idle", 20, "--ack", ack, "--quiet", "--json",
                                  port=relay.port)
            sender = self.start("send", self.queue, "--count", 2000, "--durable", "--json", port=relay.port)
            results = [sender.finish(PATIENCE), receiver.finish(PATIENCE)]
            for status, summary, err in results:
                self.assertEqual((status, err), (0, ""), summary)
                self.assertEqual(summary["messages"], 2000)
            self.assertGreater(sum(summary["reattached"] for _, summary, _ in results), 0)
            self.assert_left(0)

    def test_a_session_that_is_gone__transaction_comes_again(self):
        relay = self.relay()
        self.well("send", self.queue, "--count", 20, "--durable")
        command = self.start("receive", self.queue, "--ack", "transacted", "--batch", 1000, "--idle", 2, "--json",
                             port=relay.port, options="connectionTTL=1000&clientFailureCheckPeriod=500&consumerWindowSize=-1")
        command.process.stdout.readline()
        relay.ask("refuse on")
        relay.ask("cut rst")
        end = time.monotonic() + PATIENCE
        while self.objects("queue", "stat", self.queue)[0]["consumers"] > 0:  # until the broker has cleared it away
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        relay.ask("refuse off")
        status, summary, err = command.finish(PATIENCE)
        self.assertEqual((status, summary["messages"], summary["confirmed"], summary["duplicates"]), (0, 20, 20, 0),
                         (summary, err))
        self.assert_left(0)

    def test_a_connection_that_is_not_made_again(self):
        relay = self.relay()
        self.well("send", self.queue, "--count", 20)
        for ack in ("auto", "transacted"):
            command = self.start("receive", self.queue, "--ack", ack, "--json", port=relay.port,
                                 options="reconnectAttempts=0&consumerWindowSize=0&confirmationWindowSize=-1")
            for _ in range(3):
                command.process.stdout.readline()
            relay.ask("cut rst")
            status, summary, err = command.finish(PATIENCE)
            self.assertEqual(status, 3)
            self.assertEqual(len(err.splitlines()), 1, err)
            self.assertEqual(summary["messages"], summary["confirmed"] + summary["processed"] + summary["not_done"]
                             + summary["unknown"])

    def test_statistics__tell_of_the_connection(self):
        relay = self.relay()
        words = ["send", self.queue, "--count", 300, "--rate", 200, "--durable"]
        command = self.start(*words, "--json", "--statistics", port=relay.port)
        self.wait_for_more()
        relay.ask("cut rst")
        status, summary, err = command.finish(PATIENCE)
        self.assertEqual((status, err), (0, ""))
        statistics = summary.pop("statistics")
        self.assertEqual({key: type(value) for key, value in summary.items()}, SUMMARY)
        self.assertEqual(list(statistics), STATISTICS)
        self.assertEqual((statistics["links_lost"], statistics["reattached"], statistics["sent"]), (1, 1, 300))
        self.assertEqual(statistics["barriers"] + statistics["barriers_skipped"], 1)
        self.assertGreater(statistics["bytes_out"], 300 * 100)
        got = self.well("receive", self.queue, "--count", 300, "--quiet", "--statistics")
        line, names = got.stderr.splitlines()
        self.assertIn("300 messages", line)
        self.assertRegex(names, "^links 1, links_lost 0, .*, received 300, .*, bytes_in [0-9]+$")

    # ---- the terminal ----

    def on_terminal(self, *arguments, act=lambda: None, port=None):
        """What appears on a terminal that is stderr."""
        master, slave = pty.openpty()
        words = [program("bin/reattach"), *map(str, arguments), "--url", url(port or PORT), *USER]
        process = subprocess.Popen(words, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        threading.Thread(target=act).start()
        text = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break  # the other end is closed
            text += piece
        os.close(master)
        out = process.communicate(timeout=PATIENCE)[0]
        self.assertEqual(process.returncode, 0, text)
        return text.decode(), out.decode()

    def test_progress__on_a_terminal_only(self):
        words = ["send", self.queue, "--count", 150, "--rate", 100, "--json"]
        text, out = self.on_terminal(*words)
        self.assertRegex(text, r"\r\x1b\[K\d+ sent, \d+ confirmed, \d+ waiting, \d+ a second")
        self.assertTrue(text.endswith("\r\x1b[K"), repr(text[-80:]))
        self.assertEqual(last_object(out)["confirmed"], 150)
        self.assertEqual(self.well(*words).stderr, "")

    def test_events__on_a_terminal(self):
        relay = self.relay()
        text, _ = self.on_terminal("send", self.queue, "--count", 200, "--rate", 100, port=relay.port,
                                   act=lambda: (self.wait_for_more(), relay.ask("cut rst")))
        self.assertRegex(text, r"s  disconnected: .*\n(.*\n)*.*s  retrying: attempt 1 at 127.0.0.1:\d+ in \d+ ms\r?\n"
                               r"(.*\n)*.*s  reattached: \d+ commands sent again")
        self.assertRegex(text, r"200 messages, 200 confirmed, 1 reattached; [\d.]+ s, CPU [\d.]+ s")

    # ---- queues ----

    def test_queue_commands(self):
        name = f"{self.queue}.more"
        self.assertEqual(self.objects("queue", "create", name, "--multicast", "--non-durable", "--address", "cli.address",
                                      "--filter", "seq > 1"), [{"kind": "created", "queue": name}])
        done = ask("queue", "create", name)
        self.assertEqual(done.returncode, 3)
        self.assertIn("exists already", done.stderr)
        [stat] = self.objects("queue", "stat", name)
        self.assertEqual((stat["name"], stat["address"], stat["routing_type"], stat["durable"], stat["filter"]),
                         (name, "cli.address", "multicast", False, "seq > 1"))
        self.assertIn("multicast", self.well("queue", "stat", name).stdout)
        self.assertEqual(self.objects("queue", "delete", name), [{"kind": "deleted", "queue": name}])
        self.well("send", self.queue, "--count", 7)
        listed = {queue["name"]: queue for queue in self.objects("queue", "list")}
        self.assertEqual(listed[self.queue]["messages"], 7)
        self.assertTrue(listed[self.queue]["durable"])
        self.assertNotIn(name, listed)
        self.assertIn(self.queue, self.well("queue", "list").stdout)
        [stat] = self.objects("queue", "stat", self.queue)
        self.assertEqual((stat["messages"], stat["added"], stat["acknowledged"]), (7, 7, 0))
        self.assertEqual(self.objects("queue", "purge", self.queue), [{"kind": "purged", "queue": self.queue, "messages": 7}])
        self.assert_left(0)

    def test_reply_queues__do_not_stay(self):
        self.objects("queue", "list")
        self.assertEqual([queue for queue in self.objects("queue", "list") if queue["name"].startswith("reattach.")], [])

    def test_a_user_who_may_not_manage(self):
        limited = {"env": {**ENVIRONMENT, "REATTACH_PASSWORD": "limited"}}
        address = ["--url", url(PORT), "--user", "limited"]
        for words in (["queue", "list"], ["queue", "purge", self.queue]):
            done = reattach(*words, *address, **limited)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertIn("MANAGE", done.stderr)
        stat = reattach("queue", "stat", self.queue, "--json", *address, **limited)
        self.assertEqual(stat.returncode, 0)
        self.assertNotIn("added", last_object(stat.stdout))

    # ---- perf ----

    def test_perf_reattach(self):
        for durable in ([], ["--durable"]):
            [result] = self.objects("perf", "reattach", "--cuts", 5, "--interval", 0.05, *durable)
            self.assertEqual((result["cuts"], result["lost"], result["doubled"], result["unknown"], result["recreated"]),
                             (5, 0, 0, 0, 0))
            self.assertGreaterEqual(result["reattached"], 5)
            self.assertLessEqual(result["median_ms"], result["max_ms"])
            self.assertGreater(result["median_ms"], 0)
        self.assertIn("median", self.well("perf", "reattach", "--cuts", 2, "--outstanding", 1).stdout)
        self.assertEqual([q for q in self.objects("queue", "list") if q["name"].startswith("reattach.")], [])

    def test_perf_reattach__wants_one_broker(self):
        done = reattach("perf", "reattach", "--url", f"tcp://127.0.0.1:{PORT},127.0.0.1:{PORT}", *USER)
        self.assertEqual(done.returncode, 1)
        self.assertIn("one broker", done.stderr)


def main():
    global BUILD, PORT
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    words = sys.argv[2:]
    BUILD = pathlib.Path(sys.argv[1]).resolve()
    PORT = words.pop(0) if words and words[0].isdigit() else os.environ.get("REATTACH_BROKER_PORT")
    if PORT is None:
        sys.exit("test_cli.py: the port of a broker is missing (or REATTACH_BROKER_PORT)")
    loader = unittest.TestLoader()
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Offline, Online))
    if words:
        suite = unittest.TestSuite(test for case in suite for test in case if any(word in test.id() for word in words))
    result = unittest.TextTestRunner(verbosity=2, descriptions=False).run(suite)
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed", flush=True)
    return 1 if bad or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
