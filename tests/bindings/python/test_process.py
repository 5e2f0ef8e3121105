"""The package in its process: signals, threads, descriptors, event loops, fork, exit."""
import asyncio
import contextlib
import os
import selectors
import signal
import sys
import threading
import time
import unittest
import unittest.mock

import reattach
from kit import PATIENCE, PORT, Case, await_that, census, in_thread

ROUNDS = 1000
CTRL_C_SECONDS = 0.2
PRELUDE = f"""
import reattach, sys, os, time, signal, threading
connection = reattach.connect("tcp://127.0.0.1:{PORT}?reliable=true", user="admin", password="admin")
session = connection.session()
session.create_queue(name := f"python.child.{{os.getpid()}}", temporary=True)
producer, consumer = session.producer(name), session.consumer(name)
session.start()
"""


@contextlib.contextmanager
def ctrl_c_after(seconds):
    """Gives a list in which the moment of the signal will be."""
    sent = []

    def interrupt():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, interrupt)
    timer.start()
    try:
        yield sent
    finally:
        timer.join()


class CtrlC(Case):
    def interrupted(self, wait):
        """How soon it was over: the least of up to three, because a busy machine comes to us when it likes."""
        late = []
        while len(late) < 3 and min(late, default=1) >= CTRL_C_SECONDS:
            with ctrl_c_after(0.3) as sent, self.assertRaises(KeyboardInterrupt):
                wait()
                time.sleep(PATIENCE)
            late.append(time.monotonic() - sent[0])
        self.assertLess(min(late), CTRL_C_SECONDS)
        self.assertLess(max(late), 10 * CTRL_C_SECONDS)

    def test_in_any_wait__it_is_heard_at_once(self):
        relay = self.relay()
        connection = self.connect(relay.port)
        session, name, producer, consumer = self.opened(connection)
        for wait in (lambda: consumer.receive(), lambda: consumer.receive(PATIENCE), lambda: next(consumer),
                     lambda: consumer.receive_many(10), lambda: connection.wait()):
            self.interrupted(wait)
        relay.tell("delay 2500")
        for wait in (lambda: consumer.receive(0), lambda: consumer.receive(0.1), lambda: session.flush(PATIENCE),
                     lambda: session.query_queue(name), lambda: producer.send(b"x", durable=True),
                     lambda: producer.send_many([b"x"] * 5, durable=True), lambda: session.close()):
            self.interrupted(wait)
        relay.tell("delay 0")

    def test_while_connecting__it_is_heard_at_once(self):
        self.interrupted(lambda: reattach.connect("tcp://127.0.0.1:1?initialConnectAttempts=-1&retryInterval=500",
                                                  timeout=3))

    def test_after_it__everything_goes_on(self):
        _, _, producer, consumer = self.opened(self.connect())
        self.interrupted(lambda: consumer.receive())
        producer.send(b"x", durable=True)
        self.assertEqual(consumer.receive(PATIENCE).body, b"x")

    def test_a_script__ends_with_it(self):
        began = time.monotonic()
        done = self.in_child(PRELUDE + "threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
                             "with connection:\n    consumer.receive()\n")
        self.assertIn("KeyboardInterrupt", done.stderr)
        self.assertEqual(done.returncode, -signal.SIGINT)
        self.assertLess(time.monotonic() - began, 5)

    def test_waiting__costs_no_time_of_the_processor(self):
        _, _, _, consumer = self.opened(self.connect())
        before = time.process_time()
        self.assertIsNone(consumer.receive(2))
        self.assertLess(time.process_time() - before, 0.1)


