"""A broker in a box, for tests of programs that talk to one. See docs/mock.md in the source tree.

    with reattach.mock.Broker() as broker:
        broker.create_queue("orders")
        broker.cut_at("send", nth=3)
        run_my_program(broker.url)
        assert broker.messages("orders") == 10
"""
import itertools
import time
from types import TracebackType

from . import _errors, _native, _wait

__all__ = ["Broker"]

_COUNTERS = {name: number for number, name in
             itertools.takewhile(lambda pair: pair[1] != "unknown",
                                 ((number, _native.mock_stat_name(number)) for number in itertools.count(1)))}


def _text(words: tuple[str, ...], values: dict[str, object]) -> str:
    """A text of options or of a fault: words, then NAME=VALUE for what is given; from_ stands for from."""
    def quoted(value: object) -> str:
        return str(value).replace("%", "%25").replace(",", "%2C")

    pairs = (f"{name.rstrip('_')}={quoted(value)}" for name, value in values.items() if value is not None)
    return ",".join(itertools.chain(words, pairs))


class Broker:
    """A broker on a port of 127.0.0.1, with queues in memory, that misbehaves on command. Options: port, seed, version,
    sync, lost, doubled, as in reattach/mock.h."""

    def __init__(self, **options: int) -> None:
        self._handle = _native.mock_start(_text((), dict(options)))

    @property
    def url(self) -> str:
        """What connect() takes: "tcp://127.0.0.1:PORT"."""
        return str(_native.mock_url(self._handle))

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(_native.mock_port(self._handle))

    def stop(self) -> None:
        """Resets all connections and ends it; queues and counters can still be asked for."""
        _native.mock_stop(self._handle)

    def __enter__(self) -> "Broker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()

    # --- faults ---

    def fault(self, action: str, **details: object) -> None:
        """Orders any fault: broker.fault("restart", at="commit", nth=2, when="before"); from_ stands for from."""
        _native.mock_fault(self._handle, _text((action,), details))

    def cut(self, how: str = "reset") -> None:
        """Cuts all connections now; how: reset, close, silence, abandon."""
        self.fault(how)

    def cut_at(self, packet: str, nth: int | str = 1, when: str = "after", how: str = "reset") -> None:
        """Cuts the connection on which the nth packet of a kind passes, counted from now: before the broker gets it,
        inside it, or after the broker has done what it asks for and before it answers."""
        self.fault(how, at=packet, nth=nth, when=when)

    def clear(self) -> None:
        """Takes back all faults that have not happened, and those that last."""
        _native.mock_clear(self._handle)

    # --- what there is ---

    def create_queue(self, name: str, address: str | None = None) -> None:
        """Makes a durable anycast queue for an address, by default one of the same name."""
        _native.mock_create_queue(self._handle, name, address)

    def messages(self, queue: str) -> int:
        """How many messages are in a queue, those delivered and not acknowledged included."""
        return int(_native.mock_queue_messages(self._handle, queue))

    @property
    def counters(self) -> dict[str, int]:
        """All counters: connections, cut, faults, sessions, reattached, stored, consumed, ..."""
        return {name: _native.mock_count(self._handle, number) for name, number in _COUNTERS.items()}

    def wait(self, counter: str, at_least: int = 1, timeout: float | None = 10) -> None:
        """Waits until a counter is at_least that; TimeoutError after so many seconds."""
        if counter not in _COUNTERS:
            raise _errors.make("ARGUMENT", f"there is no counter \"{counter}\": {', '.join(_COUNTERS)}")
        end = _wait.until(timeout)
        while True:
            try:
                return _native.mock_wait(self._handle, _COUNTERS[counter], at_least,
                                         _wait.left_ms(end, _wait.on_main_thread()))
            except _errors.TimeoutError:
                if time.monotonic() >= end:
                    raise
