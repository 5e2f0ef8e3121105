"""Listeners: on whose thread, in which order, and what may happen inside them."""
import gc
import threading
import unittest
import weakref

import reattach
from kit import PATIENCE, Case, await_that, in_thread

OF_A_CUT = ("disconnected", "retrying", "reattached", "recreated", "session_lost", "gave_up")


class Heard(list):
    """A listener that notes what it hears and where."""

    def __init__(self):
        self.threads = []

    def __call__(self, event):
        self.append(event)
        self.threads.append(threading.get_ident())

    @property
    def kinds(self):
        return [event.kind for event in self]


class Listening(Case):
    def test_receive__hears_of_a_cut_on_its_own_thread(self):
        relay, connection = self.through_relay()
        session, name, producer, consumer = self.opened(connection)
        heard = Heard()
        session.add_failure_listener(heard)

        def receive():
            return threading.get_ident(), consumer.receive(PATIENCE)

        task = in_thread(receive)
        relay.cut()
        await_that(lambda: heard, "the listener is called while the other thread receives")
        self.connect().session().producer(name).send(b"x", durable=True)
        thread, message = task.value()
        self.assertEqual((message.body, set(heard.threads)), (b"x", {thread}))
        self.assertEqual((heard.kinds, heard[0].session), (["reattached"], session))

    def test_every_wait__hears_of_a_cut(self):
        relay, connection = self.through_relay()
        session, name, producer, consumer = self.opened(connection)
        heard = Heard()
        session.add_failure_listener(heard)
        waits = {"receive": lambda: consumer.receive(0.5), "receive_many": lambda: consumer.receive_many(5, 0.5),
                 "wait": lambda: connection.wait(5), "query": lambda: session.query_queue(name),
                 "send": lambda: producer.send(b"x", durable=True), "flush": lambda: session.flush(5),
                 "send_many": lambda: producer.send_many([b"x"] * 500, durable=True)}
        for name_of_wait, wait in waits.items():
            with self.subTest(name_of_wait):
                del heard[:]
                session.flush()
                before = connection.statistics["reattached"]
                relay.cut()
                await_that(lambda: connection.statistics["reattached"] > before, "the session is back")
                self.assertEqual(heard.kinds, [], "called although nobody waited or dispatched")
                wait()
                self.assertEqual(heard.kinds, ["reattached"])
        self.assertEqual(set(heard.threads), {threading.get_ident()})

    def test_the_order__is_disconnected_retrying_reattached(self):
        relay, connection = self.through_relay()
        session, *_ = self.opened(connection)
        heard = Heard()
        connection.add_listener(heard, *OF_A_CUT)
        for how in ("rst", "fin"):
            del heard[:]
            relay.cut(how)
            self.hear(connection, lambda: "reattached" in heard.kinds, "reattached")
            kinds = [kind for kind in heard.kinds if kind != "retrying"]
            self.assertEqual(kinds, ["disconnected", "reattached"])
            self.assertEqual(heard.kinds[0], "disconnected")
            self.assertIsInstance(heard[0].error, reattach.ConnectError)
            self.assertIsNone(heard[0].session)
            self.assertTrue(all(event.attempt >= 1 and event.endpoint for event in heard if event.kind == "retrying"))

    def test_a_listener_of_one_session__hears_nothing_of_another(self):
        relay, connection = self.through_relay()
        one, other = connection.session(), connection.session()
        heard, both = Heard(), Heard()
        one.add_failure_listener(heard)
        connection.add_failure_listener(both)
        relay.cut()
        self.hear(connection, lambda: len(both) == 2, "both sessions")
        self.assertEqual([event.session for event in heard], [one])
        self.assertEqual({event.session for event in both}, {one, other})

    def test_a_session_without_a_broker__is_lost_and_says_so(self):
        relay, connection = self.through_relay(reconnectAttempts=2)
        session, _, producer, _ = self.opened(connection)
        heard = Heard()
        connection.add_listener(heard, *OF_A_CUT)
        relay.tell("refuse on")
        relay.cut()
        self.hear(connection, lambda: {"session_lost", "gave_up"} <= set(heard.kinds), "the end")
        self.assertEqual(heard.kinds[0], "disconnected")
        with self.assertRaises(reattach.ConnectError):
            producer.send(b"x", durable=True)

    def test_what_cannot_be_a_listener__is_refused(self):
        connection = self.connect()
        with self.assertRaises(TypeError):
            connection.add_failure_listener(5)
        with self.assertRaisesRegex(ValueError, "reattachment"):
            connection.add_listener(print, "reattachment")
        with self.assertRaises(ValueError):
            connection.add_listener(print)
        with self.assertRaisesRegex(ValueError, "send_outcome"):  # that is how send_many() hears of its own
            connection.add_listener(print, "send_outcome")


