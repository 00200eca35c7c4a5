"""Ending a process in order when it is asked to."""

import _thread
import signal
import threading

_ASKING = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT set ``stop``, once. For a process's entry point, in its main thread."""

    def ask(_number: int, _frame: object) -> None:
        # First of all: a service manager and our supervisor may both ask, and the second must neither fall into the
        # middle of the first nor kill what is ending well.
        for number in _ASKING:
            signal.signal(number, signal.SIG_IGN)
        # Not here: the thread that was interrupted may just hold the event's lock.
        _thread.start_new_thread(stop.set, ())

    for number in _ASKING:
        signal.signal(number, ask)
