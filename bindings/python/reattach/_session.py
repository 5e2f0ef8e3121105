"""Sessions, producers and consumers."""
import itertools
import threading
import time
import uuid

from . import _errors, _native, _wait
from ._event import FAILURE, mask_of
from ._message import Message, expiration_ms, now_ms

_ROUTING = {"multicast": _native.ROUTING_MULTICAST, "anycast": _native.ROUTING_ANYCAST,
            "default": _native.ROUTING_DEFAULT}
BATCH = 256  # messages of one call
PIECE = 100 * 1024  # bytes of a body that is read or written piece by piece


class QueueInfo:
    """What the broker knows of a queue."""
    __slots__ = ("name", "address", "routing_type", "durable", "temporary", "filter", "consumer_count", "message_count")

    def __init__(self, info):
        self.name = _native.queue_info_name(info)
        self.address = _native.queue_info_address(info)
        self.routing_type = _native.routing_type_name(_native.queue_info_routing_type(info))
        self.durable = bool(_native.queue_info_is_durable(info))
        self.temporary = bool(_native.queue_info_is_temporary(info))
        self.filter = _native.queue_info_filter(info) or None
        self.consumer_count = _native.queue_info_consumer_count(info)
        self.message_count = _native.queue_info_message_count(info)

    def __repr__(self):
        return f"<reattach.QueueInfo {self.name} {self.message_count} messages>"


class AddressInfo:
    """What the broker knows of an address."""
    __slots__ = ("address", "routing_type", "queues")

    def __init__(self, info):
        self.address = _native.queue_info_address(info)
        self.routing_type = _native.routing_type_name(_native.queue_info_routing_type(info))
        self.queues = [_native.queue_info_queue_name(info, i) for i in range(_native.queue_info_queue_count(info))]

    def __repr__(self):
        return f"<reattach.AddressInfo {self.address} {self.queues}>"