class Exceptions(Case):
    def test_an_exception__comes_out_of_the_method_that_was_called(self):
        relay, connection = self.through_relay()
        session, name, producer, consumer = self.opened(connection)

        def angry(event):
            raise KeyError(event.kind)

        session.add_failure_listener(angry)
        for method in (lambda: consumer.receive(PATIENCE), lambda: list(consumer.messages(PATIENCE)),
                       lambda: connection.wait(PATIENCE), connection.dispatch):
            before = connection.statistics["reattached"]
            relay.cut()
            await_that(lambda: connection.statistics["reattached"] > before, "the session is back")
            with self.assertRaisesRegex(KeyError, "reattached"):
                method()
        producer.send(b"x", durable=True)  # nothing else is harmed
        self.assertEqual(consumer.receive(PATIENCE).body, b"x")

    def test_an_exception_during_a_request__waits_for_its_end(self):
        relay, connection = self.through_relay()
        session, name, producer, consumer = self.opened(connection, transacted=True)

        def angry(event):
            raise KeyError(event.kind)

        producer.send(b"x", durable=True)
        relay.tell("delay 200")
        connection.add_listener(angry, "disconnected")
        task = in_thread(session.commit)
        relay.cut()
        with self.assertRaises(KeyError):
            task.value()
        self.assertEqual(session.query_queue(name).message_count, 1)

    def test_an_exception_during_a_batch__says_how_far_it_came(self):
        relay, connection = self.through_relay()
        session, name, producer, consumer = self.opened(connection)

        def angry(event):
            raise KeyError(event.kind)

        def messages():
            for i in range(100000):
                if i == 1000:
                    relay.cut()
                yield b"x"

        session.add_failure_listener(angry)
        with self.assertRaises(KeyError) as caught:
            producer.send_many(messages(), durable=True)
        self.assertRegex(caught.exception.__notes__[0], r"SendResult of \d+: \d+ confirmed")

    def test_behind_an_exception__the_other_events_still_come(self):
        relay, connection = self.through_relay()
        sessions = [connection.session() for _ in range(4)]
        heard = Heard()

        def angry(event):
            raise ValueError

        sessions[0].add_failure_listener(angry)
        connection.add_failure_listener(heard)
        relay.cut()
        await_that(lambda: connection.statistics["reattached"] == 4, "the sessions are back")
        raised = 0
        for _ in range(3):
            try:
                connection.dispatch()
            except ValueError:
                raised += 1
        self.assertEqual((raised, len(heard)), (1, 4))

    def test_what_is_raised_on_the_way_to_a_listener__comes_out(self):
        """Ctrl-C, for instance, in the moment in which Python is called."""
        relay, connection = self.through_relay()
        opened = self.opened(connection)
        handler = reattach._connection._on_event
        self.addCleanup(reattach._native.set_event_handler, handler)

        def interrupted(number, event):
            if number == listeners[0]._id:
                raise KeyboardInterrupt(number)
            handler(number, event)

        heard = [[], []]
        listeners = [connection.add_failure_listener(one.append) for one in heard]
        relay.cut()
        await_that(lambda: connection.statistics["reattached"], "the session is back")
        reattach._native.set_event_handler(interrupted)
        with self.assertRaises(KeyboardInterrupt):
            connection.dispatch()
        self.assertEqual([len(one) for one in heard], [0, 1])
        reattach._native.set_event_handler(handler)
        relay.cut()
        self.hear(connection, lambda: all(heard), "the next cut")
        self.assertEqual(len(opened), 4)

    def test_of_two_exceptions__the_first_comes_and_mentions_the_second(self):
        relay, connection = self.through_relay()
        session = connection.session()

        def angry(name):
            def listener(event):
                raise ValueError(name)
            return listener

        session.add_failure_listener(angry("one"))
        session.add_failure_listener(angry("two"))
        relay.cut()
        with self.assertRaises(ValueError) as caught:
            connection.wait(PATIENCE)
        self.assertEqual(str(caught.exception), "one")
        self.assertIn("two", caught.exception.__notes__[0])