class Threads(Case):
    def test_while_one_thread_waits__others_run(self):
        connection = self.connect()
        session, name, producer, consumer = self.opened(connection)
        waiting = in_thread(lambda: consumer.receive(PATIENCE))
        count, longest, last = 0, 0, time.monotonic()
        end = last + 0.5
        while last < end:
            now = time.monotonic()
            longest, last, count = max(longest, now - last), now, count + 1
        self.assertGreater(count, 1000)
        self.assertLess(longest, PATIENCE / 6)
        producer.send(b"x", durable=True)
        self.assertEqual(waiting.value().body, b"x")

    def test_listeners_of_a_connection_with_many_threads__run_one_at_a_time(self):
        relay = self.relay()
        connection = self.connect(relay.port, reliable=True, retryInterval=20)
        ends = [self.opened(connection) for _ in range(3)]
        inside, seen, clashes = [], [], []

        def listener(event):
            inside.append(event)
            if len(inside) > 1:
                clashes.append(event)
            time.sleep(0.01)
            inside.clear()
            seen.append(event.session)

        connection.add_failure_listener(listener)
        tasks = [in_thread(lambda c=consumer: c.receive(2)) for *_, consumer in ends]
        for i in range(3):
            relay.cut()
            await_that(lambda: len(seen) == 3 * (i + 1), "all sessions are heard of")
        for task in tasks:
            self.assertIsNone(task.value())
        self.assertEqual(clashes, [])


    def test_without_a_thread_to_be_had__opening_and_closing_work(self):
        def refuse(thread):
            raise RuntimeError("can't create new thread at interpreter shutdown")

        with unittest.mock.patch.object(threading.Thread, "start", refuse):
            connection = self.connect()
            session = connection.session()
            session.stop()
            self.assertEqual((session.close(), connection.close()), ((0, 0), (0, 0)))


