"""Exceptions: one class for each code of the library, in groups by what a program does next."""
import builtins

from . import _native


class Error(Exception):
    """Base of all. code and code_name are the library's (-20, "RA_E_TIMEOUT"); broker_code and broker_text are what the
    broker said, None and "" when the error is not the broker's."""

    def __init__(self, message="", code=0, code_name="", endpoint="", broker_code=None, broker_text="",
                 retriable=False, fatal=False, outcome_unknown=False):
        super().__init__(message)
        self.message = message
        self.code = code
        self.code_name = code_name
        self.endpoint = endpoint
        self.broker_code = broker_code
        self.broker_text = broker_text
        self.retriable = retriable
        self.fatal = fatal
        self.outcome_unknown = outcome_unknown


# --- the call itself was wrong: fix the program ---

class UsageError(Error):
    """The call itself was wrong."""


class OutOfMemory(UsageError, MemoryError):
    pass


class ArgumentError(UsageError, ValueError):
    pass


class OptionError(ArgumentError):
    pass


class UrlError(ArgumentError):
    pass


class StateError(UsageError):
    """Not possible in this state."""


class InListener(StateError):
    """A listener may not wait."""


class Forked(StateError):
    """The connection belongs to the parent process."""


class Closed(StateError):
    pass


class PropertyTypeError(UsageError, TypeError):
    pass


class PropertyNotFound(UsageError, LookupError):
    pass


class StaleMessage(UsageError):
    """The message belongs to an earlier delivery; it comes again."""


# --- not now ---

class NotNow(Error):
    """Try again, wait, or go on."""


class TimeoutError(NotNow, builtins.TimeoutError):
    pass


class WouldBlock(NotNow):
    pass


class Interrupted(NotNow):
    pass


# --- the way to the broker ---

class ConnectError(Error, ConnectionError):
    """The way to the broker."""


class ResolveError(ConnectError):
    pass


class Unreachable(ConnectError):
    pass


class ConnectTimeout(ConnectError):
    pass


class LinkClosed(ConnectError):
    pass


class LinkLost(ConnectError):
    pass


class LinkSilent(ConnectError):
    pass


class ProtocolError(ConnectError):
    """The peer does not speak the Artemis CORE protocol."""


class VersionError(ConnectError):
    pass


class Disconnected(ConnectError):
    pass


class GaveUp(ConnectError):
    """No connection attempt was left."""


class SessionLost(ConnectError):
    pass


# --- what the broker says ---

class BrokerError(Error):
    """What the broker says."""


class SecurityError(BrokerError):
    pass


class QueueNotFound(BrokerError):
    pass


class QueueExists(BrokerError):
    pass


class AddressNotFound(BrokerError):
    pass


class NoRoute(BrokerError):
    """No queue would receive the message."""


class FilterError(BrokerError):
    pass


class AddressFull(BrokerError):
    pass


class DuplicateId(BrokerError):
    pass


class Rejected(BrokerError):
    pass


# --- how work can end ---

class OutcomeError(Error):
    """How work can end, but for well."""


class RolledBack(OutcomeError):
    pass


class NotDone(OutcomeError):
    pass


class OutcomeUnknown(OutcomeError):
    """The work may or may not have been done."""


class LargeInterrupted(OutcomeError):
    pass


class BatchError(OutcomeError):
    """Of send_many: not every message was confirmed. `result` tells what became of each; code, message and the rest are
    those of the first failure."""

    def __init__(self, message, result=None, **fields):
        super().__init__(message, **fields)
        self.result = result


class InternalError(Error):
    """The library met a state it does not know."""


KINDS = {
    "NO_MEMORY": OutOfMemory, "ARGUMENT": ArgumentError, "OPTION": OptionError, "URL": UrlError, "STATE": StateError,
    "IN_LISTENER": InListener, "FORKED": Forked, "CLOSED": Closed, "TYPE": PropertyTypeError,
    "NOT_FOUND": PropertyNotFound, "STALE": StaleMessage, "TIMEOUT": TimeoutError, "WOULD_BLOCK": WouldBlock,
    "INTERRUPTED": Interrupted, "RESOLVE": ResolveError, "CONNECT": Unreachable, "CONNECT_TIMEOUT": ConnectTimeout,
    "LINK_CLOSED": LinkClosed, "LINK_LOST": LinkLost, "LINK_SILENT": LinkSilent, "PROTOCOL": ProtocolError,
    "VERSION": VersionError, "DISCONNECTED": Disconnected, "GAVE_UP": GaveUp, "SESSION_LOST": SessionLost,
    "SECURITY": SecurityError, "NO_QUEUE": QueueNotFound, "QUEUE_EXISTS": QueueExists, "NO_ADDRESS": AddressNotFound,
    "NO_ROUTE": NoRoute, "FILTER": FilterError, "ADDRESS_FULL": AddressFull, "DUPLICATE_ID": DuplicateId,
    "REJECTED": Rejected, "ROLLED_BACK": RolledBack, "NOT_DONE": NotDone, "OUTCOME_UNKNOWN": OutcomeUnknown,
    "LARGE_INTERRUPTED": LargeInterrupted, "INTERNAL": InternalError,
}
_BY_CODE = {getattr(_native, "E_" + name): kind for name, kind in KINDS.items()}


def _make(code, name, message, endpoint, broker_code, broker_text, retriable, fatal, unknown):
    return _BY_CODE.get(code, Error)(message, code, name, endpoint, None if broker_code == -1 else broker_code,
                                     broker_text, retriable, fatal, unknown)


def make(name, message, **more):
    """One of our own, for what is only known on this side."""
    return KINDS[name](message, getattr(_native, "E_" + name), "RA_E_" + name, **more)


_native.set_error_factory(_make)
