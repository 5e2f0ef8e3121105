"""Bodies, header fields, properties: what goes in comes out."""
import enum
import math
import unittest

import reattach
from kit import Case, PATIENCE


class Bodies(Case):
    def setUp(self):
        self.session, self.name, self.producer, self.consumer = self.opened(self.connect())

    def there_and_back(self, *arguments, **more):
        self.producer.send(*arguments, **more)
        message = self.consumer.receive(PATIENCE)
        message.acknowledge()
        return message

    def test_bytes__come_as_bytes(self):
        for body in (b"", b"hello", bytes(range(256)) * 8, bytearray(b"abc"), memoryview(b"xyz")):
            message = self.there_and_back(body)
            self.assertEqual(message.body, bytes(body))
            self.assertEqual(message.type, "bytes")
            with self.assertRaises(reattach.PropertyTypeError):
                message.text

    def test_str__comes_as_text(self):
        for body in ("", "hello", "\u00e4\u6f22\U0001f600", "zero \0 inside", "x" * 5000):
            message = self.there_and_back(body)
            self.assertEqual((message.body, message.text, message.type), (body, body, "text"))

    def test_none__is_an_empty_message(self):
        message = self.there_and_back(None)
        self.assertIsNone(message.body)
        self.assertEqual(message.type, "default")

    def test_anything_else__is_refused_before_it_is_sent(self):
        for body in (1, 1.5, ["a"], {"a": 1}, object()):
            with self.assertRaisesRegex(TypeError, "a body is str, bytes or None"):
                self.producer.send(body)
        self.assertIsNone(self.consumer.receive(0))

    def test_a_lone_surrogate__is_refused(self):
        with self.assertRaises(UnicodeEncodeError):
            self.producer.send("\ud800")

    def test_header_fields__arrive(self):
        sent = reattach.Message(b"x", durable=True, priority=7, expires_in=60, user_id=bytes(range(16)))
        got = self.there_and_back(sent)
        self.assertEqual((got.durable, got.priority, got.user_id), (True, 7, bytes(range(16))))
        self.assertEqual((got.expiration, got.timestamp), (sent.expiration, sent.timestamp))
        self.assertEqual((got.address, got.delivery_count), (self.name, 1))
        self.assertGreater(got.id, 0)
        self.assertEqual(got.headers["priority"], 7)
        self.assertIsNone(self.there_and_back(b"").user_id)

    def test_wrong_header_fields__are_refused(self):
        with self.assertRaises(reattach.ArgumentError):
            reattach.Message(priority=10)
        with self.assertRaises(ValueError):
            reattach.Message(user_id=b"short")

    def test_a_received_message__can_be_sent_on(self):
        first = self.there_and_back(b"x", {"i": reattach.Int(7)})
        second = self.there_and_back(first)
        self.assertEqual((second.body, second.properties, second.property_type("i")), (b"x", {"i": 7}, "int"))


class Properties(Case):
    VALUES = {
        "none": (None, "null"), "yes": (True, "boolean"), "no": (False, "boolean"),
        "byte": (reattach.Byte(-128), "byte"), "short": (reattach.Short(32767), "short"),
        "int": (reattach.Int(-2**31), "int"), "long": (2**63 - 1, "long"), "negative": (-2**63, "long"),
        "float": (reattach.Float(0.5), "float"), "infinite float": (reattach.Float("-inf"), "float"),
        "double": (math.pi, "double"), "infinite": (math.inf, "double"),
        "text": ("\u00e4\0\U0001f600", "string"), "empty": ("", "string"), "char": (reattach.Char("\u6f22"), "char"),
        "half": (reattach.Char("\ud83d"), "char"), "bytes": (b"\0\xff", "bytes"), "no bytes": (b"", "bytes"),
        "\u00e4 key": (1, "long"),
    }

    def test_every_type__comes_back_as_it_was(self):
        _, _, producer, consumer = self.opened(self.connect())
        producer.send(b"", {name: value for name, (value, _) in self.VALUES.items()})
        message = consumer.receive(PATIENCE)
        self.assertEqual(set(message.properties), set(self.VALUES))
        for name, (value, kind) in self.VALUES.items():
            with self.subTest(name):
                self.assertEqual(message.properties[name], value)
                self.assertEqual(message.property_type(name), kind)
                self.assertIs(type(message.properties[name]) is bool, type(value) is bool)
        self.assertIsNone(message.property_type("missing"))

    def test_values_of_other_classes__are_what_they_derive_from(self):
        class Colour(enum.IntEnum):
            RED = 3

        class Name(str):
            pass

        properties = {"a": Colour.RED, "b": Name("n"), "c": bytearray(b"x")}
        message = reattach.Message(None, properties)
        self.assertEqual(message.properties, {"a": 3, "b": "n", "c": b"x"})

    def test_what_does_not_fit__is_refused_by_name(self):
        for value in (2**63, -2**63 - 1):
            with self.assertRaisesRegex(OverflowError, "property big"):
                reattach.Message(None, {"big": value})
        for make, value in ((reattach.Byte, 128), (reattach.Short, -32769), (reattach.Int, 2**31),
                            (reattach.Float, 1e39), (reattach.Float, -1e39)):
            with self.assertRaisesRegex(OverflowError, make.__name__):
                make(value)
        for value in ("", "ab", "\U0001f600"):
            with self.assertRaises(ValueError):
                reattach.Char(value)

    def test_what_has_no_type__is_refused_by_name(self):
        for value in (1j, [1], {"a": 1}, object()):
            with self.assertRaisesRegex(TypeError, "property 'p'"):
                reattach.Message(None, {"p": value})
        with self.assertRaises(TypeError):
            reattach.Message(None, {1: "key"})

        class Clears:
            def __getattr__(self, name):
                properties.clear()
                raise AttributeError(name)

            def __repr__(self):
                return "one that clears the dict it is in"

        properties = {"p": Clears()}
        with self.assertRaisesRegex(TypeError, "'p': one that clears"):
            reattach.Message(None, properties)
        with self.assertRaises(ValueError):
            reattach.Message(None, {"zero\0key": 1})
        with self.assertRaises(TypeError):
            reattach.Message(None, [("a", 1)])
        with self.assertRaises(reattach.ArgumentError):
            reattach.Message(None, {"": 1})


if __name__ == "__main__":
    unittest.main()