class Inside(Case):
    """What a listener may do."""

    def hear_a_cut(self, relay, connection, listener, times=1):
        heard = Heard()

        def both(event):
            heard(event)
            listener(event)

        handle = connection.add_failure_listener(both)
        for i in range(times):
            relay.cut()
            self.hear(connection, lambda: len(heard) > i, "the cut")
        return heard, handle

    def test_sending_without_waiting__works(self):
        relay, connection = self.through_relay()
        session, name, producer, consumer = self.opened(connection)
        self.hear_a_cut(relay, connection, lambda event: producer.send(event.kind, wait=False), times=3)
        session.flush(PATIENCE)
        self.assertEqual([message.text for message in self.drained(consumer)], ["reattached"] * 3)

    def test_acknowledging__works(self):
        relay, connection = self.through_relay()
        session, name, producer, consumer = self.opened(connection)
        producer.send(b"x", durable=True)
        message = consumer.receive(PATIENCE)
        self.hear_a_cut(relay, connection, lambda event: message.acknowledge())
        session.flush(PATIENCE)
        self.assertEqual(session.query_queue(name).message_count, 0)

    def test_everything_that_waits__is_refused_and_not_begun(self):
        relay, connection = self.through_relay()
        session, name, producer, consumer = self.opened(connection)
        producer.send(b"x", durable=True)
        transacted = connection.session(transacted=True)
        transacted.producer(name).send(b"y", durable=True)
        other = self.queue(session)
        calls = [lambda: consumer.receive(1), lambda: session.flush(1), connection.session, session.stop,
                 lambda: session.query_queue(name), lambda: producer.send(b"x", durable=True),
                 lambda: producer.send_many([b"x"]), lambda: connection.wait(1), connection.dispatch,
                 lambda: session.create_queue(name + ".b"), lambda: session.delete_queue(other),
                 lambda: session.producer(name), lambda: session.consumer(name), transacted.commit,
                 lambda: transacted.transact(lambda session: None)]
        refused = []

        def listener(event):
            for call in () if refused else calls:
                try:
                    call()
                except reattach.InListener:
                    refused.append(call)

        self.hear_a_cut(relay, connection, listener)
        self.assertEqual([call for call in calls if call not in refused], [])
        found = [session.query_queue(queue) for queue in (name, name + ".b", other)]
        self.assertEqual([queue and (queue.message_count, queue.consumer_count) for queue in found],
                         [(1, 1), None, (0, 0)], "something was done all the same")

    def test_closing_the_session__closes_it(self):
        relay, connection = self.through_relay()
        session, name, producer, consumer = self.opened(connection)
        self.hear_a_cut(relay, connection, lambda event: session.close())
        with self.assertRaises(reattach.Closed):
            session.flush(1)
        self.assertEqual(connection.session().query_queue(name).message_count, 0)

    def test_closing_the_connection__closes_it(self):
        relay, connection = self.through_relay()
        opened = self.opened(connection)  # kept alive: a session that nobody holds is closed
        self.hear_a_cut(relay, connection, lambda event: connection.close())
        connection.close()
        with self.assertRaises(reattach.Closed):
            opened[0].flush()

    def test_removing_the_listener__ends_it(self):
        relay, connection = self.through_relay()
        opened = self.opened(connection)
        everything = Heard()
        connection.add_failure_listener(everything)
        heard, handle = [], None

        def once(event):
            heard.append(event)
            handle.close()

        handle = connection.add_failure_listener(once)
        for i in range(3):
            relay.cut()
            self.hear(connection, lambda: len(everything) > i, "the cut")
        self.assertEqual((len(heard), len(opened)), (1, 4))
        handle.close()  # twice is fine

    def test_adding_a_listener__lets_it_hear_the_next_event(self):
        relay, connection = self.through_relay()
        opened = self.opened(connection)
        later, handles = Heard(), []

        def add(event):
            if not handles:
                handles.append(connection.add_failure_listener(later))

        self.hear_a_cut(relay, connection, add, times=2)
        self.assertEqual((len(later), len(opened)), (1, 4))

    def test_an_event__may_be_kept(self):
        relay, connection = self.through_relay()
        session = connection.session()
        heard, _ = self.hear_a_cut(relay, connection, lambda event: None)
        self.assertEqual((heard[0].kind, heard[0].session), ("reattached", session))
        self.assertIn("reattached", repr(heard[0]))


class Lifetime(Case):
    def test_a_listener_that_nobody_holds__goes_on_hearing(self):
        relay, connection = self.through_relay()
        session, *_ = self.opened(connection)
        heard = Heard()
        session.add_failure_listener(heard)
        gc.collect()
        relay.cut()
        self.hear(connection, lambda: heard, "the cut")

    def test_a_closed_session__lets_go_of_its_listeners(self):
        connection = self.connect()
        session = connection.session()
        heard = Heard()
        gone = weakref.ref(heard)
        session.add_failure_listener(heard)
        del heard
        gc.collect()
        self.assertIsNotNone(gone())
        session.close()
        gc.collect()
        self.assertIsNone(gone())

    def test_a_cycle_through_a_listener__is_collected(self):
        connection = self.connect()
        session = connection.session()
        session.add_failure_listener(lambda event: session.close())
        gone = weakref.ref(session)
        del session
        gc.collect()
        self.assertIsNone(gone())


if __name__ == "__main__":
    unittest.main()
