"""A client is fed while it keeps up and reads when it lags; it gets each event once, in order."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.docker.event_feed import Feed
from daemon.journal import Event, EventLog
from tests.unit.api.test_events import NoArchive

HUGE = 1 << 20


def event(seq: int) -> Event:
    return Event(seq, seq, "container", "start", "abc", {})


def number(shown: Event) -> bytes:
    return b"%d" % shown.seq


def chunks(*seqs: int) -> bytes:
    return b"".join(b"%x\r\n%d\r\n" % (len(str(seq)), seq) for seq in seqs)


@attrs.define
class Socket:
    """Takes `room` bytes; who sends more waits until there is room again."""

    room: int = HUGE
    sent: bytes = b""
    waited: int = 0
    _more: trio.Event = attrs.field(factory=trio.Event)

    def send_now(self, data: bytes) -> int:
        fits = data[: self.room]
        self.room -= len(fits)
        self.sent += fits
        return len(fits)

    async def send_all(self, data: bytes) -> None:
        self.waited += 1
        while data := data[self.send_now(data) :]:
            await self._more.wait()

    def make_room(self, size: int) -> None:
        self.room += size
        self._more.set()
        self._more = trio.Event()


async def fed(nursery: trio.Nursery, socket: Socket, rendered: Callable[[Event], bytes] = number) -> EventLog:
    """Return a log whose events a client with `socket` gets."""
    log = EventLog(NoArchive())
    nursery.start_soon(Feed(log, socket, rendered, 0).run)
    await trio.testing.wait_all_tasks_blocked()
    return log


async def test_a_client_that_keeps_up_has_an_event_before_the_call_that_made_it_known_returns(
    nursery: trio.Nursery,
) -> None:
    socket = Socket()
    log = await fed(nursery, socket)
    log.append([event(1), event(2)], 1)
    assert socket.sent == chunks(1, 2)
    assert socket.waited == 0


async def test_what_a_full_socket_did_not_take_follows_and_nothing_is_twice(nursery: trio.Nursery) -> None:
    socket = Socket(room=3)
    log = await fed(nursery, socket)
    for seq in range(1, 4):
        log.append([event(seq)], 1)
    assert socket.sent == chunks(1)[:3]
    socket.make_room(HUGE)
    await trio.testing.wait_all_tasks_blocked()
    assert socket.sent == chunks(1, 2, 3)
    log.append([event(4)], 1)
    assert socket.sent == chunks(1, 2, 3, 4)


async def test_what_nobody_wants_is_passed_over(nursery: trio.Nursery) -> None:
    socket = Socket()
    log = await fed(nursery, socket, lambda shown: number(shown) if shown.seq % 2 else b"")
    log.append([event(1), event(2)], 1)
    log.append([event(4)], 1)
    assert socket.sent == chunks(1)


async def test_an_event_that_cannot_be_rendered_ends_its_client_and_nobody_else() -> None:
    def broken(_: Event) -> bytes:
        raise ValueError("broken")

    socket = Socket()
    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="broken")):
        async with trio.open_nursery() as nursery:
            other = await fed(nursery, socket, broken)
            nursery.start_soon(Feed(other, well := Socket(), number, 0).run)
            await trio.testing.wait_all_tasks_blocked()
            other.append([event(1)], 1)
    assert socket.sent == b""
    assert well.sent == chunks(1)


async def test_a_client_that_has_left_is_shown_nothing() -> None:
    socket = Socket()
    async with trio.open_nursery() as nursery:
        log = await fed(nursery, socket)
        nursery.cancel_scope.cancel()
    log.append([event(1)], 1)
    assert socket.sent == b""


@given(st.lists(st.one_of(st.integers(0, 40).map(lambda room: ("room", room)), st.just(("event", 0)))))
def test_whatever_a_socket_takes_when_the_client_gets_each_event_once_and_in_order(
    steps: list[tuple[str, int]],
) -> None:
    async def play() -> None:
        socket = Socket(room=0)
        async with trio.open_nursery() as nursery:
            log = await fed(nursery, socket)
            for step, room in steps:
                if step == "room":
                    socket.make_room(room)
                else:
                    log.append([event(log.last_seq + 1)], 1)
                if room % 2:
                    await trio.testing.wait_all_tasks_blocked()
            socket.make_room(HUGE)
            await trio.testing.wait_all_tasks_blocked()
            assert socket.sent == chunks(*range(1, log.last_seq + 1))
            nursery.cancel_scope.cancel()

    trio.run(play)
