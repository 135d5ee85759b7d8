"""Signals that end the command line: soon, whatever it waits for, and with nothing left of what was begun.

Python answers a signal between two of its own steps, in the main thread. A
codec that works on one large block lets it wait for that long, a thread that
waits for a server for as long as the server does, and a signal that comes while
the main thread holds a lock may wait for ever. So a thread is told of the signal
by the system itself. Where the end has not come in ``LONGEST_END_S``, or is asked
for twice, it removes the files that were begun and ends the process.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from stacchip_osml.app.texts import INTERRUPTED

__all__ = ["end_on_signals"]

LONGEST_END_S = 1.0
"""From a signal to the end: who sends one sends another, that nobody survives."""


def end_on_signals() -> None:
    """Have SIGTERM, SIGHUP and an interrupt end this process; one that is ignored, as by nohup, stays ignored."""
    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
    ]
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    with suppress(RuntimeError):  # no more threads: the handler alone, as far as it goes
        threading.Thread(target=_end_late, args=(told, numbers), name="stacchip-osml-end", daemon=True).start()
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> NoReturn:
    """Leave nothing behind, and end; without a handler the first process of a container would go on."""
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(each) is _end:
            signal.signal(each, _go_on_ending)
    _say(number)
    raise SystemExit(128 + number)


def _go_on_ending(number: int, frame: FrameType | None) -> None:
    """Let the thread answer, which was told as well."""


def _end_late(told: int, numbers: list[int]) -> None:
    """End the process, in a thread of its own, where the main thread does not."""
    while (number := os.read(told, 1)[0]) not in numbers:  # another program's handler
        pass
    select.select([told], [], [], LONGEST_END_S)
    if signal.getsignal(number) is _end:  # which the main thread never came to
        _say(number)
    try:
        if writing := sys.modules.get("stacchip_osml.encode.atomic"):  # an import could wait for the main thread
            writing.remove_begun()
    finally:
        os._exit(128 + number)


def _say(number: int) -> None:
    code = 128 + number
    why = "interrupted" if code == INTERRUPTED else f"ended by {signal.Signals(number).name}"
    with suppress(OSError):
        os.write(2, f"error: {why}\n".encode())
