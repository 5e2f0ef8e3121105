"""Work through a storm of cuts: each message once, in order, each send with one outcome, each cut heard of."""
import time
import unittest


from kit import PATIENCE, Case, in_thread

COUNT = 4000
CUTS = "every 100..300 rst,fin,abandon 0"


class Storm(Case):
    def end(self, **more):
        relay, connection = self.through_relay()
        heard = []
        connection.add_listener(heard.append, "disconnected", "reattached", "recreated", "session_lost", "gave_up")
        session = connection.session(**more)
        return relay, connection, session, heard

    def paced(self):
        """At least twenty cuts' time."""
        for seq in range(COUNT):
            if seq % 20 == 0:
                time.sleep(0.02)
            yield b"x" * 100, {"seq": seq}

    def storm(self, send, receive):
        """send(session, queue) in a thread, receive(session, consumer) -> numbers, each through a relay of its own."""
        receiving, connection, session, heard = self.end()
        name = self.queue(session)
        sending, sending_connection, sending_session, sender_heard = self.end(transacted=send == self.send_transacted)
        consumer = session.consumer(name)
        session.start()
        for relay in (receiving, sending):
            relay.tell(CUTS)
        task = in_thread(lambda: send(sending_session, name))
        numbers = receive(consumer, task)
        for relay in (receiving, sending):
            relay.tell("schedule off")
        task.value()
        self.assertEqual(numbers, list(range(COUNT)))
        session.flush(PATIENCE)
        self.assertEqual(session.query_queue(name).message_count, 0)
        for events, counted in ((heard, connection), (sender_heard, sending_connection)):
            counted.dispatch()
            statistics = counted.statistics
            kinds = [event.kind for event in events]
            self.assertGreaterEqual(statistics["links_lost"], 10)
            self.assertEqual(kinds.count("reattached"), statistics["reattached"])
            self.assertEqual(kinds.count("disconnected"), statistics["links_lost"])
            self.assertLessEqual(set(kinds), {"disconnected", "reattached"})
            self.assertEqual((statistics["recreated"], statistics["numbering_repairs"]), (0, 0))

    def send_batch(self, session, name):
        result = session.producer(name).send_many(self.paced(), durable=True)
        self.assertEqual((result.count, result.confirmed, result.pending), (COUNT, COUNT, 0))

    def send_transacted(self, session, name):
        producer, sent = session.producer(name), 0
        messages = self.paced()
        while sent < COUNT:
            sent += producer.send_many([next(messages) for _ in range(50)], durable=True).count
            session.commit()

    def receive_one_by_one(self, consumer, task):
        numbers = []
        while len(numbers) < COUNT and (message := consumer.receive(PATIENCE)) is not None:
            numbers.append(message.properties["seq"])
            message.acknowledge_individually()
        return numbers + [message.properties["seq"] for message in consumer.receive_many(10, 0.3)]

    def receive_in_batches(self, consumer, task):
        numbers = []
        while len(numbers) < COUNT and (messages := consumer.receive_many(100, PATIENCE)):
            numbers += [message.properties["seq"] for message in messages]
            messages[-1].acknowledge()
        return numbers + [message.properties["seq"] for message in consumer.receive_many(10, 0.3)]

    def test_batches_and_single_acknowledgements__are_exact(self):
        self.storm(self.send_batch, self.receive_one_by_one)

    def test_transactions_and_batches_of_messages__are_exact(self):
        self.storm(self.send_transacted, self.receive_in_batches)


if __name__ == "__main__":
    unittest.main()
