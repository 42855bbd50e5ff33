"""The events as readers see them: a log with offsets.

A reader is only a number, the `seq` it has seen, so one that stops reading costs nobody anything
and none can miss or repeat an event.  The newest events are in memory; only a reader that is far
behind makes the engine look into the file, in a thread and on a connection of its own.  One that keeps up
may have each event shown to it in the very call that makes it known, without a task being woken.
"""

from __future__ import annotations

import collections
import itertools
from bisect import bisect_left
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

import attrs
import trio

from daemon.journal.refusals import Gap
from daemon.journal.values import Event

TAIL_EVENTS: Final = 1024


class Archive(Protocol):
    """Where the events are that memory no longer has."""

    async def read(self, after: int, last: int, limit: int) -> tuple[Event, ...]:
        """Return the oldest kept events in `after < seq <= last`, at most `limit`."""
        ...

    async def before(self, time_ns: int) -> int:
        """Return the `seq` of the youngest kept event whose place is before `time_ns`, or 0."""
        ...


class Listener(Protocol):
    """Somebody who is shown events instead of reading them."""

    def show(self, events: Sequence[Event]) -> None:
        """Take note of `events`, the newest there are; may neither wait nor raise."""
        ...


@attrs.define(eq=False)
class EventLog:
    """All events, oldest first, without holes from `first_seq` to `last_seq`.

    None after `last_set_back_seq` has an earlier time than one before it.
    """

    _archive: Archive
    last_seq: int = 0
    first_seq: int = 1
    last_set_back_seq: int = 0
    _tail: collections.deque[Event] = attrs.field(init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _listeners: dict[Listener, None] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._tail = collections.deque(maxlen=TAIL_EVENTS)

    def append(self, events: Sequence[Event], first_seq: int) -> None:
        """Show `events` and wake the readers; for the journal alone, once they are on the disk."""
        self._tail.extend(events)
        self.first_seq = first_seq
        if events:
            self.last_seq = events[-1].seq
            set_back = (event.seq for event in reversed(events) if event.set_back_ns)
            self.last_set_back_seq = next(set_back, self.last_set_back_seq)
            for listener in tuple(self._listeners):
                listener.show(events)
            self._changed.set()
            self._changed = trio.Event()

    @contextmanager
    def shown_to(self, listener: Listener) -> Generator[None, None, None]:
        """Show `listener` all events that become known while the block runs."""
        self._listeners[listener] = None
        try:
            yield
        finally:
            del self._listeners[listener]

    async def changed(self, after: int) -> None:
        """Return once there are events after `after`."""
        if self.last_seq > after:
            await trio.lowlevel.checkpoint()
        while self.last_seq <= after:
            await self._changed.wait()

    async def read(self, after: int, limit: int) -> tuple[Event, ...]:
        """Return the oldest events after `after`, at most `limit`; none if there are none yet.

        What memory has is returned without a checkpoint: between waking and writing to its socket
        a reader shall not wait, so that it is told of a transition before whoever asked for it.

        Raises:
            Gap: the event after `after` is no longer kept.
            Failed: the file cannot be read.

        """
        if after >= self.last_seq:
            return ()
        if self._tail and after + 1 >= self._tail[0].seq:
            start = after + 1 - self._tail[0].seq
            return tuple(itertools.islice(self._tail, start, start + limit))
        events = await self._archive.read(after, self.last_seq, limit)
        # Asked of the answer, not of `first_seq`: the writer may have pruned since.
        first = events[0].seq if events else self.last_seq + 1
        if first > after + 1:
            raise Gap(first)
        return events

    async def before(self, time_ns: int) -> int:
        """Return after which `seq` to read in order to get all events from `time_ns` on.

        Where the clock has been set back, that is from when it was first so late: rather some that are older
        than one that is lost.

        That is 0 if even the oldest event that is kept is younger: `read` will tell if there
        were any before it.

        Raises:
            Failed: the file cannot be read.

        """
        if not self._tail or time_ns <= self._tail[0].order_ns:
            return min(await self._archive.before(time_ns), self.last_seq)
        await trio.lowlevel.checkpoint()
        return self._tail[0].seq - 1 + bisect_left(self._tail, time_ns, key=lambda event: event.order_ns)
