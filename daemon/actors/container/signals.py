"""Which signal a container's process is sent, and how a client may name it."""

from __future__ import annotations

import signal
from typing import Final

from daemon.actors.container.lifecycle import Effect
from daemon.actors.container.messages import Signal, Stop
from daemon.actors.mailbox import Command, Event
from daemon.errors import InvalidParameter
from daemon.model import Config

DEFAULT_STOP_SECONDS: Final = 10
REAL_TIME: Final = {"RTMIN": signal.SIGRTMIN, "RTMAX": signal.SIGRTMAX}


def parse_signal(text: str) -> int:
    """Return the number of a signal given as 9, KILL, SIGKILL or RTMIN+3, in any case.

    Raises:
        InvalidParameter: there is no such signal.

    """
    name = text.strip().upper().removeprefix("SIG")
    base, _, offset = name.partition("+") if "+" in name else name.partition("-")
    if base in REAL_TIME and (not offset or offset.isdecimal()):
        number = REAL_TIME[base] + int(offset or 0) * (-1 if "-" in name else 1)
    elif name.isascii() and name.isdecimal():
        number = int(name)
    else:
        number = getattr(signal, f"SIG{name}", 0)
    if number not in signal.valid_signals():
        raise InvalidParameter(f"invalid signal: {text}")
    return int(number)


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
