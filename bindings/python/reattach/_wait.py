"""How the package waits: with the interpreter's lock released, hearing listeners, and looking up for Ctrl-C.

Python handles signals on its main thread alone, and only between two calls, so waits of the main thread are made of
slices. A wait of another thread is one call, but where that thread waits for something that only a listener sees.
"""
import threading
import time

from . import _errors, _native

SLICE_MS = 50
FOREVER = float("inf")
LONGEST = 1e9  # seconds; what is longer is for ever


def on_main_thread():
    return threading.current_thread() is threading.main_thread()


def is_endless(timeout):
    return timeout is None or timeout > LONGEST


def until(timeout):
    """A point in time; timeout in seconds, None for ever."""
    return FOREVER if is_endless(timeout) else time.monotonic() + max(timeout, 0)


def left_ms(end, in_slices):
    """Milliseconds for the next call; negative for ever."""
    if end == FOREVER:
        return SLICE_MS if in_slices else -1
    left = max(int((end - time.monotonic()) * 1000 + 0.999), 0)
    return min(left, SLICE_MS) if in_slices else left


def timeout_ms(timeout):
    return -1 if is_endless(timeout) else max(int(timeout * 1000 + 0.999), 0)


def request(connection, begin, *arguments):
    """Begins something and waits for its end; returns what begin() gave: the operation, or a handle and the operation.
    Inside a listener, where the end could not be waited for, nothing is begun."""
    connection._before_waiting()
    begun = begin(*arguments)
    finish(connection, begun[-1] if isinstance(begun, (tuple, list)) else begun)
    return begun


def finish(connection, operation, end=None):
    """Waits for an operation, as long as the library's blocking forms would unless the caller has its own end. What a
    listener raises meanwhile comes out when the operation has ended, so that its outcome is not lost."""
    in_slices = on_main_thread()
    end = end or connection._answer_end()
    raised, sure = None, False
    while True:
        try:
            ended = _native.operation_wait(operation, left_ms(end, in_slices),
                                           _native.WAIT_EVENTS if raised is None else 0) == 0
        except _errors.Error as error:
            pending = _native.operation_outcome(operation) == _native.OUTCOME_PENDING
            if isinstance(error, _errors.TimeoutError) and (time.monotonic() < end if pending else not sure):
                sure = not pending  # it ended behind the wait; or with this very error, which it then says again
                continue
            raise _explained(error, pending) from raised
        if ended:
            break
        try:
            connection.dispatch()
        except Exception as error:
            raised = error
    if raised is not None:
        raise raised


def _explained(error, pending):
    if pending and isinstance(error, _errors.TimeoutError):
        error.outcome_unknown = True
        error.message += "; the work may still be done"
        error.args = (error.message,)
    return error


def aside(function, *arguments):
    """A call that cannot be made in slices: on the main thread it runs on a helper, so that Ctrl-C is heard. Then the
    call ends by itself, and what it returns is thrown away."""
    if not on_main_thread():
        return function(*arguments)
    done = threading.Event()
    box = []

    def run():
        try:
            box.append((function(*arguments), None))
        except BaseException as error:
            box.append((None, error))
        done.set()

    try:
        threading.Thread(target=run, name="reattach", daemon=True).start()
    except RuntimeError:  # no thread is to be had; from 3.12 on none is while the interpreter shuts down
        return function(*arguments)
    done.wait()
    result, error = box[0]
    if error is not None:
        raise error
    return result
