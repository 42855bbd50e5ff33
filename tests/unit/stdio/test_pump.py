"""Sessions: how bytes pass, and every way in which a session ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import attrs
import pytest
import trio
import trio.testing

from daemon.api.pump import Ended, Eof, PumpOptions, pump
from daemon.api.stdcopy import frame
from daemon.runtimes.attach import AttachSocket
from daemon.runtimes.logformat import STDERR
from tests.unit.stdio.fakes import FakeClient, FakeMonitor


@attrs.define
class Session:
    """One pump at work."""

    client: FakeClient
    monitor: FakeMonitor
    connection: AttachSocket
    how: Ended | None = None
    _over: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, options: PumpOptions, output: AsyncGenerator[bytes, None] | None = None) -> None:
        self.how = await pump(self.client, self.connection, options, output)
        self._over.set()

    async def ended(self) -> Ended:
        with trio.fail_after(60):
            await self._over.wait()
        assert self.how is not None
        return self.how


@pytest.fixture
async def session() -> AsyncGenerator[Session, None]:
    monitor, connection = FakeMonitor.connected()
    yield Session(FakeClient.make(), monitor, connection)
    monitor.end()
    connection.close()


async def test_output_is_framed_by_stream_and_ends_the_session(
    session: Session, nursery: trio.Nursery
) -> None:
    nursery.start_soon(session.run, PumpOptions())
    await session.monitor.write(2, b"out")
    await session.monitor.write(3, b"err")
    session.monitor.end()
    assert await session.ended() is Ended.OUTPUT_ENDED
    assert session.client.sent == frame(1, b"out") + frame(2, b"err")


async def test_a_terminal_gets_bare_bytes(session: Session, nursery: trio.Nursery) -> None:
    nursery.start_soon(session.run, PumpOptions(tty=True))
    await session.monitor.write(2, b"a\r\n\x00")
    session.monitor.end()
    await session.ended()
    assert session.client.sent == b"a\r\n\x00"


async def test_a_stream_that_is_not_wanted_is_dropped(session: Session, nursery: trio.Nursery) -> None:
    nursery.start_soon(session.run, PumpOptions(streams=frozenset({STDERR})))
    await session.monitor.write(2, b"out")
    await session.monitor.write(3, b"err")
    session.monitor.end()
    await session.ended()
    assert session.client.sent == frame(2, b"err")


async def test_a_half_close_ends_stdin_and_output_still_comes(
    session: Session, nursery: trio.Nursery
) -> None:
    nursery.start_soon(session.run, PumpOptions(stdin=True))
    await session.client.there.send_all(b"typed")
    await session.client.there.send_eof()
    assert [await session.monitor.stdin(), await session.monitor.stdin()] == [b"typed", b""]
    await session.monitor.write(2, b"answer")
    session.monitor.end()
    assert await session.ended() is Ended.OUTPUT_ENDED
    assert session.client.sent == frame(1, b"answer")


async def test_a_half_close_ends_the_session_where_stdin_stays_open(
    session: Session, nursery: trio.Nursery
) -> None:
    nursery.start_soon(session.run, PumpOptions(stdin=True, eof=Eof.END_SESSION))
    await session.client.there.send_all(b"typed")
    await session.client.there.send_eof()
    assert await session.ended() is Ended.CLIENT_GONE
    assert await session.monitor.stdin() == b"typed"


async def test_a_client_that_leaves_is_noticed_in_silence(session: Session, nursery: trio.Nursery) -> None:
    nursery.start_soon(session.run, PumpOptions())
    await trio.testing.wait_all_tasks_blocked()
    session.client.gone.set()
    assert await session.ended() is Ended.CLIENT_GONE


async def test_a_client_that_leaves_is_noticed_while_it_is_sent_to(
    session: Session, nursery: trio.Nursery
) -> None:
    session.client.gone.set()
    nursery.start_soon(session.run, PumpOptions(stdin=True))
    await session.monitor.write(2, b"x")
    assert await session.ended() is Ended.CLIENT_GONE


async def test_detach_keys_end_the_session_and_are_not_typed(session: Session, nursery: trio.Nursery) -> None:
    nursery.start_soon(session.run, PumpOptions(tty=True, stdin=True))
    await session.client.there.send_all(b"ls\x10")
    await session.client.there.send_all(b"\x11")
    assert await session.ended() is Ended.DETACHED
    assert await session.monitor.stdin() == b"ls"


async def test_without_a_terminal_detach_keys_are_bytes_like_others(
    session: Session, nursery: trio.Nursery
) -> None:
    nursery.start_soon(session.run, PumpOptions(stdin=True))
    await session.client.there.send_all(b"\x10\x11")
    assert await session.monitor.stdin() == b"\x10\x11"
    session.monitor.end()
    await session.ended()


async def test_a_client_that_does_not_read_holds_the_process_back(
    session: Session, nursery: trio.Nursery
) -> None:
    session.client.reads = trio.Event()
    nursery.start_soon(session.run, PumpOptions(tty=True))
    with trio.move_on_after(0.1):  # real time: the kernel's buffer has to fill
        while True:
            await session.monitor.write(2, b"x" * 8192)
    session.client.reads.set()
    session.monitor.end()
    assert await session.ended() is Ended.OUTPUT_ENDED
    assert len(session.client.sent) % 8192 == 0
    assert len(session.client.sent) < 2**20


async def test_a_session_that_its_actor_closes_ends(session: Session, nursery: trio.Nursery) -> None:
    nursery.start_soon(session.run, PumpOptions())
    await trio.testing.wait_all_tasks_blocked()
    session.connection.close()
    assert await session.ended() is Ended.OUTPUT_ENDED


async def test_with_other_output_the_monitors_is_read_and_dropped(
    session: Session, nursery: trio.Nursery
) -> None:
    proceed = trio.Event()

    async def output() -> AsyncGenerator[bytes, None]:
        await proceed.wait()
        yield b"from the log"

    nursery.start_soon(session.run, PumpOptions(), output())
    for _ in range(100):  # more than the socket holds
        await session.monitor.write(2, b"x" * 8192)
    proceed.set()
    assert await session.ended() is Ended.OUTPUT_ENDED
    assert session.client.sent == b"from the log"


async def test_a_process_that_reads_no_more_does_not_cost_its_last_output(
    session: Session, nursery: trio.Nursery
) -> None:
    nursery.start_soon(session.run, PumpOptions(stdin=True))
    await session.monitor.write(2, b"bye")
    session.monitor.end()
    await session.client.there.send_all(b"too late")
    assert await session.ended() is Ended.OUTPUT_ENDED
    assert session.client.sent == frame(1, b"bye")
