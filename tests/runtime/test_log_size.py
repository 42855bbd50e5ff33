"""conmon's own idea of a log's maximum size, which ours rests on, and a reader beside it."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
import trio

from daemon.api.loglines import LineRenderer
from daemon.runtimes.inotify import Inotify
from daemon.runtimes.logformat import STDOUT
from daemon.runtimes.logrotation import RotatedLog
from daemon.runtimes.logs import Selection, existing, followed
from tests.runtime.monitors import Monitored, monitored
from tests.runtime.test_attach import MonitorEnd

pytestmark = pytest.mark.runtime

SECONDS = 60
LINES = 3000
LONGEST_RECORD_BYTES = 8192 + 46


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tmp_path / f"logs-{secrets.token_hex(6)}"


async def numbers(container: Monitored) -> list[int]:
    blocks = b"".join([block async for block in existing(RotatedLog(container.log), Selection())])
    return [int(text) for text in _texts(blocks)]


def _texts(blocks: bytes) -> list[bytes]:
    return LineRenderer(frozenset({STDOUT}), framed=False).render(blocks).splitlines()


@pytest.mark.parametrize("runtime", ["crun", "runc"])
@pytest.mark.parametrize("size_bytes", [1, 50, 5000, 100_000])
async def test_a_log_is_never_larger_and_ends_with_what_was_written_last(
    runtime: str, size_bytes: int, bundle: Path
) -> None:
    largest_bytes = 0
    with monitored(runtime, bundle, "seq", str(LINES), log_size_max_bytes=size_bytes) as container:
        container.start()
        with trio.fail_after(SECONDS):
            while container.monitor.poll() is None:
                largest_bytes = max(largest_bytes, container.log.stat().st_size)
                await trio.lowlevel.checkpoint()
        kept = await numbers(container)
        assert max(largest_bytes, container.log.stat().st_size) <= max(size_bytes, LONGEST_RECORD_BYTES)
    assert kept == list(range(LINES - len(kept) + 1, LINES + 1))
    assert kept


async def test_a_line_larger_than_the_log_leaves_its_last_piece(bundle: Path) -> None:
    script = "head -c 50000 /dev/zero; echo end"
    with monitored("crun", bundle, "sh", "-c", script, log_size_max_bytes=100) as container:
        container.start()
        with trio.fail_after(SECONDS):
            await MonitorEnd(container).wait()
        assert container.log.stat().st_size <= LONGEST_RECORD_BYTES
        assert container.log.read_bytes().endswith(b"end\n")


async def test_a_follower_of_a_storm_gets_lines_once_in_order_and_the_last_ones(bundle: Path) -> None:
    # Lines of eight bytes: no buffer ends within one, so none is in two pieces of which one might be lost.
    first, last = "1000000", "1099999"
    read = b""
    with monitored("crun", bundle, "seq", first, last, log_size_max_bytes=2000) as container:
        following = followed(RotatedLog(container.log), Selection(), MonitorEnd(container), Inotify())
        container.start()
        with trio.fail_after(SECONDS):
            async for block in following:
                read += block
        kept = await numbers(container)
    got = [int(text) for text in _texts(read)]
    assert got == sorted(set(got))
    assert got[-len(kept) :] == kept
