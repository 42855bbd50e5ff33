"""What the clients were promised: each object as it must be, or may be while a call has not been answered.

A call is announced before it is made.  Until it is answered, both what was and what was asked for are
possible; the answer, or what is found after a crash, narrows that to one.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import attrs

from tests.clients.restarts.crash.box import TERMINATED, Box

KILLED = 137
GONE = "gone"
ALIVE = frozenset({"running", "paused"})
# Of runc's init, told to stop before it has become the program: no signal ends a first process.
UNPREPARED = 2
BY_SIGNAL = frozenset({TERMINATED, KILLED, UNPREPARED})
NOTHING: frozenset[int] = frozenset()


@attrs.frozen
class Place:
    """Where a container is in one network."""

    address: str
    address6: str
    mac: str
    endpoint: str


@attrs.define(eq=False)
class Session:
    """An exec session that waits to be told its exit code.

    `codes` is what it may end with; nothing while there is no reason for it to end.
    """

    key: str
    id: str
    tty: bool = False
    attempted: bool = False
    started: bool = False
    pid: int = 0
    codes: frozenset[int] = NOTHING


@attrs.define(eq=False)
class Subject:
    """A container, as its one client knows it.

    `status` is Docker's word, `possible` what else it may be while a call is under way; `codes` are what the
    current run may end with, nothing while there is no reason for it to end, `told` whether it must;
    `starts` is how many starts were answered well, `tries` how many there may have been.  One that
    `keeps_going` is started again by its policy.  `networks` are those of its record, `may_be_in` what
    they may be while a call is under way; `places` and `ports` are what the current run has of them.
    """

    key: str
    box: Box
    name: str
    auto_remove: bool = False
    keeps_going: bool = False
    tty: bool = False
    id: str = ""
    status: str = GONE
    names: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()
    pid: int = 0
    told: bool = False
    codes: frozenset[int] = NOTHING
    codes_ever: frozenset[int] = NOTHING
    starts: int = 0
    tries: int = 0
    shares: frozenset[int] = frozenset({0})
    sessions: list[Session] = attrs.field(factory=list)
    networks: frozenset[str] = frozenset()
    may_be_in: frozenset[frozenset[str]] = frozenset()
    ever_in: set[str] = attrs.field(factory=set)
    places: dict[str, Place] = attrs.field(factory=dict)
    ports: frozenset[tuple[str, int]] | None = None

    @contextmanager
    def attempt(
        self, *outcomes: str, codes: frozenset[int] = NOTHING, starts: int = 0, name: str = ""
    ) -> Generator[None, None, None]:
        """Announce a call that may lead to `outcomes`; the block ends normally only if it was answered."""
        self.possible = frozenset(outcomes)
        self.names = frozenset({self.name, name or self.name})
        self.may_end_with(codes)
        self.tries += starts
        yield  # ruff: ignore[fallible-context-manager]  without an answer both stay possible
        self.possible, self.name = frozenset(), name or self.name
        self.names = frozenset({self.name})

    @contextmanager
    def attempt_shares(self, shares: int) -> Generator[None, None, None]:
        """Announce a call that changes a limit."""
        self.shares = frozenset({*self.shares, shares})
        yield  # ruff: ignore[fallible-context-manager]  without an answer both stay possible
        self.shares = frozenset({shares})

    @contextmanager
    def attempt_networks(self, networks: frozenset[str]) -> Generator[None, None, None]:
        """Announce a call that changes its networks, and perhaps the ports that lead to it."""
        self.may_be_in, self.ports = frozenset({self.networks, networks}), None
        self.ever_in |= networks
        yield  # ruff: ignore[fallible-context-manager]  without an answer both stay possible
        self.networks, self.may_be_in = networks, frozenset({networks})

    def may_end_with(self, codes: frozenset[int]) -> None:
        """Take note that there is a reason for the process to end."""
        self.codes |= codes
        self.codes_ever |= codes
        if codes:  # its exec sessions end with it
            self._end_sessions()

    def told_to_exit(self, code: int) -> None:
        """Take note that the process has heard that it is to end, so that it will."""
        self.may_end_with(frozenset({code}))
        self.told = not self.keeps_going
        self.pid = 0 if self.keeps_going else self.pid

    def becomes(self, status: str) -> None:
        """Take note of an answer, or of what was found."""
        if status not in ALIVE:
            self.forget_run()
        self.status = status

    def started(self) -> None:
        """Take note that a start was answered well."""
        self.starts += 1
        self.forget_run()
        self.status = "running"

    def forget_run(self) -> None:
        """Take note that what was known of the last run holds no more."""
        self.pid, self.told, self.codes = 0, False, NOTHING
        self._end_sessions()

    def _end_sessions(self) -> None:
        for session in self.sessions:
            session.codes |= {KILLED}

    @property
    def after_exit(self) -> str:
        """What it is once its process has ended."""
        return GONE if self.auto_remove else "exited"

    def may_be(self) -> frozenset[str]:
        """Return every status that would be no surprise."""
        if self.told and self.status in ALIVE:
            return self.possible - ALIVE | {self.after_exit}
        ending = {self.after_exit} if self.codes and self.status in ALIVE and not self.keeps_going else set()
        return frozenset({self.status, *self.possible, *ending})
