import os
import signal
import threading
import time

import pytest

from ops.ending import heard_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_word_and_interrupts_nothing(number: signal.Signals) -> None:
    before = signal.signal(number, signal.default_int_handler)
    lock = threading.Lock()
    try:
        with heard_signals() as ending:
            with lock:
                os.kill(os.getpid(), number)
            began = time.monotonic()
            assert ending.wait(5.0)
            assert time.monotonic() - began < 1.0
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_nobody_asks_and_the_time_runs_out() -> None:
    with heard_signals() as ending:
        began = time.monotonic()
        assert not ending.wait(0.25)
        assert time.monotonic() - began >= 0.25


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heard_signals() as ending:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not ending.wait(0.2)
    finally:
        signal.signal(signal.SIGHUP, before)
