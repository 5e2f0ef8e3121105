"""The catalogue of tests/support/java/README.md, exchanged with the Java client in both directions."""
import math
import os
import struct
import subprocess
import sys
import unittest

import reattach
from reattach import Byte, Char, Float, Int, Short, _native
from kit import PATIENCE, PORT, ROOT, Case

JAVA_SECONDS = 120
WIDE = "\u00e9\u20ac\U0001f600"
USER_ID = bytes.fromhex("123e4567e89b12d3a456426614174000")
EXPIRATION = 4102444800000


def reals(make, smallest, largest):
    return {"p": make(1.5), "q": make(-0.0), "r": make(math.nan), "s": make(math.inf), "t": make(-math.inf),
            "u": make(smallest), "v": make(largest)}


def single(bits):
    return struct.unpack("f", struct.pack("I", bits))[0]


PROPERTIES = {
    1: {"p": True, "q": False}, 2: {"p": Byte(-128), "q": Byte(127), "r": Byte(0)},
    3: {"p": Short(-2**15), "q": Short(2**15 - 1)}, 4: {"p": Int(-2**31), "q": Int(2**31 - 1)},
    5: {"p": -2**63, "q": 2**63 - 1}, 6: reals(Float, single(1), single(0x7f7fffff)),
    7: reals(float, math.ulp(0), sys.float_info.max),
    8: {"p": "", "q": "hello", "r": WIDE + "\0!", "s": "x" * 10000},
    9: {"p": Char("A"), "q": Char("\0"), "r": Char("\uffff"), "s": Char("\u20ac")},
    10: {"p": b"", "q": bytes(range(256))}, 11: {"p": None},
    12: {"b": True, "y": Byte(-1), "s": Short(-2), "i": Int(-3), "l": -4, "f": Float(0.5), "d": -0.25, "t": "text",
         "c": Char("Z"), "a": b"\1\2\3", "n": None},
    13: {"schl\u00fcssel \U0001f600": Int(7), "k" * 300: Int(8)},
    38: {"t": "text", "l": -4},
}
BODIES = {14: bytes(range(256)), 15: bytes((31 * i + 7) % 256 for i in range(100000)), 16: b"", 17: "hello",
          18: WIDE + " \U0001d11e", 20: "", 21: "0123456789" * 500, 22: b"\xca\xfe", 23: b"durable", 38: WIDE}
NULL_TEXT, OBJECT = 19, 22
CASES = range(39)


def header(case):
    """priority, durable, expiration, user id, timestamp"""
    both = case == 38
    priority = case - 24 if 24 <= case <= 33 else 9 if both else 4
    return (priority, case == 23 or both, EXPIRATION if case == 34 or both else 0,
            USER_ID if case == 35 or both else None, {36: 0, 37: 2**63 - 1}.get(case, 1700000000000 + case))


def message_of(case):
    priority, durable, expiration, user_id, timestamp = header(case)
    properties = {"case": Int(case), **PROPERTIES.get(case, {})}
    message = reattach.Message(BODIES.get(case), properties, durable=durable, priority=priority, user_id=user_id)
    if case in (NULL_TEXT, OBJECT):  # what has no form of its own in Python
        message._handle = _native.message_new(_native.MESSAGE_OBJECT)
        _native.message_set_int(message._handle, "case", case)
        if case == OBJECT:
            _native.message_set_body(message._handle, BODIES[case])
        else:
            _native.message_set_text(message._handle, None)
    _native.message_set_timestamp(message._handle, timestamp)
    _native.message_set_expiration(message._handle, expiration)
    return message


def comparable(properties):
    """NaN equals itself, -0.0 is not 0.0, True is not 1."""
    def exact(value):
        kind = bool if isinstance(value, bool) else type(value).__mro__[-2]
        return kind, struct.pack("d", value) if kind is float else value

    return {key: exact(value) for key, value in properties.items() if not key.startswith("_AMQ")}


class Interop(Case):
    def peer(self, mode, queue):
        path = subprocess.run([sys.executable, ROOT / "tests/support/broker.py", "java"], check=True, text=True,
                              capture_output=True).stdout.strip()
        done = subprocess.run(["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", path, "Peer", mode, "--port",
                               str(PORT), "--queue", queue], capture_output=True, text=True, timeout=JAVA_SECONDS,
                              env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"})
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr)[-3000:])

    def compare(self, message):
        case = message.properties["case"]
        with self.subTest(case=case):
            self.assertEqual(message.body, BODIES.get(case))
            self.assertEqual(message.type, "object" if case == OBJECT else "text" if case == NULL_TEXT else
                             {str: "text", bytes: "bytes", type(None): "default"}[type(BODIES.get(case))])
            expected = {"case": Int(case), **PROPERTIES.get(case, {})}
            self.assertEqual(comparable(message.properties), comparable(expected))
            self.assertEqual((message.priority, message.durable, message.expiration, message.user_id, message.timestamp),
                             header(case))
        return case

    def test_what_java_sends__is_read(self):
        session, name, producer, consumer = self.opened(self.connect())
        self.peer("send", name)
        found = [consumer.receive(PATIENCE) for _ in CASES]
        self.assertEqual(sorted(self.compare(message) for message in found), list(CASES))

    def test_what_is_sent_one_by_one_or_in_a_batch__java_reads(self):
        for batch in (False, True):
            session, name, producer, consumer = self.opened(self.connect())
            consumer.close()
            messages = [message_of(case) for case in CASES]
            if batch:
                producer.send_many(messages)
            else:
                for message in messages:
                    producer.send(message)
            session.flush()
            self.peer("check", name)


if __name__ == "__main__":
    unittest.main()
