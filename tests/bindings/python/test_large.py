"""Large messages: bodies that are sent and received in pieces."""
import hashlib
import io
import shutil
import tempfile
import unittest

import reattach
from kit import PATIENCE, Case

SIZE = 2_500_000
BODY = hashlib.shake_128(b"large").digest(SIZE)


class Cutting(io.BytesIO):
    """Cuts the connection when it is read for the tenth time."""

    def __init__(self, relay, session, again):
        super().__init__(BODY)
        self.relay, self.session, self.reads, self.again = relay, session, 0, again

    def seekable(self):
        return self.again

    def read(self, size=-1):
        self.reads += 1
        if self.reads == 10:
            self.session.flush(PATIENCE)  # so that the first pieces are gone from memory
            self.relay.cut()
        return super().read(size)


class Large(Case):
    def test_a_large_body__goes_and_comes_like_any_other(self):
        _, _, producer, consumer = self.opened(self.connect())
        producer.send(BODY, {"n": 1}, durable=True)
        message = consumer.receive(PATIENCE)
        self.assertEqual((message.body, message.properties["n"]), (BODY, 1))
        self.assertIsNone(message.large_size)
        message.acknowledge()

    def test_a_file__is_streamed_in_and_out(self):
        session, queue, producer, consumer = self.opened(self.connect())
        consumer.close()
        with tempfile.TemporaryFile() as source:
            source.write(BODY)
            source.seek(0)
            producer.send_stream(source, {"n": 1}, durable=True)
        producer.send(b"small")
        consumer = session.consumer(queue, stream=True)
        message = consumer.receive(PATIENCE)
        self.assertEqual((message.large_size, message.properties["n"]), (SIZE, 1))
        with tempfile.TemporaryFile() as out:
            shutil.copyfileobj(message, out)
            out.seek(0)
            self.assertEqual(out.read(), BODY)
        self.assertEqual(message.read(100), b"")
        message.acknowledge()
        small = consumer.receive(PATIENCE)
        self.assertEqual((small.large_size, small.read(3), small.read()), (None, b"sma", b"ll"))

    def test_an_empty_source__is_an_empty_body(self):
        _, _, producer, consumer = self.opened(self.connect())
        producer.send_stream(io.BytesIO(b""), durable=True)
        self.assertEqual(consumer.receive(PATIENCE).read(), b"")

    def test_a_read_in_vain__ends_in_time_and_another_message_ends_the_body(self):
        session, queue, producer, consumer = self.opened(self.connect())
        consumer.close()
        producer.send_stream(io.BytesIO(BODY), durable=True)
        producer.send(b"next")
        consumer = session.consumer(queue, stream=True, window=0)
        large = consumer.receive(PATIENCE)
        self.assertTrue(large.read(10, PATIENCE))
        session.stop()
        with self.assertRaises(reattach.TimeoutError):
            while large.read(100000, 0.2):
                pass
        session.start()
        self.assertEqual(consumer.receive(PATIENCE).body, b"next")
        with self.assertRaises(reattach.StateError):
            large.read(1)

    def stream_through_a_cut(self, again, **options):
        relay, connection = self.through_relay(maxUnconfirmed=300000, **options)
        session, _, producer, consumer = self.opened(connection)
        source = Cutting(relay, session, again)
        producer.send_stream(source, durable=True)
        self.assertEqual(consumer.receive(PATIENCE).body, BODY)
        return source

    def test_a_cut__is_not_noticed_where_the_session_survives(self):
        self.assertLess(self.stream_through_a_cut(False).reads, 30)

    def test_a_lost_session__has_a_file_sent_from_its_start(self):
        self.assertGreater(self.stream_through_a_cut(True, confirmationWindowSize=-1).reads, 30)

    def test_a_lost_session__is_told_when_the_source_cannot_be_rewound(self):
        with self.assertRaises(reattach.LargeInterrupted):
            self.stream_through_a_cut(False, confirmationWindowSize=-1)


if __name__ == "__main__":
    unittest.main()