class Session:
    """One order of work, one transaction at a time. Made by Connection.session(); a context manager that closes."""

    def __init__(self, connection, handle, transacted):
        self._connection = connection
        self._handle = handle
        self._transacted = transacted
        self._listeners = {}
        self._outcomes = None  # the listener that send_many() needs
        self._sends = []  # [first tag, behind the last tag, index of the first, result]
        self._next_tag = 1
        self._lock = threading.Lock()  # of the two above
        self._closed = False
        connection._sessions[_native.session_address(handle)] = self

    connection = property(lambda self: self._connection)
    transacted = property(lambda self: self._transacted)

    # --- producers, consumers, queues ---

    def producer(self, address=None):
        """Opens a producer for an address; None: the address is given with each send."""
        handle, _ = self._request(_native.producer_open_begin, address)
        return Producer(self, handle)

    def consumer(self, queue, filter=None, *, browse=False, window=None, stream=False):
        """Opens a consumer of a queue. filter: only messages that match. browse: messages stay in the queue. window:
        how many bytes the broker sends ahead (0 nothing, -1 without limit, None the connection's consumerWindowSize).
        stream: large messages are handed out when they begin, for Message.read().
        """
        flags = (_native.CONSUMER_BROWSE if browse else 0) | (_native.CONSUMER_STREAM if stream else 0)
        handle, _ = self._request(_native.consumer_open_begin, queue, filter, flags, -2 if window is None else window)
        return Consumer(self, handle)

    def create_queue(self, name, *, address=None, routing_type="anycast", durable=True, temporary=False, filter=None,
                     exist_ok=False):
        """Creates a queue, and its address (default: the queue's name) if there is none."""
        flags = (_native.QUEUE_DURABLE if durable and not temporary else 0) | \
                (_native.QUEUE_TEMPORARY if temporary else 0)
        try:
            self._request(_native.session_create_queue_begin, name, address, _routing(routing_type), flags, filter)
        except _errors.QueueExists:
            if not exist_ok:
                raise

    def delete_queue(self, name):
        """Deletes a queue with the messages in it. It must have no consumers."""
        self._request(_native.session_delete_queue_begin, name)

    def create_address(self, address, *routing_types):
        """Creates an address for "anycast", "multicast" or both."""
        numbers = {_routing(name) for name in routing_types or ("anycast",)}
        self._request(_native.session_create_address_begin, address, _native.ROUTING_MULTICAST in numbers,
                      _native.ROUTING_ANYCAST in numbers)

    def query_queue(self, name):
        """A QueueInfo, or None when there is no such queue."""
        return self._query(_native.session_query_queue_begin, name, QueueInfo)

    def query_address(self, address):
        """An AddressInfo, or None when there is no such address."""
        return self._query(_native.session_query_address_begin, address, AddressInfo)

    def _query(self, begin, name, kind):
        info = _native.operation_take_queue_info(self._request(begin, name))
        return kind(info) if _native.queue_info_exists(info) else None

    def _request(self, begin, *arguments):
        return _wait.request(self._connection, begin, self._handle, *arguments)

    def add_metadata(self, key, value, *, unique=False):
        """Sets a pair of texts that the broker shows with this session, and sets again when it is recreated.

        unique: raises Rejected when any other session of the broker has this value under this key. If one has when this
        session is recreated, it is lost.
        """
        self._request(_native.session_add_unique_metadata_begin if unique else _native.session_add_metadata_begin, key,
                      value)

    # --- delivery and transactions ---

    def start(self):
        """Lets messages come."""
        _native.session_start(self._handle)

    def stop(self):
        """Stops delivery. What is in consumers' buffers can still be received."""
        if self._connection._in_listener():
            _native.session_stop(self._handle)  # says why not
        _wait.aside(_native.session_stop, self._handle)

    def commit(self):
        self._request(_native.session_commit_begin)

    def rollback(self):
        self._request(_native.session_rollback_begin)

    def transact(self, work, id=None):
        """Does a transaction once and only once: calls work(session), which sends and acknowledges, and commits. Returns
        what work returned.

        If the session was recreated meanwhile, or the commit's outcome is unknown, it does so again under the same id, as
        often as it takes, so work has to do the same each time. id names this work, such as the number of an order; the
        same id is the same work also when the program is started again. What work raises comes out, rolled back.
        OutcomeUnknown comes out only when nothing was sent, so that no message carried the id.
        """
        self._connection._before_waiting()
        id = str(uuid.uuid4()) if id is None else id
        while True:
            before = self._connection.statistics["recreated"]
            _native.session_set_transaction_id(self._handle, id)
            try:
                result = work(self)
            except BaseException as error:
                disturbed = self._connection.statistics["recreated"] != before  # it may go well another time
                if not (disturbed and isinstance(error, _errors.Error)):
                    _native.session_rollback_begin(self._handle)
                    raise
                self.rollback()
                continue
            if self._commit_once():
                return result

    def _commit_once(self):
        """Whether the transaction took effect, now or before; if not, it is to be done again."""
        named = not _native.session_has_transaction_id(self._handle)
        operation = _native.session_commit_begin(self._handle)
        try:
            _wait.finish(self._connection, operation, _wait.FOREVER)
        except _errors.DuplicateId:
            self.rollback()
        except _errors.Error as error:
            outcome = _native.operation_outcome(operation)
            lost = isinstance(error, _errors.RolledBack) and outcome == _native.OUTCOME_NOT_DONE or \
                isinstance(error, _errors.OutcomeUnknown) and named
            if not lost:  # what the broker refused it would refuse again
                _native.session_rollback_begin(self._handle)
                raise
            return False
        return True

    @property
    def rollback_only(self):
        """Whether the open transaction can only be rolled back."""
        return bool(_native.session_is_rollback_only(self._handle))

    def flush(self, timeout=None):
        """Sends acknowledgements that wait for their batch, and waits until everything sent and acknowledged so far has
        its outcome."""
        end = self._connection._answer_end() if timeout is None else _wait.until(timeout)
        in_slices = _wait.on_main_thread()
        while True:
            try:
                _native.session_flush(self._handle, _wait.left_ms(end, in_slices))
                self._connection.dispatch()
                return
            except _errors.TimeoutError:
                if time.monotonic() >= end:
                    raise
            self._connection.dispatch()

    @property
    def unsettled(self):
        """How many sends of send_many() or send(wait=False) have no outcome yet."""
        return _native.session_unsettled(self._handle)

    # --- listeners ---

    def add_failure_listener(self, function):
        """function(event) hears when this session was re-attached, recreated or lost."""
        return self.add_listener(function, *FAILURE)

    def add_listener(self, function, *kinds):
        """As Connection.add_listener(), for events of this session alone."""
        return self._connection._listen(function, mask_of(kinds), self._handle, self._listeners)

    # --- batches ---

    def _send_slice(self, producer, address, items, start, header, result, index):
        """Sends what there is room for and remembers whose tags these are. Returns (count, why it stopped or None)."""
        if self._transacted:
            return _native.producer_send_list(producer, address, items, start, 0, *header)
        with self._lock:
            if self._outcomes is None:
                self._outcomes = self._connection._listen(
                    self._on_outcome, 1 << _native.EVENT_SEND_OUTCOME, self._handle, self._listeners)
            first = self._next_tag
            count, error = _native.producer_send_list(producer, address, items, start, first, *header)
            self._next_tag += count
            result.pending += count
            last = self._sends[-1] if self._sends else None
            if last is not None and last[3] is result and last[1] == first:
                last[1] += count
            elif count:
                self._sends.append([first, first + count, index, result])
        return count, error

    def _on_outcome(self, handle):
        first, behind = _native.event_first_tag(handle), _native.event_last_tag(handle) + 1
        outcome = _native.event_outcome(handle)
        with self._lock:
            for send in self._sends:
                low, high = max(first, send[0]), min(behind, send[1])
                if low < high:
                    send[3]._add(outcome, send[2] + low - send[0], send[2] + high - 1 - send[0], handle)
            self._sends = [send for send in self._sends if send[3].pending]

    # --- the end ---

    def close(self, timeout=None):
        """Waits for the answers of all that was sent and acknowledged, then closes; an open transaction is rolled back.
        Returns how many pieces of work were not done, and how many may or may not be."""
        call = _native.session_close, self._handle, _wait.timeout_ms(timeout)
        if self._connection._in_listener():
            return tuple(call[0](*call[1:]))
        self._connection.dispatch()
        result = tuple(_wait.aside(*call))
        self._connection.dispatch()
        self._forget()
        return result

    def _forget(self):
        self._closed = True
        for listener in list(self._listeners.values()):
            listener.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        from ._connection import leave
        leave(self, kind)

    def __repr__(self):
        return f"<reattach.Session {'transacted' if self._transacted else 'auto_commit'}" \
               f"{', closed' if self._closed else ''}>"