class Nothing(Case):
    """What is left when everything is closed or thrown away."""

    def round_closed(self, connection, name):
        with connection.session() as session:
            session.add_failure_listener(lambda event: session)
            producer, consumer = session.producer(name), session.consumer(name)
            session.start()
            producer.send(b"x", {"i": 1}, durable=False)
            message = consumer.receive(PATIENCE)
            message.acknowledge()

    def round_thrown_away(self, connection, name):
        session = connection.session()
        session.add_failure_listener(lambda event: session)
        session.producer(name).send(reattach.Message("x"), wait=False)

    def rounds(self, one, times):
        connection = self.connect()
        session = connection.session()
        name = self.queue(session)
        for _ in range(20):
            one(connection, name)
        before = census()
        for _ in range(times):
            one(connection, name)
        await_that(lambda: census() <= before, f"as before: {before}, not {census()}")

    def test_after_rounds_of_sessions__nothing(self):
        self.rounds(self.round_closed, ROUNDS)

    def test_after_rounds_of_sessions_thrown_away__nothing(self):
        self.rounds(self.round_thrown_away, ROUNDS)

    def test_after_rounds_of_connections__nothing(self):
        def one(closing):
            connection = self.connect_plain()
            connection.add_failure_listener(lambda event: connection)
            session = connection.session()
            session.producer(name).send(b"x")
            if closing:
                connection.close()

        name = self.queue(self.connect().session())
        for closing in (True, False):
            one(closing)
            before = census()
            for _ in range(ROUNDS // 10 if not closing else ROUNDS):
                one(closing)
            await_that(lambda: census() <= before, f"as before: {before}, not {census()}")

    def test_after_rounds_of_cuts_with_listeners__nothing(self):
        relay, connection = self.through_relay()
        session, *rest = self.opened(connection)
        heard = []
        before = None
        for i in range(60):
            listeners = [session.add_failure_listener(heard.append), connection.add_listener(heard.append, "disconnected")]
            relay.cut()
            self.hear(connection, lambda: any(event.kind == "reattached" for event in heard), "the cut")
            for listener in listeners:
                listener.close()
            heard.clear()
            del listeners, listener
            before = census() if i == 9 else before
        await_that(lambda: census() <= before, f"as before: {before}, not {census()}")

    def test_after_errors__nothing(self):
        session = self.connect().session()

        def one():
            for call in (lambda: session.consumer("none"), lambda: session.delete_queue("none"),
                         lambda: reattach.Message(None, {"": 1}), lambda: reattach.Message(5)):
                with self.assertRaises((reattach.Error, TypeError)):
                    call()

        one()
        before, references = census(), sys.getrefcount(None)
        for _ in range(200):
            one()
        await_that(lambda: census() <= before, f"as before: {before}, not {census()}")
        self.assertLess(sys.getrefcount(None) - references, 100)

    def connect_plain(self):
        return reattach.connect(f"tcp://127.0.0.1:{PORT}", user="admin", password="admin", timeout=PATIENCE)


class Loops(Case):
    def test_a_selector__is_told_of_events(self):
        relay, connection = self.through_relay()
        session, *_ = self.opened(connection)
        heard = []
        session.add_failure_listener(heard.append)
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            self.assertEqual(selector.select(0), [])
            relay.cut()
            end = time.monotonic() + PATIENCE
            while not heard and time.monotonic() < end:
                if selector.select(1):
                    connection.dispatch()
        self.assertEqual([event.kind for event in heard], ["reattached"])

    def test_without_a_thread__the_program_drives(self):
        relay = self.relay()
        await_that(lambda: census()[1] == 1, "the threads of earlier tests are gone")
        connection = self.connect(relay.port, drive="manual", reliable=True, retryInterval=20)
        session, name, producer, consumer = self.opened(connection)
        await_that(lambda: census()[1] == 1, "the one that connected is gone, and there is no other")
        heard = []
        session.add_failure_listener(heard.append)
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            relay.cut()
            end = time.monotonic() + PATIENCE
            while not heard and time.monotonic() < end:
                selector.select(min(1 if connection.deadline is None else connection.deadline, 1))
                connection.process()
                connection.dispatch()
        self.assertEqual([event.kind for event in heard], ["reattached"])
        self.assertEqual(producer.send_many([b"x"] * 100, durable=True).confirmed, 100)
        self.assertEqual(len(self.drained(consumer)), 100)

    def test_asyncio__is_told_of_events(self):
        relay, connection = self.through_relay()
        session, *_ = self.opened(connection)

        async def main():
            loop = asyncio.get_running_loop()
            heard = loop.create_future()
            session.add_failure_listener(heard.set_result)
            loop.add_reader(connection.fileno(), connection.dispatch)
            relay.cut()
            event = await asyncio.wait_for(heard, PATIENCE)
            loop.remove_reader(connection.fileno())
            return event.kind

        self.assertEqual(asyncio.run(main()), "reattached")


class Ends(Case):
    def test_exit_with_a_live_connection__is_clean(self):
        for program in ("", "session.add_failure_listener(print)", "del connection", "sys.exit(0)",
                        "threading.Thread(target=consumer.receive, daemon=True).start(); time.sleep(0.2)",
                        "producer.send_many([b'x'] * 1000)", "import atexit; atexit.register(connection.close)"):
            with self.subTest(program):
                began = time.monotonic()
                done = self.in_child(PRELUDE + program)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertLess(time.monotonic() - began, 10)

    def test_exit_by_an_exception__is_that_exception(self):
        done = self.in_child(PRELUDE + "with connection, session:\n    raise KeyError('mine')")
        self.assertEqual((done.returncode, "mine" in done.stderr), (1, True))

    def test_forked_workers__connect_for_themselves(self):
        done = self.in_child(PRELUDE + """
import multiprocessing
def worker(number):
    with reattach.connect(sys.argv[1], reliable=True, user="admin", password="admin") as connection:
        with connection.session() as session:
            session.producer(name).send(str(number), durable=True)
workers = [multiprocessing.get_context("fork").Process(target=worker, args=(i,)) for i in range(3)]
for process in workers:
    process.start()
for process in workers:
    process.join(20)
assert [process.exitcode for process in workers] == [0, 0, 0]
producer.send("parent", durable=True)
print(sorted(consumer.receive(5).body for _ in range(4)), consumer.receive(0))
""", f"tcp://127.0.0.1:{PORT}", env={**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.strip(), "['0', '1', '2', 'parent'] None")

    def test_a_child_of_fork__is_told_and_its_parent_goes_on(self):
        done = self.in_child(PRELUDE + """
producer.send(b"before", durable=True)
child = os.fork()
if child == 0:
    try:
        producer.send(b"from the child", durable=True)
    except reattach.Forked:
        del producer, consumer, session, connection
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
producer.send(b"after", durable=True)
print([consumer.receive(5).body for _ in range(2)], consumer.receive(0))
""", env={**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"})  # from 3.12 on, of threads beside a fork
        self.assertEqual((done.stderr, done.stdout.strip()), ("", "[b'before', b'after'] None"))

    def test_what_needs_the_native_part__says_what_it_got(self):
        from reattach import _native
        with self.assertRaisesRegex(TypeError, "ra_session"):
            _native.session_start("nonsense")
        with self.assertRaises(reattach.ArgumentError):
            _native.session_start(None)


if __name__ == "__main__":
    unittest.main()
