"""Our stdio against conmon's own, on both runtimes."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import attrs
import pytest
import trio

from daemon.api.loglines import LineRenderer
from daemon.api.pump import Ended, Eof, PumpOptions, pump
from daemon.api.stdcopy import frame
from daemon.runtimes.attach import AttachSocket
from daemon.runtimes.console import reopen_log, resize
from daemon.runtimes.inotify import Inotify
from daemon.runtimes.logformat import STDERR, STDOUT
from daemon.runtimes.logrotation import RotatedLog
from daemon.runtimes.logs import Selection, existing, followed
from tests.runtime.monitors import Monitored, monitored
from tests.unit.stdio.fakes import FakeClient, eventually

pytestmark = pytest.mark.runtime

SECONDS = 60
BOTH = frozenset({STDOUT, STDERR})

Create = Callable[..., AbstractContextManager[Monitored]]


@pytest.fixture(params=["crun", "runc"])
def create(request: pytest.FixtureRequest, tmp_path: Path) -> Create:
    @contextmanager
    def limited(*command: str, **options: bool) -> Generator[Monitored, None, None]:
        bundle = tmp_path / f"stdio-{secrets.token_hex(6)}"
        with monitored(request.param, bundle, *command, **options) as container, trio.fail_after(SECONDS):
            yield container

    return limited


@attrs.frozen
class MonitorEnd:
    """The end of a container's monitor."""

    container: Monitored

    def reached(self) -> bool:
        return self.container.monitor.poll() is not None

    async def wait(self) -> None:
        await eventually(self.reached)


async def attached(container: Monitored, options: PumpOptions) -> tuple[FakeClient, Ended]:
    """Attach, start, and read to the end."""
    client, connection = FakeClient.make(), AttachSocket.connect(container.bundle)
    container.start()
    how = await pump(client, connection, options)
    connection.close()
    return client, how


async def whole_log(container: Monitored, *, framed: bool = True) -> bytes:
    renderer = LineRenderer(BOTH, framed=framed)
    return b"".join(
        [renderer.render(block) async for block in existing(RotatedLog(container.log), Selection())]
    )


async def test_output_comes_by_stream_and_is_in_the_log(create: Create) -> None:
    with create("sh", "-c", "echo out; sleep 0.1; echo err >&2; sleep 0.1; exit 3") as container:
        client, how = await attached(container, PumpOptions())
        assert how is Ended.OUTPUT_ENDED
        assert client.sent == frame(1, b"out\n") + frame(2, b"err\n")
        container.monitor.wait()
        assert await whole_log(container) == client.sent


async def test_ten_megabytes_through_cat_come_back_exactly(create: Create) -> None:
    data = os.urandom(10_000_000)
    with create("cat", stdin=True) as container:
        client, connection = FakeClient.make(), AttachSocket.connect(container.bundle)
        container.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pump, client, connection, PumpOptions(tty=False, stdin=True))
            for start in range(0, len(data), 100_000):
                await client.there.send_all(data[start : start + 100_000])
            await client.there.send_eof()
        connection.close()
        assert hashlib.sha256(payloads(client.sent)).digest() == hashlib.sha256(data).digest()
        container.monitor.wait()
        assert payloads(await whole_log(container)) == data


def payloads(frames: bytes) -> bytes:
    found, position = [], 0
    while position < len(frames):
        size = int.from_bytes(frames[position + 4 : position + 8], "big")
        found.append(frames[position + 8 : position + 8 + size])
        position += 8 + size
    return b"".join(found)


async def test_a_terminal_is_bare_bytes_and_has_the_size_it_was_told(create: Create) -> None:
    with create("sh", "-c", "read x; stty size; printf end", tty=True, stdin=True) as container:
        client, connection = FakeClient.make(), AttachSocket.connect(container.bundle)
        container.start()
        resize(container.bundle, 33, 77)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pump, client, connection, PumpOptions(tty=True, stdin=True))
            await client.there.send_all(b"go\n")
        connection.close()
        assert client.sent == b"go\r\n33 77\r\nend"
        container.monitor.wait()
        assert await whole_log(container, framed=False) == client.sent


async def test_a_follower_sees_what_an_attached_client_sees(create: Create) -> None:
    command = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; head -c 50000 /proc/kallsyms"
    with create("sh", "-c", command) as container:
        renderer, seen = LineRenderer(BOTH, framed=False), [b""]

        async def follow() -> None:
            async for block in followed(
                RotatedLog(container.log), Selection(), MonitorEnd(container), Inotify()
            ):
                seen.append(renderer.render(block))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            client, _ = await attached(container, PumpOptions(tty=True))
        assert b"".join(seen) == client.sent


async def test_a_reader_that_stops_costs_nobody_a_byte(create: Create) -> None:
    with create("sh", "-c", "yes 0123456 | head -c 2000000") as container:
        client, connection = FakeClient.make(), AttachSocket.connect(container.bundle)
        client.reads = trio.Event()
        container.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pump, client, connection, PumpOptions(tty=True))
            await trio.sleep(0.2)
            stalled_bytes = container.log.stat().st_size
            client.reads.set()
        connection.close()
        # What the kernel's and our buffers hold is in the log already, with some 50 bytes before each line.
        assert stalled_bytes < container.log.stat().st_size / 3
        assert client.sent == b"0123456\n" * 250_000


async def test_a_client_that_leaves_lets_the_container_go_on(create: Create) -> None:
    with create("sh", "-c", "read x; echo got $x", stdin=True, leave_open=True) as container:
        client, connection = FakeClient.make(), AttachSocket.connect(container.bundle)
        container.start()
        await client.there.send_eof()
        leaving = PumpOptions(stdin=True, eof=Eof.END_SESSION)
        assert await pump(client, connection, leaving) is Ended.CLIENT_GONE
        connection.close()
        second, connection = FakeClient.make(), AttachSocket.connect(container.bundle)
        await second.there.send_all(b"me\n")
        assert await pump(second, connection, PumpOptions(stdin=True)) is Ended.OUTPUT_ENDED
        connection.close()
        assert second.sent == frame(1, b"got me\n")


async def test_input_that_nobody_reads_does_not_cost_the_last_output(create: Create) -> None:
    with create("sh", "-c", "sleep 0.2; echo bye", stdin=True) as container:
        client, connection = FakeClient.make(), AttachSocket.connect(container.bundle)
        container.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pump, client, connection, PumpOptions(stdin=True))
            await client.there.send_all(b"x" * 2_000_000)
        connection.close()
        assert client.sent == frame(1, b"bye\n")


async def test_a_log_that_is_moved_away_and_reopened_is_followed(create: Create) -> None:
    with create("sh", "-c", "echo first; read x; echo second", stdin=True) as container:
        renderer, seen = LineRenderer(BOTH, framed=False), [b""]

        async def follow() -> None:
            async for block in followed(
                RotatedLog(container.log), Selection(), MonitorEnd(container), Inotify()
            ):
                seen.append(renderer.render(block))

        connection = AttachSocket.connect(container.bundle)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            container.start()
            await eventually(lambda: b"".join(seen) == b"first\n")
            container.log.rename(container.log.with_suffix(".1"))
            reopen_log(container.bundle)
            await eventually(container.log.exists)
            await connection.send(b"go\n")
        connection.close()
        assert b"".join(seen) == b"first\nsecond\n"