def _routing(name):
    try:
        return _ROUTING[name]
    except KeyError:
        raise ValueError(f"unknown routing type {name!r}; there are {', '.join(_ROUTING)}") from None


class SendResult:
    """What became of the messages of one send_many(): how many ended in which way, and the runs of those that were not
    confirmed as (first index, last index, outcome, error)."""
    __slots__ = ("count", "confirmed", "rejected", "not_done", "unknown", "processed", "pending", "failures")

    def __init__(self):
        self.count = self.confirmed = self.rejected = self.not_done = self.unknown = self.processed = self.pending = 0
        self.failures = []

    def _add(self, outcome, first, last, handle):
        name = _native.outcome_name(outcome)
        setattr(self, name, getattr(self, name) + last - first + 1)
        self.pending -= last - first + 1
        if outcome != _native.OUTCOME_CONFIRMED:
            self.failures.append((first, last, name, _native.event_error(handle)))

    def __repr__(self):
        said = ", ".join(f"{getattr(self, name)} {name}" for name in self.__slots__[1:-1] if getattr(self, name))
        return f"<reattach.SendResult of {self.count}: {said or 'in the transaction'}>"


class Producer:
    """Sends to one address. Made by Session.producer()."""

    def __init__(self, session, handle):
        self._session = session
        self._handle = handle

    session = property(lambda self: self._session)

    def send(self, body=None, properties=None, *, durable=False, priority=4, expires_in=None, address=None, wait=None):
        """Sends one message: a body, or a Message (which has its own properties and the rest).

        wait: whether to wait for the broker's answer. None: as the options blockOnDurableSend and blockOnNonDurableSend
        say, and never in a transaction. Without waiting nothing is told, but flush() and close() wait for it. Inside a
        listener only wait=False is possible.
        """
        message = body if isinstance(body, Message) else \
            Message(body, properties, durable=durable, priority=priority, expires_in=expires_in)
        session, connection = self._session, self._session._connection
        if wait is None:
            name = "blockOnDurableSend" if message.durable else "blockOnNonDurableSend"
            wait = not session._transacted and connection._options[name] == "true"
        if wait:
            connection._before_waiting("; send(wait=False) is possible")
        send = _native.producer_send_begin if wait else _native.producer_send_forget
        end = None
        while True:
            try:
                operation = send(self._handle, address, message._handle)
                break
            except _errors.WouldBlock:
                if connection._in_listener():
                    raise
            end = end or connection._answer_end()
            self._wait_writable(end)
        if wait:
            _wait.finish(connection, operation)

    def send_stream(self, source, properties=None, *, durable=False, priority=4, expires_in=None, address=None,
                    wait=None):
        """Sends one message whose body need not fit into memory: what source.read() gives, a file for example, until it
        gives nothing. properties and the rest: those of send().

        If the session was recreated and the message cannot go on, a source that can be rewound (seekable()) is, to where
        it stood, and sent anew; otherwise LargeInterrupted is raised, and nothing of the message was stored.
        """
        connection = self._session._connection
        connection._before_waiting()
        head = Message(b"", properties, durable=durable, priority=priority, expires_in=expires_in)
        seekable = getattr(source, "seekable", None)
        start = source.tell() if seekable is not None and seekable() else None
        if wait is None:
            wait = connection._options["blockOnDurableSend" if durable else "blockOnNonDurableSend"] == "true"
        while True:
            try:
                return self._send_body(head, address, source, wait and not self._session._transacted)
            except _errors.LargeInterrupted:
                if start is None:
                    raise
            source.seek(start)

    def _send_body(self, head, address, source, wait):
        connection = self._session._connection
        self._with_room(_native.producer_start_large, self._handle, address, head._handle, 0)
        try:
            while piece := source.read(PIECE):
                self._write(piece)
            operation = self._with_room(_native.producer_finish_large_begin, self._handle)
        except BaseException:
            _native.producer_cancel_large(self._handle)
            raise
        if wait:
            _wait.finish(connection, operation)

    def _write(self, piece):
        done = 0
        while done < len(piece):
            count, error = _native.producer_write_large(self._handle, piece, done)
            done += count
            if isinstance(error, _errors.WouldBlock):
                self._wait_writable(self._session._connection._answer_end())
            elif error is not None:
                raise error

    def _with_room(self, function, *arguments):
        end = self._session._connection._answer_end()
        while True:
            try:
                return function(*arguments)
            except _errors.WouldBlock:
                self._wait_writable(end)

    def _wait_writable(self, end):
        try:
            left = _wait.left_ms(end, _wait.on_main_thread())
            _native.producer_wait_writable(self._handle, left, _native.WAIT_EVENTS)
        except _errors.TimeoutError:
            if time.monotonic() >= end:
                raise
        self._session._connection.dispatch()

    def send_many(self, messages, *, properties=None, durable=False, priority=4, expires_in=None, address=None,
                  timeout=None):
        """Sends all messages of an iterable, without waiting for one answer before the next send, and waits until each
        has its outcome. A message is a body, a pair (body, properties) or a Message; properties are those of all.

        Returns a SendResult; raises BatchError, which has it too, when not all were confirmed, or when timeout seconds
        were not enough. In a transaction it does not wait: the commit decides.
        """
        if isinstance(messages, (str, bytes, bytearray, memoryview)):
            raise TypeError("send_many() takes an iterable of messages, and this is one body")
        if not self._session._transacted:
            self._session._connection._before_waiting("; send(wait=False) is possible")
        header = (properties, bool(durable), priority, expiration_ms(expires_in), now_ms())
        end = _wait.until(timeout)
        result = SendResult()
        try:
            return self._judge(result, self._send_all(address, iter(messages), header, result, end))
        except _errors.BatchError:
            raise
        except BaseException as error:  # of a listener, of the iterable, Ctrl-C
            error.add_note(f"send_many() was left with {result!r}")
            raise

    def _send_all(self, address, source, header, result, end):
        """None when everything has its outcome, or why it cannot go on."""
        connection = self._session._connection
        while items := list(itertools.islice(source, BATCH)):
            if stopped := self._send_items(address, items, header, result, end):
                return stopped
        while result.pending:
            if connection._wait_slice(min(end, time.monotonic() + _wait.SLICE_MS / 1000)):
                connection.dispatch()
            elif time.monotonic() >= end:
                return _errors.make("TIMEOUT", f"{result.pending} messages have no outcome in time",
                                    outcome_unknown=True)
        return None

    def _send_items(self, address, items, header, result, end):
        """None, or why it cannot go on."""
        connection = self._session._connection
        done, patience = 0, None
        while done < len(items):
            count, error = self._session._send_slice(self._handle, address, items, done, header, result, result.count)
            done += count
            result.count += count
            if not connection._in_listener():
                connection.dispatch()
            if count:
                patience = None
            if error is None:
                continue
            if not isinstance(error, _errors.WouldBlock) or connection._in_listener():
                return error
            patience = patience or min(end, connection._answer_end())
            try:
                self._wait_writable(patience)
            except _errors.TimeoutError as late:
                return late
        return None

    def _judge(self, result, stopped):
        if stopped is None and not result.failures:
            return result
        first = stopped or result.failures[0][3]
        bad = result.count - result.confirmed
        what = f"{bad} of {result.count} messages were not confirmed" if bad else f"stopped after {result.count}"
        fields = {name: getattr(first, name) for name in ("code", "code_name", "endpoint", "broker_code", "broker_text",
                                                          "retriable", "fatal")} if first else {}
        raise _errors.BatchError(f"{what}: {first or result.failures[0][2]}", result,
                                 outcome_unknown=bool(result.unknown or result.pending), **fields) from first

    def close(self):
        """It sends nothing more; what was sent goes its way."""
        _native.producer_close(self._handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Consumer:
    """Receives from one queue; best used by one thread at a time. Made by Session.consumer(). Iterating over it waits
    for one message after the other, until the consumer is closed."""

    def __init__(self, session, handle):
        self._session = session
        self._handle = handle
        self._closed = False

    session = property(lambda self: self._session)

    def receive(self, timeout=None):
        """The next message, or None when none came within timeout seconds (None: for ever, 0: what is there). Listeners
        are called meanwhile."""
        end = _wait.until(timeout)
        in_slices = _wait.on_main_thread()
        connection = self._session._connection
        asking = False
        while True:
            connection.dispatch()
            code, handle = self._receive_slice(end, in_slices, asking)
            if code == _native.RECEIVED:
                return Message._received(handle, self)
            if code == _native.RECEIVED_NONE:
                if asking:
                    return None
            elif code != _native.RECEIVED_EVENTS and asking and time.monotonic() >= end:
                return None
            if not asking and code != _native.RECEIVED_EVENTS and time.monotonic() >= end:
                asking, end = True, connection._answer_end()

    def _receive_slice(self, end, in_slices, asking):
        """The broker is asked what it has before None is returned, and that as well is waited for in slices."""
        flags = _native.WAIT_EVENTS | (_native.WAIT_ASK if asking else _native.WAIT_QUIET)
        try:
            return _native.consumer_receive(self._handle, _wait.left_ms(end, in_slices), flags)
        except _errors.TimeoutError:
            return None, None

    def receive_many(self, limit, timeout=None):
        """Waits for the next message as receive() does, and returns it with what else has arrived already, up to limit
        messages; an empty list when none came."""
        if limit < 1:
            raise ValueError(f"limit is at least 1, not {limit}")
        self._session._connection.dispatch()
        found = self._take(limit, [])
        if not found:
            message = self.receive(timeout)
            found = [] if message is None else self._take(limit, [message])
        return found

    def _take(self, limit, found):
        made = Message._received
        while len(found) < limit:
            handles = _native.consumer_take_list(self._handle, min(limit - len(found), BATCH))
            if not handles:
                break
            found.extend([made(handle, self) for handle in handles])
        return found

    def read(self, message, size=-1, timeout=None):
        """The next bytes of the body of the message received last; see Message.read()."""
        if size is None or size < 0:
            pieces = []
            while piece := self.read(message, PIECE, timeout):
                pieces.append(piece)
            return b"".join(pieces)
        end = _wait.until(timeout)
        in_slices = _wait.on_main_thread()
        connection = self._session._connection
        while True:
            connection.dispatch()
            try:
                piece = _native.consumer_read_body(self._handle, message._handle, min(size, PIECE),
                                                   _wait.left_ms(end, in_slices), _native.WAIT_EVENTS)
            except _errors.TimeoutError:
                if time.monotonic() >= end:
                    raise
            else:
                if piece is not None:
                    return piece

    def messages(self, timeout):
        """Iterates until no message came for timeout seconds."""
        while (message := self.receive(timeout)) is not None:
            yield message

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self.receive()
        except _errors.Closed:
            if self._closed:
                raise StopIteration from None
            raise

    def acknowledge(self, message):
        """Everything delivered to this consumer up to and including the message."""
        self._acknowledge(message, False)

    def acknowledge_individually(self, message):
        """This message alone, at once."""
        self._acknowledge(message, True)

    def _acknowledge(self, message, individually):
        connection = self._session._connection
        if connection._options["blockOnAcknowledge"] == "true" and not connection._in_listener():
            _wait.request(connection, _native.consumer_acknowledge_begin, self._handle, message._handle, individually)
        elif individually:
            _native.consumer_acknowledge_individually(self._handle, message._handle)
        else:
            _native.consumer_acknowledge(self._handle, message._handle)

    def close(self):
        """What it did not acknowledge goes back to the queue."""
        self._closed = True
        if self._session._connection._in_listener():
            _native.consumer_close(self._handle)
        else:
            _wait.aside(_native.consumer_close, self._handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
