"""What goes wrong, as exceptions: each of its own kind, in its time."""
import contextlib
import pickle
import socket
import threading
import time
import unittest
import unittest.mock

import reattach
from reattach import _native
from reattach._errors import KINDS, make
from kit import PATIENCE, PORT, Case, in_thread

SLACK = 2  # seconds beyond a deadline


@contextlib.contextmanager
def server(serve):
    """A port on which each connection is given to serve(socket); those that it leaves open are closed at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept = []

        def run():
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listening.accept()[0])
                    serve(kept[-1])

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)
            for one in kept:
                one.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Table(unittest.TestCase):
    def test_every_code__has_a_class_of_its_own(self):
        names = {name[2:] for name in dir(_native) if name.startswith("E_")}
        self.assertEqual(names, set(KINDS))
        self.assertEqual(len(set(KINDS.values())), len(KINDS))
        for kind in KINDS.values():
            self.assertTrue(issubclass(kind, reattach.Error))
            self.assertIs(getattr(reattach, kind.__name__), kind)
            self.assertEqual(kind.__module__, "reattach")

    def test_kinds__are_also_what_python_calls_them(self):
        for kind, base in ((reattach.TimeoutError, TimeoutError), (reattach.ConnectError, ConnectionError),
                           (reattach.ArgumentError, ValueError), (reattach.PropertyTypeError, TypeError),
                           (reattach.GaveUp, reattach.ConnectError), (reattach.QueueNotFound, reattach.BrokerError)):
            self.assertTrue(issubclass(kind, base))


class Connecting(Case):
    def fails(self, kind, code, url, within, **options):
        began = time.monotonic()
        with self.assertRaises(kind) as caught:
            reattach.connect(url, timeout=5, **options).close()
        self.assertLess(time.monotonic() - began, within + SLACK)
        self.assertEqual((type(caught.exception), caught.exception.code_name), (kind, code))
        self.assertGreater(len(str(caught.exception)), 10)
        return caught.exception

    def test_a_broker_that_is_down__is_unreachable(self):
        port = free_port()
        error = self.fails(reattach.Unreachable, "RA_E_CONNECT", f"tcp://127.0.0.1:{port}", 0)
        self.assertIn(str(port), str(error) + error.endpoint)

    def test_a_host_that_does_not_exist__cannot_be_resolved(self):
        error = self.fails(reattach.ResolveError, "RA_E_RESOLVE", "tcp://no-such-host.invalid:61616", 5,
                           connect_timeout_millis=4000)
        self.assertIn("no-such-host.invalid", str(error))

    def test_a_port_that_speaks_http__is_no_broker(self):
        def serve(one):
            one.recv(1000)
            one.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        with server(serve) as port:
            self.fails(reattach.ProtocolError, "RA_E_PROTOCOL", f"tcp://127.0.0.1:{port}", 0)

    def test_a_port_that_stays_silent__is_given_up_in_time(self):
        with server(lambda one: None) as port:
            self.fails(reattach.LinkSilent, "RA_E_LINK_SILENT", f"tcp://127.0.0.1:{port}", 1,
                       connect_timeout_millis=1000)

    def test_a_port_that_closes_at_once__says_so(self):
        with server(lambda one: one.close()) as port:
            self.fails(reattach.LinkClosed, "RA_E_LINK_CLOSED", f"tcp://127.0.0.1:{port}", 0)

    def test_the_time_of_connect__is_kept(self):
        with server(lambda one: None) as port:
            began = time.monotonic()
            with self.assertRaises(reattach.Error) as caught:
                reattach.connect(f"tcp://127.0.0.1:{port}?initialConnectAttempts=-1", timeout=0.5)
            self.assertLess(time.monotonic() - began, 0.5 + SLACK)
            self.assertIn(caught.exception.code_name, ("RA_E_TIMEOUT", "RA_E_CONNECT_TIMEOUT"))

    def test_a_wrong_password__is_refused_with_the_first_session(self):
        connection = self.connect(password="wrong")
        with self.assertRaises(reattach.SecurityError) as caught:
            connection.session()
        self.assertEqual(caught.exception.code_name, "RA_E_SECURITY")
        self.assertIsNotNone(caught.exception.broker_code)
        self.assertNotIn("wrong", str(caught.exception))

    def test_a_wrong_url_or_option__names_what_is_wrong(self):
        for url, word in (("http://x", "http"), ("tcp://x:99999", "port"), ("", "")):
            with self.assertRaisesRegex(reattach.UrlError, word):
                reattach.connect(url)
        for options, word in (({"reconnectAttemps": 1}, "reconnectAttemps"), ({"callTimeout": "5s"}, "callTimeout"),
                              ({"reliable": "maybe"}, "reliable")):
            with self.assertRaisesRegex(reattach.OptionError, word):
                reattach.connect("tcp://127.0.0.1", **options)
        with self.assertRaises(TypeError):
            reattach.connect(5)

    def test_options__are_in_force(self):
        connection = self.connect(callTimeout=5000, blockOnDurableSend=False, connect_timeout_millis=7000, clientID=None)
        options = connection.options
        self.assertEqual((options["callTimeout"], options["blockOnDurableSend"], options["connect-timeout-millis"],
                          options["password"]), ("5000", "false", "7000", "***"))


class Working(Case):
    def test_an_unknown_queue__is_not_found(self):
        session = self.connect().session()
        with self.assertRaises(reattach.QueueNotFound) as caught:
            session.consumer("no.such.queue")
        error = caught.exception
        self.assertEqual((error.code_name, error.code, error.broker_code), ("RA_E_NO_QUEUE", -61, 100))
        self.assertIn("no.such.queue", error.broker_text)
        self.assertFalse(error.outcome_unknown)
        with self.assertRaises((reattach.NoRoute, reattach.AddressNotFound)):
            session.producer("no.such.queue")

    def test_a_closed_object__says_that_it_is_closed(self):
        connection = self.connect()
        session, name, producer, consumer = self.opened(connection)
        consumer.close()
        with self.assertRaises(reattach.Closed):
            consumer.receive(0)
        producer.close()
        with self.assertRaises(reattach.Closed):
            producer.send(b"x")
        session.close()
        session.close()
        with self.assertRaises(reattach.Closed):
            session.query_queue(name)
        connection.close()
        connection.close()
        with self.assertRaises(reattach.Closed):
            connection.session()
        self.assertFalse(connection.is_connected)

    def test_a_broker_that_does_not_answer__ends_the_wait_not_the_link(self):
        relay = self.relay()
        connection = self.connect(relay.port, callTimeout=500)
        session, name, producer, consumer = self.opened(connection)
        relay.tell("delay 3000")
        # nothing is written behind a request that has no answer yet, so the send is known not to be done
        for call, unknown in ((lambda: session.query_queue(name), True),
                              (lambda: producer.send(b"x", durable=True), False)):
            began = time.monotonic()
            with self.assertRaises(reattach.TimeoutError) as caught:
                call()
            self.assertLess(time.monotonic() - began, 0.5 + SLACK)
            self.assertEqual(caught.exception.outcome_unknown, unknown)
            self.assertEqual("may still be done" in str(caught.exception), unknown)
        began = time.monotonic()
        self.assertIsNone(consumer.receive(0.2))
        self.assertLess(time.monotonic() - began, 0.7 + SLACK)
        relay.tell("delay 0")
        self.assertTrue(connection.is_connected)

    def test_without_a_link__a_request_is_not_done_in_time(self):
        relay, connection = self.through_relay(callFailoverTimeout=300)
        session, name, *_ = self.opened(connection)
        relay.tell("refuse on")
        relay.cut()
        self.hear(connection, lambda: not connection.is_connected, "the link is gone")
        with self.assertRaises(reattach.Error) as caught:
            session.query_queue(name)
        self.assertFalse(caught.exception.outcome_unknown)
        relay.tell("refuse off")

    def test_a_lost_transaction__is_rolled_back_and_says_so(self):
        relay, connection = self.through_relay(confirmationWindowSize=-1)
        session, name, producer, _ = self.opened(connection, transacted=True)
        producer.send(b"x", durable=True)
        relay.cut()
        self.hear(connection, lambda: connection.statistics["recreated"] >= 1, "the session was made anew")
        self.assertTrue(session.rollback_only)
        with self.assertRaises(reattach.RolledBack):
            session.commit()
        self.assertEqual(session.query_queue(name).message_count, 0)

    def test_a_message_of_an_earlier_delivery__is_stale(self):
        relay, connection = self.through_relay(confirmationWindowSize=-1)
        session, name, producer, consumer = self.opened(connection)
        producer.send(b"x", durable=True)
        message = consumer.receive(PATIENCE)
        relay.cut()
        self.hear(connection, lambda: connection.statistics["recreated"] >= 1, "the session was made anew")
        with self.assertRaises(reattach.StaleMessage):
            message.acknowledge()
        again = consumer.receive(PATIENCE)
        again.acknowledge()

    def test_a_batch_that_times_out__tells_what_is_open(self):
        relay, connection = self.through_relay()
        session, name, producer, consumer = self.opened(connection)
        relay.tell("delay 5000")
        with self.assertRaises(reattach.BatchError) as caught:
            producer.send_many([b"x"] * 10, durable=True, timeout=0.3)
        error = caught.exception
        self.assertEqual((error.code_name, error.result.count, error.outcome_unknown), ("RA_E_TIMEOUT", 10, True))
        self.assertEqual(error.result.pending + error.result.confirmed, 10)
        relay.tell("delay 0")

    def test_leaving_with_unknown_work__is_not_silent(self):
        relay, connection = self.through_relay(reconnectAttempts=0)
        with self.assertRaises((reattach.OutcomeUnknown, reattach.NotDone)):
            with connection.session() as session:
                name = self.queue(session)
                producer = session.producer(name)
                relay.tell("delay 5000")
                producer.send(b"x", durable=True, wait=False)
                relay.cut()

    def test_what_the_block_raises__is_what_comes_out(self):
        with self.assertRaises(KeyError):
            with self.connect() as connection, connection.session():
                raise KeyError


class Copies(unittest.TestCase):
    def test_an_exception__goes_from_one_process_to_another(self):
        result = reattach.SendResult()
        result.count, result.rejected = 2, 1
        first = reattach.SecurityError("no", -45, broker_code=105, broker_text="may not send")
        for error in (first, reattach.BatchError("1 of 2", result, code=-45, broker_text="may not send")):
            copy = pickle.loads(pickle.dumps(error))
            self.assertEqual((type(copy), str(copy), copy.code, copy.broker_text),
                             (type(error), str(error), error.code, error.broker_text))
        self.assertEqual((copy.result.count, copy.result.rejected), (2, 1))


class Timeouts(Case):
    def test_an_end_just_behind_a_slice_of_a_wait__is_the_end(self):
        session = self.connect().session(transacted=True)
        real, waits = _native.operation_wait, []

        def too_late(operation, milliseconds, flags):
            waits.append(real(operation, -1, 0))
            if len(waits) == 1:
                raise make("TIMEOUT", "the time is over")
            return waits[-1]

        with unittest.mock.patch.object(_native, "operation_wait", too_late):
            session.commit()
        self.assertEqual(waits, [0, 0])

    def test_endless_and_very_long__are_both_long(self):
        for timeout in (float("inf"), 1e18, 1e300):
            with reattach.connect(f"tcp://127.0.0.1:{PORT}", timeout=timeout, user="admin", password="admin") as connection:
                session, name, producer, consumer = self.opened(connection)
                producer.send(b"x")
                waits = [lambda: consumer.receive(timeout), lambda: session.flush(timeout),
                         lambda: producer.send_many([b"x"], timeout=timeout), lambda: consumer.receive_many(5, timeout)]
                for wait in waits:
                    in_thread(wait).value()
                for wait in waits[1:3]:
                    wait()
                self.assertEqual(session.close(timeout), (0, 0))

    def test_what_is_no_number__is_refused(self):
        connection = self.connect()
        _, _, _, consumer = self.opened(connection)
        for timeout in (float("nan"), "5"):
            for wait in (lambda: consumer.receive(timeout), lambda: connection.wait(timeout),
                         lambda: connection.close(timeout)):
                with self.assertRaises((ValueError, TypeError)):
                    wait()


class Interrupting(Case):
    def test_interrupt__ends_waits_on_other_threads(self):
        connection = self.connect()
        _, _, _, consumer = self.opened(connection)
        began = time.monotonic()
        task = in_thread(lambda: consumer.receive(PATIENCE))
        while task.is_alive() and time.monotonic() - began < PATIENCE / 2:
            connection.interrupt()
            time.sleep(0.01)
        with self.assertRaises(reattach.Interrupted):
            task.value()


if __name__ == "__main__":
    unittest.main()
