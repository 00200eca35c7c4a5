"""Being asked to end, once everything runs.

An exception out of a signal handler can fall into the middle of anything, also of taking a lock, and then nothing ends
any more. So from then on a signal only leaves word, and whoever waits looks for it.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_S = 0.1


class Ending:
    """Whether Ctrl-C, SIGTERM or SIGHUP has asked for the end."""

    def __init__(self) -> None:
        self.is_asked = False

    def wait(self, seconds: float) -> bool:
        """After that long, or as soon as the end is asked for: whether it is. Takes no lock."""
        until = time.monotonic() + seconds
        while not self.is_asked and (left_s := until - time.monotonic()) > 0:
            time.sleep(min(LOOK_S, left_s))
        return self.is_asked


@contextmanager
def heard_signals() -> Iterator[Ending]:
    """Hears the signals while the block runs; those that the starter had ignored stay ignored (nohup).

    In a thread other than the main one, where there are no signals to hear, nothing ever asks.
    """
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return

    def ask(_number: int, _frame: object) -> None:
        ending.is_asked = True

    heard = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.getsignal(number) for number in heard}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, ask)
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
