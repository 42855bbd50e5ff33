"""The attach sessions of one container: those that wait for a run, and those that are connected to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import structlog

from daemon.errors import EngineError
from daemon.runtimes.attach import AttachSession, AttachSocket

LOG = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Sessions:
    """The sessions of a container whose monitor `connect` reaches; iterates over the connected ones."""

    connect: Callable[[], AttachSocket]
    _waiting: list[AttachSession] = attrs.field(factory=list, init=False)
    _connected: list[AttachSession] = attrs.field(factory=list, init=False)

    def __iter__(self) -> Iterator[AttachSession]:
        return iter(self._connected)

    def open(self) -> AttachSession:
        """Return a session that waits for the run."""
        # Clients come and go; those of a container that never runs would be kept for ever.
        self._waiting = _present(self._waiting)
        self._waiting.append(AttachSession())
        return self._waiting[-1]

    def connect_waiting(self) -> None:
        """Connect those who wait."""
        self._connected = _present(self._connected)
        for session in _present(self._waiting):
            try:
                session.offer(self.connect())
            except EngineError as error:
                LOG.warning("attach session not connected", reason=str(error))
                session.refuse()
            else:
                self._connected.append(session)
        self._waiting.clear()

    def close(self) -> None:
        """Tell those who wait that there will be nothing; the connected ones read to their own end."""
        for session in self._waiting:
            session.refuse()
        self._waiting.clear()
        self._connected.clear()


def _present(sessions: list[AttachSession]) -> list[AttachSession]:
    return [session for session in sessions if not session.abandoned]
