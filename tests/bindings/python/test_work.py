"""Sessions at work: queues, transactions, acknowledgements, batches."""
import time
import unittest

import reattach
from kit import Case, PATIENCE, await_that, in_thread


class Queues(Case):
    def test_a_queue__is_created_described_and_deleted(self):
        session = self.connect().session()
        name = self.queue(session)
        session.producer(name).send(b"x", durable=True)
        info = session.query_queue(name)
        self.assertEqual((info.name, info.address, info.routing_type, info.durable, info.temporary, info.filter,
                          info.consumer_count, info.message_count), (name, name, "anycast", True, False, None, 0, 1))
        self.assertEqual(session.query_address(name).queues, [name])
        with self.assertRaises(reattach.QueueExists):
            session.create_queue(name)
        session.create_queue(name, exist_ok=True)
        session.delete_queue(name)
        self.assertIsNone(session.query_queue(name))

    def test_an_address_with_two_queues__copies_to_both(self):
        session = self.connect().session()
        address = self.queue(session) + ".topic"
        session.create_address(address, "multicast")
        for suffix in "ab":
            session.create_queue(f"{address}.{suffix}", address=address, routing_type="multicast", durable=False,
                                 filter="n > 1" if suffix == "b" else None)
        producer = session.producer(address)
        producer.send_many([(b"", {"n": 1}), (b"", {"n": 2})])
        session.start()
        self.assertEqual([len(self.drained(session.consumer(f"{address}.{suffix}"))) for suffix in "ab"], [2, 1])

    def test_a_temporary_queue__ends_with_its_connection(self):
        name = f"python.temporary.{id(self)}"
        with self.connect() as connection:
            session = connection.session()
            session.create_queue(name, temporary=True)
            self.assertTrue(session.query_queue(name).temporary)
        session = self.connect().session()
        await_that(lambda: session.query_queue(name) is None, "the queue is gone")

    def test_metadata__is_taken_also_when_the_session_was_recreated(self):
        relay, connection = self.through_relay(confirmationWindowSize=-1)
        session, other = connection.session(), self.connect().session()
        key = f"python.{id(self)}"
        session.add_metadata(key, "till")
        heard = []
        session.add_failure_listener(heard.append)
        relay.cut()
        self.hear(connection, lambda: heard, "the recreation")
        self.assertEqual(heard[0].kind, "recreated")
        session.add_metadata(key + ".own", "", unique=True)
        for taken in ((key, "till"), (key + ".own", "")):
            with self.assertRaises(reattach.Rejected) as caught:
                other.add_metadata(*taken, unique=True)
            self.assertEqual(caught.exception.broker_code, 114)
        other.add_metadata(key, "till")
        with self.assertRaises(reattach.ArgumentError):
            session.add_metadata("", "x")

    def test_wrong_words__are_refused(self):
        session = self.connect().session()
        with self.assertRaisesRegex(ValueError, "anycast"):
            session.create_queue("x", routing_type="broadcast")
        with self.assertRaises(ValueError):
            session.create_queue("a\0b")
        with self.assertRaises(TypeError):
            session.create_queue(5)
        with self.assertRaises(reattach.ArgumentError):
            session.delete_queue("")


