"""Connections, and where listeners are called."""
import itertools
import threading
import time
import weakref

from . import _errors, _native, _wait
from ._event import FAILURE, Event, Listener, mask_of
from ._session import Session


class _Dispatch:
    __slots__ = ("connection", "error", "outer")


_running: dict[int, _Dispatch] = {}  # thread id -> the dispatch that it is in


def _on_event(number, handle):
    """Called from C, inside connection_dispatch() and nowhere else."""
    dispatch = _running[threading.get_ident()]
    connection = dispatch.connection
    session = connection._sessions.get(_native.event_session(handle))
    listener = connection._listeners.get(number) or (session is not None and session._listeners.get(number))
    if not listener or listener._function is None:
        return
    try:
        if _native.event_kind(handle) == _native.EVENT_SEND_OUTCOME:
            listener._function(handle)
        else:
            listener._function(Event(handle, session))
    except BaseException as error:
        if dispatch.error is None:
            dispatch.error = error
        else:
            dispatch.error.add_note(f"another listener of the same event raised {error!r}")


_native.set_event_handler(_on_event)


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def connect(url, *, timeout=None, **options):
    """Opens a connection: connect("tcp://127.0.0.1:61616?reliable=true", user="admin", password="admin").

    options are those of the URL (docs/options.md), `-` written as `_`; what the URL says wins. Waits until a broker has
    answered, at most timeout seconds (None: as long as the options allow).
    """
    handle = _native.options_new()
    for name, value in options.items():
        if value is not None:
            _native.options_set(handle, name.replace("_", "-"), _text(value))
    return Connection(_wait.aside(_native.connection_open, url, handle, _wait.timeout_ms(timeout)))


