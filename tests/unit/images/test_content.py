from __future__ import annotations

from pathlib import Path

import pytest
import structlog.testing

from daemon.images import digests
from daemon.images.blobs import BlobStore
from daemon.images.content import Content
from tests.unit.graphdrivers.fakes import fake_layers, put_layers
from tests.unit.images import tars


@pytest.fixture
async def content(tmp_path: Path) -> Content:
    made = Content(BlobStore(tmp_path / "blobs"), await fake_layers(tmp_path / "graph"))
    made.blobs.open()
    return made


async def put_layer(content: Content, chain_id: str) -> None:
    await put_layers(content.layers, [chain_id])


async def test_what_a_lease_brought_is_gone_with_it(content: Content) -> None:
    chain_id = digests.of(b"chain")
    with content.lease() as lease:
        lease.blob(digests.of(b"x"))
        lease.layer(chain_id)
        digest = content.blobs.add(b"x")
        await put_layer(content, chain_id)
        assert digest in content.blobs
        assert chain_id in content.layers
    assert digest not in content.blobs
    assert chain_id not in content.layers
    assert content.discarded.is_set()


async def test_what_is_thrown_away_lies_in_the_trash(content: Content) -> None:
    directory = content.blobs.root / "tmp" / "upload"
    directory.mkdir()
    content.throw_away(directory)
    content.throw_away(directory)
    assert (directory.exists(), len(list(content.blobs.trash.iterdir()))) == (False, 1)
    assert content.discarded.is_set()


async def test_what_a_disk_does_not_let_go_of_is_only_logged(content: Content) -> None:
    with structlog.testing.capture_logs() as logged:
        content.throw_away(Path("/proc/self/status"))  # cannot be moved to the trash
    assert [entry["log_level"] for entry in logged] == ["warning"]


async def test_what_a_recorded_image_needs_outlives_the_lease(content: Content) -> None:
    record = tars.brought("a").record
    with content.lease() as lease:
        lease.record(record)
        await put_layer(content, record.chain_ids[0])
        content.keep(record)
    assert record.chain_ids[0] in content.layers
    content.forget(record)
    assert record.chain_ids[0] not in content.layers


async def test_a_deleted_image_stays_whole_while_a_lease_needs_it(content: Content) -> None:
    record = tars.brought("a").record
    content.keep(record)
    await put_layer(content, record.chain_ids[0])
    with content.lease() as lease:
        lease.record(record)
        content.forget(record)
        assert record.chain_ids[0] in content.layers
    assert record.chain_ids[0] not in content.layers


async def test_start_up_discards_what_nobody_needs(content: Content) -> None:
    kept, lost = content.blobs.add(b"kept"), content.blobs.add(b"lost")
    await put_layer(content, digests.of(b"lost"))
    (content.blobs.root / "tmp" / "half").mkdir()
    content.need((kept,), ())
    content.keep_only_needed()
    assert kept in content.blobs
    assert lost not in content.blobs
    assert digests.of(b"lost") not in content.layers
    assert not list((content.blobs.root / "tmp").iterdir())
