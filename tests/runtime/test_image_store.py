"""Images brought in and taken out by the actor and its real children; needs root."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import attrs
import orjson
import pytest
import trio
import zstandard

from daemon.actors.image_actor import ImagesActor
from daemon.actors.image_commands import Delete, Import, Load
from daemon.actors.images import Images
from daemon.archives.sandbox import Extracted
from daemon.archives.supply import Archived
from daemon.errors import InvalidParameter
from daemon.graphdrivers.overlay import OverlayDriver
from daemon.images import digests, importing, references
from daemon.images.blobs import BlobStore
from daemon.images.changes import apply_changes
from daemon.images.content import Content
from daemon.images.platforms import Platform
from daemon.images.saving import Saved
from daemon.images.spool import fill, take_apart
from daemon.model import Config
from tests.unit.fakes import FakeLedger
from tests.unit.graphdrivers.fakes import opened
from tests.unit.images import tars
from tests.unit.images.tars import member, tar

pytestmark = pytest.mark.runtime
BASE = tar(member("bin", tarfile.DIRTYPE), (member("bin/tool", mode=0o755), b"tool"))
TOP = tar((member("etc/name"), b"top"), member("bin/.wh.tool"))


@attrs.define(eq=False)
class Store:
    """A running actor over an empty data root."""

    root: Path
    images: Images
    ledger: FakeLedger

    async def load(self, archive: bytes) -> tuple[str, ...]:
        spool = self.images.new_spool()
        try:
            parts = await take_apart(spool, _pieces(archive))
            return await self.images.mailbox.ask(Load(spool, parts))
        finally:
            spool.discard_unclaimed()

    async def save(self, reference: str) -> bytes:
        image = self.images.resolve(reference)
        return b"".join([chunk async for chunk in self.images.save([Saved(image.record, image.tags)])])

    def left(self) -> list[str]:
        """Return every file and directory of content there is, but for what waits to be deleted."""
        found = [
            *(self.root / "blobs" / "sha256").iterdir(),
            *(self.root / "blobs" / "tmp").iterdir(),
            *(path for path in (self.root / "overlay" / "index").iterdir() if not path.suffix),
            *(self.root / "tmp").iterdir(),
        ]
        return sorted(str(path.relative_to(self.root)) for path in found)


async def _pieces(archive: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(archive), 1 << 16):
        yield archive[start : start + (1 << 16)]


@pytest.fixture
async def store(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Store]:
    content = Content(BlobStore(tmp_path / "blobs"), await opened(OverlayDriver(tmp_path / "overlay")))
    images, ledger = Images(content, lambda _: (), tmp_path / "tmp"), FakeLedger()
    await images.recover(ledger)
    await nursery.start(ImagesActor(images, ledger).run)
    yield Store(tmp_path, images, ledger)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, zstandard.ZstdCompressor().compress], ids=["plain", "gzip", "zstd"]
)
async def test_a_docker_archive_is_loaded(store: Store, compress: Callable[[bytes], bytes]) -> None:
    archive = tars.docker_archive([BASE, TOP], ["box:1", "me/box:2"])
    assert await store.load(compress(archive)) == ("Loaded image: box:1", "Loaded image: me/box:2")
    image = store.images.resolve("box:1")
    assert image.id == digests.of(tars.config_of([BASE, TOP]))
    assert image.size_bytes == len(b"tool") + len(b"top")
    layers = [store.root / "overlay/layers" / chain.removeprefix("sha256:") for chain in image.chain_ids]
    assert [(layer / "etc/name").exists() for layer in layers] == [False, True]
    assert list((store.root / "tmp").iterdir()) == []


async def test_a_broken_archive_is_given_up_before_all_of_it_is_there(store: Store) -> None:
    """It is taken apart while it arrives: what is sent is never on disk as a whole."""
    asked_for = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal asked_for
        while True:
            await trio.lowlevel.checkpoint()
            asked_for += 1
            yield b"x" * 65536

    spool = store.images.new_spool()
    async with aclosing(endless()) as pieces:
        with pytest.raises(InvalidParameter, match="invalid archive: "):
            await take_apart(spool, pieces)
    assert asked_for
    spool.discard_unclaimed()
    assert list(store.images.spool_directory.iterdir()) == []


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
async def test_a_layout_is_loaded_and_its_blobs_kept_as_they_came(
    store: Store, compress: Callable[[bytes], bytes]
) -> None:
    blob = compress(BASE)
    archive = tars.layout([BASE], [blob], io_containerd_image_name="quay.io/box:3")
    assert await store.load(archive) == ("Loaded image: quay.io/box:3",)
    (layer,) = store.images.resolve("quay.io/box:3").record.layers
    assert (layer.diff_id, layer.blob, layer.size_bytes) == (digests.of(BASE), digests.of(blob), len(blob))
    assert store.images.content.blobs.path(layer.blob).read_bytes() == blob


async def test_an_image_without_a_name_is_loaded_by_its_id(store: Store) -> None:
    (line,) = await store.load(tars.docker_archive([BASE], []))
    assert line == f"Loaded image ID: {next(iter(store.images)).id}"


async def test_layers_that_are_links_to_other_layers_are_followed(store: Store) -> None:
    manifest = orjson.dumps([{"Config": "c", "RepoTags": ["box"], "Layers": ["a/layer.tar", "b/layer.tar"]}])
    archive = tar(
        (member("manifest.json"), manifest),
        (member("c"), tars.config_of([BASE, BASE])),
        (member("./a/layer.tar"), BASE),
        member("b/layer.tar", tarfile.SYMTYPE, linkname="../a/layer.tar"),
    )
    assert await store.load(archive) == ("Loaded image: box:latest",)
    image = store.images.resolve("box")
    assert len(set(image.chain_ids)) == 2
    assert len({layer.blob for layer in image.record.layers}) == 1


async def test_what_was_saved_loads_as_the_same_image(store: Store) -> None:
    await store.load(tars.layout([BASE, TOP], [gzip.compress(BASE), TOP], io_containerd_image_name="box:1"))
    before, left = store.images.resolve("box:1"), store.left()
    saved = await store.save("box:1")
    await store.images.mailbox.ask(Delete("box:1"))
    assert store.left() == []
    assert await store.load(saved) == ("Loaded image: box:1",)
    after = store.images.resolve("box:1")
    assert after.record.layers == before.record.layers
    assert after.id == before.id
    assert store.left() == left


async def test_a_saved_tar_is_an_archive_and_a_layout(store: Store) -> None:
    await store.load(tars.docker_archive([BASE], ["box:1"]))
    with tarfile.open(fileobj=io.BytesIO(await store.save("box:1"))) as saved:
        names = saved.getnames()
        index = saved.extractfile("index.json")
        assert index is not None
        (entry,) = orjson.loads(index.read())["manifests"]
    assert {"manifest.json", "oci-layout", "blobs/sha256"} <= set(names)
    assert entry["annotations"]["io.containerd.image.name"] == "docker.io/library/box:1"
    assert f"blobs/sha256/{digests.hex_of(entry['digest'])}" in names


async def test_an_image_deleted_while_it_is_saved_is_saved_whole(store: Store) -> None:
    await store.load(tars.docker_archive([BASE], ["box:1"]))
    image = store.images.resolve("box:1")
    whole = await store.save("box:1")
    stream = store.images.save([Saved(image.record, image.tags)])
    first = await anext(stream)
    await store.images.mailbox.ask(Delete("box:1"))
    rest = b"".join([chunk async for chunk in stream])
    assert first + rest == whole
    assert store.left() == []


async def test_two_loads_of_one_image_at_once_are_one_image(store: Store) -> None:
    archive = tars.docker_archive([BASE, TOP], ["box:1"])
    said: list[tuple[str, ...]] = []

    async def load() -> None:
        said.append(await store.load(archive))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(load)
    assert said == [("Loaded image: box:1",)] * 3
    await store.images.mailbox.ask(Delete("box:1"))
    assert store.left() == []


async def test_a_layer_that_has_vanished_is_brought_back_by_loading_the_image_again(store: Store) -> None:
    archive = tars.docker_archive([BASE, TOP])
    await store.load(archive)
    whole = store.left()
    record = store.images.resolve("box:1").record
    store.images.content.layers.discard(record.chain_ids[0])
    store.images.content.blobs.discard(record.layers[1].blob)
    await store.load(archive)
    assert store.left() == whole


async def test_names_that_are_no_text_are_no_trouble(store: Store) -> None:
    manifest = orjson.dumps([{"Config": "c", "RepoTags": ["box"], "Layers": []}])
    odd = os.fsdecode(b"caf\xe9")
    archive = tar((member(odd), b"x"), (member("manifest.json"), manifest), (member("c"), tars.config_of([])))
    assert await store.load(archive) == ("Loaded image: box:latest",)


BROKEN: dict[str, bytes] = {
    "no tar": b"x" * 5000,
    "empty": b"",
    "cut off": tars.docker_archive([BASE, TOP])[:-11000],
    "cut off gzip": gzip.compress(tars.docker_archive([BASE, TOP]))[:-100],
    "a diff ID that is not the layer's": tars.docker_archive([TOP], config=tars.config_of([BASE])),
    "a second layer that is no tar": tars.docker_archive([BASE, b"x" * 1024]),
    "a hostile second layer": tars.docker_archive([BASE, tar((member("../../x"), b"pwned"))]),
    "a config that is no JSON": tars.docker_archive([BASE], config=b"{"),
    "no manifest": tars.files({"x": b""}),
    "too many members": member("d", tarfile.DIRTYPE).tobuf() * 66000,
    "a sparse bomb": tar(
        member(
            "x",
            pax_headers={"GNU.sparse.map": "0,0", "GNU.sparse.size": "99999999999999"},
        )
    ),
}


@pytest.mark.parametrize("archive", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_archive_is_refused_and_leaves_nothing(store: Store, archive: bytes) -> None:
    with pytest.raises(InvalidParameter):
        await store.load(archive)
    assert store.left() == []
    assert store.ledger.history == []


async def test_a_broken_archive_takes_nothing_from_the_images_there_are(store: Store) -> None:
    await store.load(tars.docker_archive([BASE], ["box:1"]))
    left = store.left()
    with pytest.raises(InvalidParameter, match="invalid diffID for layer 1"):
        await store.load(tars.docker_archive([BASE, TOP], config=tars.config_of([BASE, BASE])))
    assert store.left() == left


async def test_a_tar_is_imported_as_one_layer(store: Store) -> None:
    config = apply_changes(Config(), ["CMD /bin/tool", "ENV A=1"])
    spool = store.images.new_spool()
    await fill(spool, _pieces(gzip.compress(BASE)))
    elsewhere = Platform("linux", "arm", "v7")
    description = importing.Import(config, "by hand", 1_700_000_000_000_000_000, elsewhere)
    image_id = await store.images.mailbox.ask(Import(spool, description, references.parse("new:1")))
    image = store.images.resolve("new:1")
    assert image.id == image_id
    assert image.config == config
    assert image.document.diff_ids == (digests.of(BASE),)
    assert image.document.comment == "by hand"
    assert image.platform == elsewhere
    assert store.ledger.actions == ["tag", "import"]
    assert await store.load(await store.save("new:1")) == ("Loaded image: new:1",)
    assert image.id == store.images.resolve("new:1").id


async def test_an_import_that_fails_leaves_nothing(store: Store) -> None:
    spool = store.images.new_spool()
    await fill(spool, _pieces(b"x" * 2000))
    with pytest.raises(InvalidParameter):
        await store.images.mailbox.ask(Import(spool, importing.Import(Config(), "", 0)))
    assert store.left() == []


@attrs.define(eq=False)
class NoticingDriver(OverlayDriver):
    """Tells when the first layer is about to be unpacked."""

    begun: trio.Event = attrs.field(factory=trio.Event)

    async def apply_diff(self, layer_id: str, parent: str, blob: Archived) -> Extracted:
        self.begun.set()
        return await super().apply_diff(layer_id, parent, blob)


async def test_a_load_that_is_cut_off_by_the_engines_end_leaves_nothing(tmp_path: Path) -> None:
    driver = NoticingDriver(tmp_path / "overlay")
    layers = await opened(driver)
    images = Images(Content(BlobStore(tmp_path / "blobs"), layers), lambda _: (), tmp_path / "tmp")
    ledger = FakeLedger()
    await images.recover(ledger)
    store = Store(tmp_path, images, ledger)
    async with trio.open_nursery() as nursery:
        await nursery.start(ImagesActor(images, ledger).run)
        nursery.start_soon(store.load, tars.docker_archive([BASE, TOP]))
        await driver.begun.wait()
        nursery.cancel_scope.cancel()
    assert ledger.history == []
    assert store.left() == []
    await (await opened(driver)).sweep()
    assert list((tmp_path / "overlay" / "layers").iterdir()) == []


async def test_a_client_that_leaves_in_the_middle_of_a_save_holds_nothing(store: Store) -> None:
    await store.load(tars.docker_archive([BASE], ["box:1"]))
    image = store.images.resolve("box:1")
    stream = store.images.save([Saved(image.record, image.tags)])
    await anext(stream)
    await stream.aclose()
    await store.images.mailbox.ask(Delete("box:1"))
    assert store.left() == []
