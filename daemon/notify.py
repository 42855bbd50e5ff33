"""What we tell the service manager, in the protocol of sd_notify(3): ready, reloading, stopping.

Nobody waits for it and nothing depends on it: a manager that does not listen is a line in the log, never an
error and never a delay.  Our children do not get NOTIFY_SOCKET (`daemon.runtimes.processes`): they have
nothing to say for us.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

import attrs
import structlog

LOG: Final = structlog.get_logger(__name__)


@attrs.frozen
class Notifier:
    """The socket of whoever supervises us; empty if nobody does."""

    address: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Notifier:
        """Return the notifier for the supervisor that NOTIFY_SOCKET names."""
        return cls(environment.get("NOTIFY_SOCKET", ""))

    def ready(self) -> None:
        """Say that the engine serves: after its start, and after every reload, failed ones included."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that a reload begins; `ready` says that it is over."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def stopping(self) -> None:
        """Say that the engine has begun to stop."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self.address:
            return
        abstract = self.address.startswith("@")
        address = b"\0" + os.fsencode(self.address[1:]) if abstract else os.fsencode(self.address)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
                channel.sendto(message.encode(), address)
        except OSError as error:
            LOG.warning("the service manager was not told", message=message, error=str(error))