class Receiving(Case):
    def test_without_messages__nothing_comes_in_time(self):
        _, _, _, consumer = self.opened(self.connect())
        for timeout in (0, 0.05, 0.3):
            self.assertIsNone(consumer.receive(timeout))
        self.assertEqual(consumer.receive_many(10, 0), [])

    def test_any_limit__is_a_limit(self):
        _, _, producer, consumer = self.opened(self.connect())
        producer.send_many([b"x"] * 600)
        messages = consumer.receive_many(2**40, PATIENCE)
        while len(messages) < 600:
            messages += consumer.receive_many(2**40, PATIENCE)
        self.assertEqual(len(messages), 600)

    def test_with_timeout_zero__what_is_in_the_queue_is_found(self):
        connection = self.connect(consumerWindowSize=0)
        _, _, producer, consumer = self.opened(connection)
        for i in range(20):
            producer.send(b"x", {"i": i}, durable=True)
            self.assertEqual(consumer.receive(0).properties["i"], i)

    def test_with_window_zero__waiting_works_in_slices(self):
        connection = self.connect(consumerWindowSize=0)
        session, name, _, consumer = self.opened(connection)
        self.assertIsNone(consumer.receive(0.25))
        other = self.connect().session().producer(name)
        task = in_thread(lambda: other.send(b"late", durable=True))
        self.assertEqual(consumer.receive(PATIENCE).body, b"late")
        task.value()

    def test_an_answer_slower_than_a_slice__is_waited_for(self):
        relay = self.relay()
        _, _, producer, consumer = self.opened(self.connect(relay.port, consumerWindowSize=0))
        relay.tell("delay 200")
        self.assertIsNone(consumer.receive(0))
        producer.send(b"x", durable=True)
        began = time.monotonic()
        self.assertEqual(consumer.receive(0).body, b"x")
        self.assertIsNone(consumer.receive(0.1))
        self.assertLess(time.monotonic() - began, 10)
        relay.tell("delay 0")

    def test_iteration__ends_when_the_consumer_is_closed(self):
        _, _, producer, consumer = self.opened(self.connect())
        producer.send_many([b"a", b"b", b"c"])
        seen = []
        for message in consumer:
            seen.append(message.body)
            message.acknowledge()
            if len(seen) == 3:
                consumer.close()
        self.assertEqual(seen, [b"a", b"b", b"c"])

    def test_messages__end_when_nothing_more_comes(self):
        _, _, producer, consumer = self.opened(self.connect())
        producer.send_many([b"a", b"b"])
        self.assertEqual([message.body for message in consumer.messages(timeout=0.1)], [b"a", b"b"])

    def test_a_browser__leaves_messages_where_they_are(self):
        session, name, producer, consumer = self.opened(self.connect())
        consumer.close()
        producer.send_many([b"a", b"b"])
        with session.consumer(name, browse=True) as browser:
            self.assertEqual(len(browser.receive_many(10, 1) + browser.receive_many(10, 0.1)), 2)
        self.assertEqual(session.query_queue(name).message_count, 2)

    def test_a_filter__lets_only_matching_messages_come(self):
        session, name, producer, consumer = self.opened(self.connect())
        consumer.close()
        producer.send_many([(None, {"n": i}) for i in range(10)])
        found = self.drained(session.consumer(name, "n >= 7"))
        self.assertEqual([message.properties["n"] for message in found], [7, 8, 9])
        with self.assertRaises(reattach.FilterError):
            session.consumer(name, "this is no filter (")


class Acknowledging(Case):
    def left(self, connection, name):
        session = connection.session()
        session.start()
        return [message.properties["i"] for message in self.drained(session.consumer(name))]

    def four(self, session, producer, consumer):
        producer.send_many([(b"", {"i": i}) for i in range(4)])
        return [consumer.receive(PATIENCE) for _ in range(4)]

    def test_acknowledge__takes_all_up_to_the_message(self):
        connection = self.connect()
        session, name, producer, consumer = self.opened(connection)
        self.four(session, producer, consumer)[2].acknowledge()
        session.close()
        self.assertEqual(self.left(connection, name), [3])

    def test_acknowledge_individually__takes_one(self):
        for options in ({}, {"blockOnAcknowledge": True}):
            connection = self.connect(**options)
            session, name, producer, consumer = self.opened(connection)
            self.four(session, producer, consumer)[2].acknowledge_individually()
            session.close()
            self.assertEqual(self.left(connection, name), [0, 1, 3])

    def test_a_message_of_our_own__cannot_be_acknowledged(self):
        with self.assertRaises(ValueError):
            reattach.Message(b"").acknowledge()
        session, name, producer, consumer = self.opened(self.connect())
        producer.send(b"x")
        with self.assertRaises(reattach.ArgumentError):
            session.consumer(name).acknowledge(consumer.receive(PATIENCE))


