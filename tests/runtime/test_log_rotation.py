"""Several files of one log: conmon replaces them, the host names them, and nothing is lost while it looks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs
import pytest
import trio

from daemon.actors.container.logs import log_of
from daemon.api.loglines import LineRenderer
from daemon.model import LogConfig
from daemon.runtimes.logformat import STDOUT
from daemon.runtimes.logrotation import RotatedLog
from daemon.runtimes.logs import Selection, existing
from tests.runtime.hosts import REAL_SECONDS, RealRig, Started, discarded, started

pytestmark = pytest.mark.runtime

SIZE_BYTES: Final = 5000
FILES: Final = 3
LOG_CONFIG: Final = LogConfig("json-file", {"max-size": str(SIZE_BYTES), "max-file": str(FILES)})
BATCH: Final = 50  # lines; two batches do not fit a file
ASKED: Final = "while read n; do seq $n $((n + 49)); done"
NAMES: Final = ["output.log", "output.log.1", "output.log.2"]


@attrs.frozen
class Writer:
    """A container that writes a batch of lines when it is asked to."""

    container: Started
    log: RotatedLog

    async def write(self, first: int) -> None:
        await self.container.stdio.send(b"%d\n" % first)
        last = b"%d\n" % (first + BATCH - 1)
        while not self.log.path.read_bytes().endswith(last):
            await trio.lowlevel.checkpoint()

    async def settled(self) -> None:
        while self.log.due:
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def writer(real: RealRig) -> AsyncGenerator[Writer, None]:
    record = real.record("sh", "-c", ASKED, open_stdin=True, log_config=LOG_CONFIG)
    log = log_of(record)
    assert log is not None
    async with started(real, record) as container:
        yield Writer(container, log)


async def lines(log: RotatedLog, tail: int | None = None) -> list[int]:
    blocks = b"".join([block async for block in existing(log, Selection(tail=tail))])
    return [int(text) for text in LineRenderer(frozenset({STDOUT}), framed=False).render(blocks).split()]


def sizes_bytes(log: RotatedLog) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(log.path.parent.glob("output.log*"))}


async def test_what_the_files_hold_is_what_was_written_last_without_a_gap(
    real: RealRig, nursery: trio.Nursery
) -> None:
    async with writer(real) as writing:
        nursery.start_soon(real.host.keep_log, writing.container.record)
        for first in range(1, 1000, BATCH):
            await writing.write(first)
            await writing.settled()
        kept = await lines(writing.log)
        assert kept == list(range(1001 - len(kept), 1001))
        assert len(kept) > 2 * BATCH
        assert await lines(writing.log, tail=2 * BATCH + 1) == kept[-2 * BATCH - 1 :]
        assert list(sizes_bytes(writing.log)) == NAMES
        assert max(sizes_bytes(writing.log).values()) <= SIZE_BYTES
        nursery.cancel_scope.cancel()


async def test_what_was_replaced_while_no_engine_looked_is_put_in_order_by_the_next(
    real: RealRig, nursery: trio.Nursery
) -> None:
    async with writer(real) as writing:
        for first in range(1, 1000, BATCH):
            await writing.write(first)
        found = await lines(writing.log)
        assert found == sorted(set(found))
        assert (found[0], found[-1]) == (1, 1000)  # the file that was current, and the one that is
        nursery.start_soon(real.host.keep_log, writing.container.record)
        await writing.settled()
        assert list(sizes_bytes(writing.log)) == NAMES[:2]
        assert await lines(writing.log) == found
        for first in range(1001, 1300, BATCH):
            await writing.write(first)
            await writing.settled()
        kept = await lines(writing.log)
        assert kept == list(range(1301 - len(kept), 1301))
        nursery.cancel_scope.cancel()


async def test_a_storm_leaves_no_more_files_than_asked_for_and_the_last_lines(
    real: RealRig, nursery: trio.Nursery
) -> None:
    # Lines of eight bytes: no buffer ends within one, so none is in two pieces of which one might be lost.
    record = real.record("seq", "1000000", "1049999", log_config=LOG_CONFIG)
    log = log_of(record)
    assert log is not None
    async with started(real, record) as container:
        nursery.start_soon(real.host.keep_log, record)
        await container.output()
        await container.wait()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await real.host.clean_up(record, container.run)
            assert not log.due
            kept, current = await lines(log), await lines(RotatedLog(log.path))
        sizes = sizes_bytes(log)
    assert kept == sorted(set(kept))
    assert kept[-len(current) :] == current == list(range(1_050_000 - len(current), 1_050_000))
    assert set(sizes) <= set(NAMES)
    assert sum(sizes.values()) <= FILES * SIZE_BYTES


async def test_a_full_log_becomes_an_old_file_when_its_container_starts_again(real: RealRig) -> None:
    record = real.record("seq", "1", "95", log_config=LOG_CONFIG)  # 4.5 kB
    log, counts = log_of(record), []
    assert log is not None
    with trio.fail_after(REAL_SECONDS):
        try:
            for _ in range(7):
                run, _ = await real.host.create(record)
                await real.host.start(record, run)
                await real.host.wait(record, run)
                await real.host.clean_up(record, run)
                counts.append(len(await lines(log)) // 95)
        finally:
            await discarded(real, record)
    assert counts == [1, 2, 3, 4, 5, 6, 5]
    assert not Path(record.log_path).parent.exists()
