"""reattach.mock: a user's program is tested with it, and what it says and counts is so."""
import subprocess
import sys
import time
import unittest

import reattach
import reattach.mock
from kit import PATIENCE, RELIABLE, ROOT, Case, census


class OfAUser(unittest.TestCase):
    def test_a_program__is_tested_by_its_own_tests(self):
        done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-m", "unittest", "test_shop"],
                              cwd=ROOT / "examples", capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Ran 2 tests", done.stderr)


class Mock(Case):
    def broker(self, **options):
        broker = reattach.mock.Broker(**options)
        self.addCleanup(broker.stop)
        return broker

    def client(self, broker, **options):
        """(session, heard): a connection that is patient, and what its listener hears."""
        connection = self.connect(broker.port, **{**RELIABLE, **options})
        session, heard = connection.session(), []
        session.add_failure_listener(lambda event: heard.append(event.kind))
        return session, heard

    def test_url_and_port__are_those_it_listens_on(self):
        broker = self.broker()
        self.assertEqual(broker.url, f"tcp://127.0.0.1:{broker.port}")
        with self.assertRaises(reattach.StateError) as caught:
            reattach.mock.Broker(port=broker.port)
        self.assertIn(str(broker.port), str(caught.exception))

    def test_a_cut_at_a_chosen_send__is_heard_in_each_way(self):
        broker = self.broker()
        broker.create_queue("q")
        for how in ("reset", "close", "abandon"):
            for when in ("before", "inside", "after"):
                with self.subTest(how=how, when=when):
                    session, heard = self.client(broker)
                    producer = session.producer("q")
                    before = broker.messages("q")
                    cuts = broker.counters["cut"]
                    broker.cut_at("send", 2, when, how)
                    for n in range(3):
                        producer.send(str(n), durable=True)
                    session.connection.dispatch()
                    self.assertEqual(heard, ["reattached"])
                    self.assertEqual(broker.messages("q") - before, 3)
                    self.assertEqual(broker.counters["cut"], cuts + 1)

    def test_a_cut_now__is_heard(self):
        broker = self.broker()
        broker.create_queue("q")
        session, heard = self.client(broker)
        broker.cut()
        session.producer("q").send("x")
        broker.wait("reattached")
        self.hear(session.connection, lambda: heard == ["reattached"], "that the session is back")

    def test_a_wait__ends_in_time(self):
        broker = self.broker()
        began = time.monotonic()
        with self.assertRaises(reattach.TimeoutError):
            broker.wait("connections", timeout=0.2)
        self.assertLess(time.monotonic() - began, 5)
        self.connect(broker.port)
        broker.wait("connections")
        with self.assertRaises(reattach.ArgumentError):
            broker.wait("conections")

    def test_mistakes__are_explained(self):
        broker = self.broker()
        for fault, said in (({"action": "rest"}, "reset|"), ({"action": "reset", "at": "sned"}, "send"),
                            ({"action": "reset", "nth": 2}, "at=PACKET"), ({"action": "reset", "ms": 2}, "ms=2"),
                            ({"action": "reset", "at": "send", "nth": 0}, "1 to")):
            with self.subTest(fault=fault), self.assertRaises(reattach.OptionError) as caught:
                broker.fault(**fault)
            self.assertIn(said, str(caught.exception))
        for options, said in (({"prt": 1}, "port"), ({"port": 65536}, "65535"), ({"version": 128}, "129")):
            with self.subTest(options=options), self.assertRaises(reattach.OptionError) as caught:
                reattach.mock.Broker(**options)
            self.assertIn(said, str(caught.exception))
        with self.assertRaises(reattach.QueueNotFound):
            broker.messages("none")
        broker.create_queue("q")
        with self.assertRaises(reattach.QueueExists):
            broker.create_queue("q")

    def test_a_stopped_one__refuses_and_still_counts(self):
        with self.broker() as broker:
            broker.create_queue("q")
            with self.connect(broker.port) as connection, connection.session() as session:
                session.producer("q").send("x")
        self.assertEqual(broker.messages("q"), 1)
        self.assertEqual(broker.counters["stored"], 1)
        with self.assertRaises(reattach.Closed):
            broker.cut()
        with self.assertRaises(reattach.Closed):
            broker.wait("stored", 2)
        broker.stop()

    def test_many__leave_nothing_behind(self):
        def one():
            with reattach.mock.Broker() as broker:
                with reattach.connect(broker.url, timeout=PATIENCE, **RELIABLE):
                    broker.fault("reset", every="1..3")
                    broker.wait("cut", 3)

        one()
        before = census()
        for _ in range(5):
            one()
        self.assertEqual(census(), before)


if __name__ == "__main__":
    unittest.main()