class Transactions(Case):
    def test_commit__makes_sends_and_acknowledgements_happen(self):
        connection = self.connect()
        session, name, producer, consumer = self.opened(connection, transacted=True)
        producer.send(b"one", durable=True)
        result = producer.send_many([b"two", b"three"], durable=True)
        self.assertEqual((result.count, result.confirmed), (2, 0))
        self.assertEqual(session.query_queue(name).message_count, 0)
        session.commit()
        self.assertEqual(session.query_queue(name).message_count, 3)
        self.drained(consumer)
        session.commit()
        self.assertEqual(session.query_queue(name).message_count, 0)

    def test_rollback__undoes_both(self):
        connection = self.connect()
        session, name, producer, consumer = self.opened(connection, transacted=True)
        producer.send(b"kept", durable=True)
        session.commit()
        producer.send(b"lost", durable=True)
        first = consumer.receive(PATIENCE)
        first.acknowledge()
        session.rollback()
        again = consumer.receive(PATIENCE)
        self.assertEqual((again.body, again.delivery_count), (b"kept", 2))
        again.acknowledge()
        session.commit()
        self.assertIsNone(consumer.receive(0.1))
        self.assertFalse(session.rollback_only)

    def test_commit_without_a_transaction__is_refused(self):
        session = self.connect().session()
        with self.assertRaises(reattach.StateError):
            session.commit()


class Transact(Case):
    """Commits in doubt, of sessions that are recreated: after every cut without a confirmation window, else when the broker
    has given them up."""

    def setUp(self):
        window = 65536 if "answer_was_lost" in self.id() else -1
        self.link, connection = self.through_relay(reliable=False, reconnectAttempts=-1, confirmationWindowSize=window,
                                                   connectionTTL=1000, clientFailureCheckPeriod=200)
        self.session = connection.session(transacted=True)
        self.name = self.queue(self.session)
        self.producer = self.session.producer(self.name)
        self.calls = 0

    def work(self, session):
        self.calls += 1
        for body in "ab":
            self.producer.send(body, durable=True)
        return self.calls

    def bodies(self):
        session = self.connect().session()
        session.start()
        return [message.body for message in self.drained(session.consumer(self.name))]

    def test_a_commit_that_never_arrived__is_done_again(self):
        self.link.tell("cut-at broker 43 1 before rst")
        self.assertEqual(self.session.transact(self.work), 2)
        self.assertEqual(self.bodies(), ["a", "b"])

    def test_a_commit_of_which_the_answer_was_lost__took_effect_once(self):
        self.link.tell("refuse on")  # nobody gets through until the broker has given the session up
        trap = self.link.tell("cut-at client 21 3 before rst")["result"]  # the answers of two sends come first
        task = in_thread(lambda: self.session.transact(self.work, id="order 7"))
        self.assertEqual(self.link.tell(f"wait {trap} 20000")["result"], 1)
        time.sleep(1 + 3)  # its TTL, and how often the broker looks
        self.link.tell("refuse off")
        self.assertEqual(task.value(), 2)
        self.assertEqual(self.bodies(), ["a", "b"])
        self.assertEqual(self.session.transact(self.work, id="order 7"), 3)  # as after a restart of the program
        self.assertEqual(self.bodies(), [])

    def test_a_session_recreated_meanwhile__is_no_reason_to_give_up(self):
        connection = self.session.connection

        def work(session):
            result = self.work(session)
            if result == 1:
                self.link.cut()
                await_that(lambda: connection.statistics["recreated"] == 1, "the session is back")
            return result

        self.assertEqual(self.session.transact(work), 2)
        self.assertEqual(self.bodies(), ["a", "b"])

    def test_what_work_raises__comes_out_and_undoes_it(self):
        def work(session):
            self.work(session)
            raise KeyError("why")

        with self.assertRaisesRegex(KeyError, "why"):
            self.session.transact(work)
        with self.assertRaises(reattach.QueueNotFound):  # one of ours, but for no reason that passes
            self.session.transact(lambda session: session.delete_queue("missing"))
        self.assertEqual(self.bodies(), [])

    def test_wrong_sessions_and_ids__are_refused(self):
        with self.assertRaises(reattach.StateError):
            self.connect().session().transact(self.work)
        with self.assertRaises(reattach.ArgumentError):
            self.session.transact(self.work, id="")
        self.assertEqual(self.calls, 0)