class Connection:
    """The way to one broker, kept up for the sessions on it. Made by connect(); a context manager that closes."""

    def __init__(self, handle):
        self._handle = handle
        self._sessions = weakref.WeakValueDictionary()  # address -> Session
        self._listeners = {}  # those for all sessions; those for one are kept by it
        self._numbers = itertools.count(1)
        self._closed = False
        self._options = dict(line.partition("=")[::2] for line in _native.connection_options(handle).splitlines())

    def session(self, transacted=False):
        """Opens a session. Not transacted: every send and acknowledgement takes effect by itself."""
        mode = _native.SESSION_TRANSACTED if transacted else _native.SESSION_AUTO_COMMIT
        handle, _ = _wait.request(self, _native.session_open_begin, self._handle, mode)
        return Session(self, handle, transacted)

    # --- listeners and events ---

    def add_failure_listener(self, function):
        """function(event) hears each re-attachment, recreation and loss of this connection's sessions."""
        return self.add_listener(function, *FAILURE)

    def add_listener(self, function, *kinds):
        """function(event) hears events of these kinds, of all sessions and of the connection itself: "disconnected",
        "retrying", "gave_up", "closed", "events_lost", "reattached", "recreated", "session_lost", "writable",
        "operation", "log". It is called on the thread that waits or dispatches, and what it raises comes out of the
        method called there."""
        return self._listen(function, mask_of(kinds), None, self._listeners)

    def _listen(self, function, mask, session, home):
        if not callable(function):
            raise TypeError(f"a listener is called with an event, and {function!r} cannot be called")
        number = next(self._numbers)
        listener = home[number] = Listener(home, number, function)
        try:
            listener._handle = _native.connection_listen(self._handle, session, mask, number)
        except BaseException:
            del home[number]
            raise
        return listener

    def dispatch(self, limit=None):
        """Calls the listeners of events that wait, at most limit; returns how many there were. An exception of a
        listener comes out of here; events behind it go on waiting."""
        count = 0
        while (limit is None or count < limit) and self._dispatch_one():
            count += 1
        return count

    def _dispatch_one(self):
        me = threading.get_ident()
        dispatch = _Dispatch()
        dispatch.connection, dispatch.error, dispatch.outer = self, None, _running.get(me)
        _running[me] = dispatch
        try:
            taken = _native.connection_dispatch(self._handle, 1)
        finally:
            if dispatch.outer is None:
                del _running[me]
            else:
                _running[me] = dispatch.outer
        if dispatch.error is not None:
            error, dispatch.error = dispatch.error, None
            raise error
        return taken

    def _in_listener(self):
        dispatch = _running.get(threading.get_ident())
        while dispatch is not None and dispatch.connection is not self:
            dispatch = dispatch.outer
        return dispatch is not None

    def _before_waiting(self, instead=""):
        if self._in_listener():
            raise _errors.make("IN_LISTENER", "a listener may not wait" + instead)

    def wait(self, timeout=None):
        """Waits for events and dispatches them: True, or False when none came within timeout seconds."""
        end = _wait.until(timeout)
        while True:
            if self._wait_slice(end):
                self.dispatch()
                return True
            if time.monotonic() >= end:
                return False

    def _wait_slice(self, end):
        try:
            _native.connection_wait_event(self._handle, _wait.left_ms(end, _wait.on_main_thread()))
            return True
        except _errors.TimeoutError:
            return False

    # --- for an event loop of your own ---

    def fileno(self):
        """A descriptor that is readable when process() and dispatch() have something to do."""
        return _native.connection_descriptor(self._handle)

    def process(self):
        """drive="manual": reads and writes once, without waiting. Otherwise it does nothing."""
        _native.connection_process(self._handle)

    @property
    def deadline(self):
        """drive="manual": seconds until the next process() at the latest, None when there is none."""
        left = _native.connection_deadline(self._handle)
        return None if left < 0 else left / 1000

    # --- state ---

    @property
    def is_connected(self):
        return bool(_native.connection_is_connected(self._handle))

    @property
    def options(self):
        """All options in force as texts, the password as "***"."""
        return dict(self._options)

    @property
    def statistics(self):
        """Counters of the connection's life: links, reattached, replayed, sent, received, ..."""
        names = itertools.takewhile(lambda pair: pair[1] != "unknown",
                                    ((number, _native.stat_name(number)) for number in itertools.count(1)))
        return {name: _native.connection_stat(self._handle, number) for number, name in names}

    def _answer_end(self):
        """When a request that is made now has waited long enough."""
        name = "callTimeout" if _native.connection_is_connected(self._handle) else "callFailoverTimeout"
        wait = int(self._options[name])
        return _wait.FOREVER if wait < 0 else time.monotonic() + wait / 1000

    def interrupt(self):
        """Ends every wait under way on this connection with Interrupted, on all threads."""
        _native.connection_interrupt(self._handle)

    # --- the end ---

    def close(self, timeout=None):
        """Closes the sessions, each of which waits for its unanswered work, then the links; at most timeout seconds.
        Returns how many pieces of work were not done, and how many may or may not be."""
        call = _native.connection_close, self._handle, _wait.timeout_ms(timeout)
        if self._in_listener():
            return tuple(call[0](*call[1:]))
        result = tuple(_wait.aside(*call))
        self._closed = True
        for session in list(self._sessions.values()):
            session._forget()
        for listener in list(self._listeners.values()):
            listener.close()
        return result

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        leave(self, kind)

    def __repr__(self):
        state = "closed" if self._closed else "connected" if self.is_connected else "not connected"
        return f"<reattach.Connection {state}>"


LEAVE_SECONDS = 1


def leave(closable, kind):
    """The end of a with block. Work that nobody will hear of otherwise is raised, unless something else is already; on
    Ctrl-C and the like it is not waited for long."""
    hasty = kind is not None and not issubclass(kind, Exception)
    not_done, unknown = closable.close(LEAVE_SECONDS if hasty else None)
    if kind is None and unknown:
        raise _errors.make("OUTCOME_UNKNOWN", f"{unknown} sends or acknowledgements may or may not have been done "
                           f"({not_done} were not)", outcome_unknown=True)
    if kind is None and not_done:
        raise _errors.make("NOT_DONE", f"{not_done} sends or acknowledgements were not done")
