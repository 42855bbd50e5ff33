"""The attach socket's client and the session that stands for it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import trio
import trio.testing

from daemon.errors import Conflict
from daemon.runtimes.attach import AHEAD_PACKETS, BATCH, INPUT_BYTES, AttachSession, AttachSocket, Packet
from daemon.runtimes.console import reopen_log, resize
from daemon.runtimes.logformat import STDERR, STDOUT
from tests.unit.stdio.fakes import FakeMonitor


@pytest.fixture
async def pair() -> AsyncGenerator[tuple[FakeMonitor, AttachSocket], None]:
    monitor, connection = FakeMonitor.connected()
    yield monitor, connection
    monitor.end()
    connection.close()


async def test_packets_name_their_stream_and_come_in_batches(pair: tuple[FakeMonitor, AttachSocket]) -> None:
    monitor, connection = pair
    await monitor.write(2, b"out")
    await monitor.write(3, b"err")
    monitor.end()
    assert await connection.receive_batch() == [Packet(STDOUT, b"out"), Packet(STDERR, b"err")]
    assert await connection.receive_batch() == []


async def test_a_batch_is_bounded(pair: tuple[FakeMonitor, AttachSocket]) -> None:
    monitor, connection = pair
    for _ in range(BATCH + 1):
        await monitor.write(2, b"x")
    assert [len(await connection.receive_batch()) for _ in range(2)] == [BATCH, 1]


async def test_what_was_read_ahead_comes_first_and_whole(pair: tuple[FakeMonitor, AttachSocket]) -> None:
    monitor, connection = pair
    for number in range(BATCH + 1):
        await monitor.write(2, bytes([number]))
    connection.read_ahead()
    await monitor.write(2, b"last")
    monitor.end()
    connection.read_ahead()
    received: list[Packet] = []
    while packets := await connection.receive_batch():
        received += packets
    assert [packet.payload for packet in received] == [*(bytes([n]) for n in range(BATCH + 1)), b"last"]


async def test_reading_ahead_wakes_nobody_but_loses_nothing_for_who_waits(
    pair: tuple[FakeMonitor, AttachSocket], nursery: trio.Nursery
) -> None:
    monitor, connection = pair
    received: list[Packet] = []

    async def read() -> None:
        received.extend(await connection.receive_batch())

    nursery.start_soon(read)
    await trio.testing.wait_all_tasks_blocked()
    await monitor.write(2, b"x")
    connection.read_ahead()
    monitor.end()
    await trio.testing.wait_all_tasks_blocked()
    assert [packet.payload for packet in received] == [b"x"]


async def test_a_reader_that_is_too_far_behind_is_put_out(pair: tuple[FakeMonitor, AttachSocket]) -> None:
    monitor, connection = pair
    for _ in range(AHEAD_PACKETS // BATCH + 1):
        for _ in range(BATCH):
            await monitor.write(2, b"x")
        connection.read_ahead()
    for _ in range(AHEAD_PACKETS // BATCH + 1):
        assert await connection.receive_batch()
    with pytest.raises(trio.ClosedResourceError):
        await connection.receive_batch()


async def test_output_survives_a_monitor_that_left_input_unread(
    pair: tuple[FakeMonitor, AttachSocket],
) -> None:
    monitor, connection = pair
    await connection.send(b"never read")
    await monitor.write(2, b"last words")
    monitor.end()
    assert await connection.receive_batch() == [Packet(STDOUT, b"last words")]
    assert await connection.receive_batch() == []


async def test_input_for_a_monitor_that_has_left_is_refused_in_one_way(
    pair: tuple[FakeMonitor, AttachSocket],
) -> None:
    monitor, connection = pair
    await connection.send(b"never read")
    monitor.end()
    for _ in range(2):  # Linux says "reset" once, then "broken pipe"
        with pytest.raises(BrokenPipeError):
            await connection.send(b"x")


async def test_input_is_cut_into_packets_that_conmon_can_read(pair: tuple[FakeMonitor, AttachSocket]) -> None:
    monitor, connection = pair
    await connection.send(b"a" * INPUT_BYTES + b"b")
    connection.send_eof()
    assert [await monitor.stdin() for _ in range(3)] == [b"a" * INPUT_BYTES, b"b", b""]


async def test_closing_wakes_whoever_waits(
    pair: tuple[FakeMonitor, AttachSocket], nursery: trio.Nursery
) -> None:
    _, connection = pair

    async def waits() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await connection.receive_batch()

    nursery.start_soon(waits)
    await trio.testing.wait_all_tasks_blocked()
    connection.close()
    with pytest.raises(trio.ClosedResourceError):
        await connection.send(b"x")


async def test_a_session_is_connected_when_the_actor_says_so(
    pair: tuple[FakeMonitor, AttachSocket], nursery: trio.Nursery
) -> None:
    session = AttachSession()

    async def act() -> None:
        await trio.testing.wait_all_tasks_blocked()
        session.offer(pair[1])

    nursery.start_soon(act)
    assert await session.connected() is pair[1]


async def test_a_refused_session_never_has_a_connection() -> None:
    session = AttachSession()
    session.refuse()
    assert await session.connected() is None


@pytest.mark.parametrize("first", ["abandon", "offer"])
async def test_an_abandoned_session_leaves_no_connection_open(
    pair: tuple[FakeMonitor, AttachSocket], first: str
) -> None:
    monitor, connection = pair
    session = AttachSession()
    if first == "abandon":
        session.abandon()
        session.offer(connection)
    else:
        session.offer(connection)
        session.abandon()
    assert await monitor.stdin() == b""


def test_the_monitor_is_told_the_size_and_to_reopen_the_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ctl")
    fifo = os.open(tmp_path / "ctl", os.O_RDONLY | os.O_NONBLOCK)
    resize(tmp_path, 24, 80)
    reopen_log(tmp_path)
    assert os.read(fifo, 100) == b"1 24 80\n2 0 0\n"
    os.close(fifo)
    with pytest.raises(Conflict):  # nobody reads it any more
        resize(tmp_path, 24, 80)


def test_without_a_monitor_there_is_nothing_to_resize(tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        resize(tmp_path, 24, 80)