class Batches(Case):
    def test_every_message__has_its_outcome_and_its_place(self):
        _, _, producer, consumer = self.opened(self.connect())
        for durable in (True, False):
            result = producer.send_many(((b"", {"i": i}) for i in range(3000)), durable=durable)
            self.assertEqual((result.count, result.confirmed, result.pending, result.failures), (3000, 3000, 0, []))
            found = self.drained(consumer)
            self.assertEqual([message.properties["i"] for message in found], list(range(3000)))
            self.assertEqual({message.durable for message in found}, {durable})

    def test_all_forms_of_a_message__may_be_mixed(self):
        _, _, producer, consumer = self.opened(self.connect())
        producer.send_many([b"a", "b", None, (b"c", {"own": 1}), reattach.Message("d", {"x": 1}), bytearray(b"e")],
                           properties={"all": True}, priority=6)
        found = self.drained(consumer)
        self.assertEqual({(message.body, tuple(message.properties.items()), message.priority) for message in found},
                         {(b"a", (("all", True),), 6), ("b", (("all", True),), 6), (None, (("all", True),), 6),
                          (b"c", (("all", True), ("own", 1)), 6), ("d", (("x", 1),), 4), (b"e", (("all", True),), 6)})

    def test_a_wrong_message__stops_the_batch_and_says_what_it_is(self):
        _, _, producer, consumer = self.opened(self.connect())
        for wrong in (5, (b"x",), (b"x", {"p": 1j}), producer):
            with self.assertRaises((TypeError, ValueError)):
                producer.send_many([b"a", wrong])
        self.assertEqual(self.drained(consumer), [])

    def test_one_message_instead_of_many__is_refused(self):
        _, _, producer, consumer = self.opened(self.connect())
        for wrong in ("text", b"bytes", bytearray(b"x"), memoryview(b"x"), reattach.Message(b"x"), None, 5):
            with self.assertRaisesRegex(TypeError, "iter"):
                producer.send_many(wrong)
        self.assertEqual(self.drained(consumer), [])

    def test_what_the_iterable_raises__comes_out(self):
        _, _, producer, _ = self.opened(self.connect())

        def messages():
            yield b"a"
            raise KeyError("mine")

        with self.assertRaisesRegex(KeyError, "mine"):
            producer.send_many(messages())

    def test_messages_that_the_broker_refuses__are_told_apart(self):
        session = self.connect(user="limited", password="limited", routeCheck="none").session()
        producer = session.producer()
        with self.assertRaises(reattach.BatchError) as caught:
            producer.send_many([b"x"] * 5, address="forbidden.python", durable=True)
        result = caught.exception.result
        self.assertEqual((result.count, result.confirmed, result.rejected), (5, 0, 5))
        self.assertEqual((result.failures[0][0], result.failures[-1][1]), (0, 4))
        self.assertIsInstance(result.failures[0][3], reattach.SecurityError)
        self.assertEqual(caught.exception.code_name, "RA_E_SECURITY")
        self.assertFalse(caught.exception.outcome_unknown)

    def test_two_threads_on_one_session__each_get_their_own_outcomes(self):
        session, name, producer, consumer = self.opened(self.connect())
        other = session.producer(name)
        tasks = [in_thread(lambda p=p: p.send_many([b"x"] * 2000, durable=True)) for p in (producer, other)]
        for task in tasks:
            self.assertEqual(task.value().confirmed, 2000)
        self.assertEqual(len(self.drained(consumer)), 4000)

    def test_more_than_there_is_room_for__waits_for_room(self):
        _, _, producer, consumer = self.opened(self.connect(maxUnconfirmed=200000))
        result = producer.send_many([bytes(1000)] * 2000, durable=True)
        self.assertEqual(result.confirmed, 2000)
        self.assertEqual(len(self.drained(consumer)), 2000)


class Sending(Case):
    def test_send_without_waiting__is_settled_by_flush(self):
        session, name, producer, _ = self.opened(self.connect())
        for _ in range(50):
            producer.send(b"x", durable=True, wait=False)
        session.flush(PATIENCE)
        self.assertEqual((session.unsettled, session.query_queue(name).message_count), (0, 50))

    def test_an_anonymous_producer__is_told_the_address(self):
        session, name, producer, consumer = self.opened(self.connect())
        session.producer().send(b"x", address=name, durable=True)
        self.assertEqual(consumer.receive(PATIENCE).body, b"x")
        with self.assertRaises(reattach.ArgumentError):
            producer.send(b"x", address=name)

    def test_a_refused_send__raises_what_the_broker_said(self):
        session = self.connect(user="limited", password="limited", routeCheck="none").session()
        with self.assertRaises(reattach.SecurityError) as caught:
            session.producer("forbidden.python").send(b"x", durable=True)
        self.assertIsNotNone(caught.exception.broker_code)
        self.assertIn("forbidden.python", caught.exception.broker_text)


if __name__ == "__main__":
    unittest.main()
