"""Which signal a container's process is sent, and how a client may name it."""

from __future__ import annotations

import re
import signal
from typing import Final

from daemon.actors.container.commands import Signal, Stop
from daemon.actors.container.lifecycle import Effect
from daemon.actors.mailbox import Command, Event
from daemon.errors import InvalidParameter
from daemon.model import Config

DEFAULT_STOP_SECONDS: Final = 10
NUMBER: Final = re.compile(r"[0-9]{1,3}")
REAL_TIME: Final = re.compile(r"(RTMIN|RTMAX)([+-][0-9]{1,3})")


def parse_signal(text: str) -> int:
    """Return the number of a signal given as 9, KILL, SIGKILL or RTMIN+3, in any case.

    Raises:
        InvalidParameter: there is no such signal.

    """
    word = text.strip().upper()
    number = int(word) if NUMBER.fullmatch(word) else _named(word.removeprefix("SIG"))
    if number not in signal.valid_signals():
        raise InvalidParameter(f"invalid signal: {text}")
    return number


def _named(name: str) -> int:
    real_time = REAL_TIME.fullmatch(name)
    base, offset = real_time.groups() if real_time else (name, "0")
    known = signal.Signals.__members__.get(f"SIG{base}")
    return known.value + int(offset) if known else 0


def stop_signal(config: Config) -> int:
    """Return the signal that asks this container to end."""
    return parse_signal(config.stop_signal or "SIGTERM")


def grace_seconds(stop: Stop, config: Config) -> float:
    """Return how long the process may take to end by itself; below zero, for ever."""
    if stop.grace_seconds is not None:
        return stop.grace_seconds
    return DEFAULT_STOP_SECONDS if config.stop_timeout is None else config.stop_timeout


def signal_of(effect: Effect, message: Command[object] | Event, config: Config) -> int:
    """Return the signal that `effect` sends on behalf of `message`.

    A stop without grace has nothing to wait for, so it kills at once.
    """
    if effect is Effect.SIGNAL and isinstance(message, Signal):
        return message.signal
    if effect is Effect.SIGNAL and isinstance(message, Stop) and grace_seconds(message, config) != 0:
        return message.signal or stop_signal(config)
    return int(signal.SIGKILL)
