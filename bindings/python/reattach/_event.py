"""Events and listeners."""
from . import _native

FAILURE = ("reattached", "recreated", "session_lost")
_KINDS = {_native.event_kind_name(number): number
          for number in range(_native.EVENT_DISCONNECTED, _native.EVENT_LOG + 1)
          if number != _native.EVENT_SEND_OUTCOME}  # tags are those of send_many() alone


class Event:
    """What a listener hears. `kind` is "reattached", "recreated", "session_lost", "disconnected", "retrying", ...;
    fields that a kind has no use for are 0, "" or None."""
    __slots__ = ("kind", "session", "error", "endpoint", "text", "attempt", "delay", "count", "replayed", "unknown",
                 "requeued", "failed_over", "outcome")

    def __init__(self, handle, session):
        self.kind = _native.event_kind_name(_native.event_kind(handle))
        self.session = session
        self.error = _native.event_error(handle)
        self.endpoint = _native.event_endpoint(handle)
        self.text = _native.event_text(handle)
        self.attempt = _native.event_attempt(handle)
        self.delay = _native.event_delay_ms(handle) / 1000
        self.count = _native.event_count(handle)
        self.replayed = _native.event_replayed(handle)
        self.unknown = _native.event_unknown(handle)
        self.requeued = _native.event_requeued(handle)
        self.failed_over = bool(_native.event_failed_over(handle))
        self.outcome = _native.outcome_name(_native.event_outcome(handle)) if self.kind == "operation" else ""

    def __repr__(self):
        said = " ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__
                        if name not in ("kind", "session") and getattr(self, name))
        return f"<reattach.Event {self.kind}{' ' if said else ''}{said}>"


def mask_of(kinds):
    unknown = [kind for kind in kinds if kind not in _KINDS]
    if unknown or not kinds:
        raise ValueError(f"unknown kinds of events: {', '.join(map(repr, unknown)) or 'none given'}; "
                         f"there are {', '.join(_KINDS)}")
    return sum(1 << _KINDS[kind] for kind in set(kinds))


class Listener:
    """Returned by add_listener() and add_failure_listener(). It hears until close(), or until its session or connection
    is closed."""
    __slots__ = ("_handle", "_function", "_home", "_id")

    def __init__(self, home, number, function):
        self._home = home  # the table that keeps it
        self._id = number
        self._function = function
        self._handle = None

    def close(self):
        """It is called no more. Closing twice is fine."""
        if self._handle is not None:
            _native.listener_close(self._handle)
            self._home.pop(self._id, None)
            self._handle = self._function = None
