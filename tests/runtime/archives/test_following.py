"""Archives that arrive while they are unpacked; needs root for chroot."""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from daemon.archives import sandbox
from daemon.archives.growing import Growing
from daemon.archives.sandbox import Extracted
from daemon.archives.supply import Known
from daemon.errors import Failed, InvalidParameter
from daemon.images import digests
from tests.unit.images.tars import member, tar

pytestmark = pytest.mark.runtime
CONTENT = os.urandom(300_000)
LAYER = tar((member("a/file"), CONTENT))


@pytest.fixture
def blob(tmp_path: Path) -> Growing:
    path = tmp_path / "blob"
    path.touch()
    return Growing(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


async def download(growing: Growing, content: bytes, step: int) -> None:
    """Write `content` in steps, each told only when the child has had time to want it."""
    with growing.path.open("ab", buffering=0) as file:
        for start in range(0, len(content), step):
            file.write(content[start : start + step])
            growing.grown(file.tell())
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("step", [1000, 65536, 1 << 20])
async def test_a_blob_is_followed_to_its_end(
    blob: Growing, root: Path, compress: Callable[[bytes], bytes], step: int
) -> None:
    async def finish() -> None:
        await download(blob, compress(LAYER), step)
        blob.complete()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(finish)
        extracted = await sandbox.extract(blob, root)
    assert extracted == Extracted(digests.of(LAYER), len(CONTENT))
    assert (root / "a/file").read_bytes() == CONTENT


async def test_what_is_complete_already_is_read_at_once(blob: Growing, root: Path) -> None:
    await download(blob, LAYER, 1 << 20)
    blob.complete()
    assert (await sandbox.extract(blob, root)).diff_id == digests.of(LAYER)


async def test_more_than_was_told_is_not_read(blob: Growing, root: Path) -> None:
    await download(blob, LAYER, 1 << 20)
    with blob.path.open("ab") as file:
        file.write(b"what a later attempt overwrites")
    blob.complete()
    assert (await sandbox.extract(blob, root)).diff_id == digests.of(LAYER)


async def test_the_end_of_what_is_there_is_not_the_end(blob: Growing, root: Path) -> None:
    await download(blob, LAYER, 1 << 20)
    with trio.move_on_after(0.5) as scope:
        await sandbox.extract(blob, root)
    assert scope.cancelled_caught


async def test_a_download_that_breaks_off_says_why(blob: Growing, root: Path) -> None:
    async def fail() -> None:
        await download(blob, LAYER[: len(LAYER) // 2], 65536)
        blob.broken(Failed("connection reset by registry"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        with pytest.raises(Failed, match="connection reset by registry"):
            await sandbox.extract(blob, root)


async def test_a_blob_that_ends_too_early_is_refused(blob: Growing, root: Path) -> None:
    await download(blob, LAYER[: len(LAYER) // 2], 1 << 20)
    blob.complete()
    with pytest.raises(InvalidParameter, match="unexpected end"):
        await sandbox.extract(blob, root)


async def test_a_blob_that_is_shorter_than_was_told_is_refused(blob: Growing, root: Path) -> None:
    await download(blob, LAYER, 1 << 20)
    blob.grown(len(LAYER) + 1)
    blob.complete()
    with pytest.raises(InvalidParameter, match="shorter than what was downloaded"):
        await sandbox.extract(blob, root)


async def sent(content: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65536):
        yield content[start : start + 65536]
        await trio.lowlevel.checkpoint()
    if error:
        raise error


async def test_what_a_client_sends_is_unpacked_as_it_comes(root: Path) -> None:
    extracted = await sandbox.extract(sent(gzip.compress(LAYER)), root)
    assert extracted.diff_id == digests.of(LAYER)


async def test_a_client_that_leaves_takes_the_child_along(root: Path) -> None:
    with pytest.raises(ConnectionError, match="gone"):
        await sandbox.extract(sent(LAYER[:100_000], ConnectionError("gone")), root)


async def test_a_child_that_gives_up_does_not_wait_for_the_rest(root: Path) -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"no tar" * 10000
            await trio.lowlevel.checkpoint()

    async with aclosing(endless()) as chunks:
        with trio.fail_after(60), pytest.raises(InvalidParameter, match="invalid archive"):
            await sandbox.extract(chunks, root)


async def test_the_digest_of_a_plain_tar_is_believed(root: Path, tmp_path: Path) -> None:
    plain, compressed = tmp_path / "plain", tmp_path / "compressed"
    plain.write_bytes(LAYER)
    compressed.write_bytes(gzip.compress(LAYER))
    assert await sandbox.diff_id_of(Known(plain, "sha256:known")) == "sha256:known"
    assert await sandbox.diff_id_of(Known(compressed, "sha256:known")) == digests.of(LAYER)
    assert (await sandbox.extract(Known(plain, "sha256:known"), root)).diff_id == "sha256:known"
