"""Messages, and the types of their properties."""
import struct
import time

from . import _native


def _ranged(name, bits, type_number):
    def make(cls, value):
        number = int.__new__(cls, value)
        if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
            raise OverflowError(f"{value} does not fit into the {bits} bits of a {cls.__name__}")
        return number

    return type(name, (int,), {"__new__": make, "_property_type": type_number, "__slots__": (),
                               "__doc__": f"A property of {bits} bits (a plain int is sent as 64 bits)."})


Byte = _ranged("Byte", 8, _native.PROPERTY_BYTE)
Short = _ranged("Short", 16, _native.PROPERTY_SHORT)
Int = _ranged("Int", 32, _native.PROPERTY_INT)


class Float(float):
    """A property of 32 bits (a plain float is sent as 64 bits)."""
    __slots__ = ()
    _property_type = _native.PROPERTY_FLOAT

    def __new__(cls, value):
        number = float.__new__(cls, value)
        try:
            struct.pack("<f", number)
        except OverflowError:
            raise OverflowError(f"{value} does not fit into the 32 bits of a Float") from None
        return number


class Char(str):
    """A property of one UTF-16 unit, as in Java."""
    __slots__ = ()
    _property_type = _native.PROPERTY_CHAR

    def __new__(cls, value):
        if len(value) != 1 or ord(value) > 0xFFFF:
            raise ValueError(f"{value!r} is not one character of 16 bits")
        return str.__new__(cls, value)


def now_ms():
    return time.time_ns() // 1000000


def expiration_ms(expires_in):
    """Seconds from now, None for never."""
    return 0 if expires_in is None else now_ms() + max(int(expires_in * 1000), 1)


class Message:
    """A message to be sent, or one that was received; it does not change.

    body: str (a text message), bytes or anything that gives its bytes, or None. properties: see docs/python.md for
    the types.
    """
    __slots__ = ("_handle", "_consumer", "_cached", "__weakref__")

    def __init__(self, body=None, properties=None, *, durable=False, priority=4, expires_in=None, user_id=None):
        self._handle = _native.message_make(body, properties, bool(durable), priority, expiration_ms(expires_in),
                                            now_ms())
        if user_id is not None:
            _native.message_set_user_id(self._handle, user_id)
        self._consumer = None
        self._cached = None

    @classmethod
    def _received(cls, handle, consumer):
        message = cls.__new__(cls)
        message._handle = handle
        message._consumer = consumer
        message._cached = None
        return message

    @property
    def body(self):
        """str of a text message, None of an empty one, else the bytes as they are on the wire."""
        return _native.message_body(self._handle)

    @property
    def text(self):
        """The text of a text message (None is the null text); raises PropertyTypeError for others."""
        return _native.message_get_text(self._handle)

    @property
    def large_size(self):
        """Bytes of a body that is to be read with read(); None when it came with the message."""
        size = _native.message_large_size(self._handle)
        return None if size < 0 else size

    def read(self, size=-1, timeout=None):
        """The next bytes of the body, at most size of them (-1: all that is left), b"" at its end. Waits for them,
        timeout seconds at a time (None: for ever). Of a consumer that streams only the message received last can be
        read. As a file is read, so shutil.copyfileobj(message, file) saves a body of any size."""
        return self._from("read").read(self, size, timeout)

    @property
    def properties(self):
        """A dict; byte, short, int and long are ints, float and double are floats, char is a str."""
        if self._cached is None:
            self._cached = _native.message_properties(self._handle)
        return self._cached

    def property_type(self, key):
        """"int", "string", ...; None when there is no such property."""
        number = _native.message_property_type(self._handle, key)
        return None if number == _native.E_NOT_FOUND else _native.property_type_name(number)

    @property
    def headers(self):
        """All header fields in one dict."""
        names = ("type", "durable", "priority", "expiration", "timestamp", "user_id", "address", "id", "delivery_count")
        return {name: getattr(self, name) for name in names}

    @property
    def type(self):
        """"default", "text", "bytes", "object", "map" or "stream"."""
        return _native.message_type_name(_native.message_type(self._handle))

    @property
    def durable(self):
        return bool(_native.message_is_durable(self._handle))

    @property
    def priority(self):
        return _native.message_priority(self._handle)

    @property
    def expiration(self):
        """Milliseconds since 1970, 0 for never."""
        return _native.message_expiration(self._handle)

    @property
    def timestamp(self):
        """Milliseconds since 1970, 0 when it is not known."""
        return _native.message_timestamp(self._handle)

    @property
    def user_id(self):
        """16 bytes or None."""
        code, value = _native.message_get_user_id(self._handle)
        return value if code == 0 else None

    @property
    def address(self):
        """The address a received message was sent to, "" for one that was not received."""
        return _native.message_get_address(self._handle)

    @property
    def id(self):
        """The broker's id of a received message, else 0."""
        return _native.message_id(self._handle)

    @property
    def delivery_count(self):
        """How often a received message was delivered, this time included; else 0."""
        return _native.message_delivery_count(self._handle)

    def acknowledge(self):
        """This message and all that were delivered to its consumer before it."""
        self._from().acknowledge(self)

    def acknowledge_individually(self):
        """This message alone."""
        self._from().acknowledge_individually(self)

    def _from(self, what="acknowledged"):
        if self._consumer is None:
            raise ValueError(f"only a received message can be {what}")
        return self._consumer

    def __repr__(self):
        body = repr(self.body)
        return f"<reattach.Message {self.type} {body if len(body) < 60 else body[:57] + '...'} {self.properties}>"
