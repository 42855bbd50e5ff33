"""Pushes of images whose layers are kept plain: what the registry gets, and what is remembered of it."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from daemon.actors.image_commands import Tag
from daemon.actors.image_pushes import PushWish
from daemon.actors.image_transfers import Push
from daemon.actors.images import Images
from daemon.errors import Failed
from daemon.images import digests, documents, references
from daemon.images.content import Content
from daemon.images.progress import WAITING, Watch
from daemon.images.registry.credentials import ANONYMOUS
from daemon.images.registry.errors import AccessDenied
from tests.registries.fake import FakeRepository
from tests.unit.images.pulling.fakes import Made, layer, make_image
from tests.unit.images.pulling.world import NAME, World, make_world, text

LOW, HIGH = layer(b"low" * 1000), layer(b"high" * 1_000_000)
MINE, YOURS, ELSEWHERE = "localhost:5000/mine", "localhost:5000/yours", "elsewhere:5000/copy"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(tmp_path) as world:
        yield world


async def kept_plain(world: World, *names: str, tag: str = "1", low: bytes = LOW) -> Made:
    """Have an image whose layers came as plain tars, and give it more names."""
    made = make_image(world.box, low, HIGH, tag=tag, level=None, layer_type=documents.OCI_LAYER)
    await world.pull(f"{NAME}:{tag}")
    for name in names:
        await world.images.mailbox.ask(Tag(f"{NAME}:{tag}", references.parse(name)))
    return made


def layers_of(repository: FakeRepository, tag: str) -> list[dict[str, Any]]:
    """Return what the manifest says of the layers."""
    return list(orjson.loads(repository.manifests[tag].raw)["layers"])


def uploads(repository: FakeRepository) -> list[str]:
    return [line for line in repository.asked if line.startswith("upload")]


async def test_plain_layers_arrive_packed_and_the_manifest_says_so(world: World) -> None:
    made = await kept_plain(world, f"{ELSEWHERE}:2")
    await world.push(f"{ELSEWHERE}:2")
    there = world.registries.repositories[ELSEWHERE]
    layers = layers_of(there, "2")
    assert [gzip.decompress(there.blobs[one["digest"]]) for one in layers] == [LOW, HIGH]
    assert [one["size"] for one in layers] == [len(there.blobs[one["digest"]]) for one in layers]
    assert {one["mediaType"] for one in layers} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    assert set(there.blobs) == {made.id, *(one["digest"] for one in layers)}
    assert orjson.loads(there.manifests["2"].raw)["config"]["digest"] == made.id


async def test_what_is_said_and_known_of_it_is_what_the_registry_has(world: World) -> None:
    made = await kept_plain(world, f"{ELSEWHERE}:2")
    said = await world.push(f"{ELSEWHERE}:2")
    there = world.registries.repositories[ELSEWHERE].manifests["2"]
    assert there.digest != made.manifest.digest
    assert said[-1].aux == {"Tag": "2", "Digest": there.digest, "Size": len(there.raw)}
    assert text(said[-2]) == f"2: digest: {there.digest} size: {len(there.raw)}"
    known = world.images.resolve(made.id)
    assert known.repo_digests == (f"{NAME}@{made.manifest.digest}", f"{ELSEWHERE}@{there.digest}")
    assert known.record.manifest == made.manifest.digest
    short = digests.short(digests.of(HIGH))
    states = dict.fromkeys(message.state.status for message in said if message.id == short)
    assert [state for state in states if state != WAITING] == ["Preparing", "Pushing", "Pushed"]


async def test_what_was_pushed_packed_is_the_image_it_was_when_it_is_pulled(world: World) -> None:
    made = await kept_plain(world, f"{ELSEWHERE}:2")
    await world.push(f"{ELSEWHERE}:2")
    digest = world.registries.repositories[ELSEWHERE].manifests["2"].digest
    assert f"Status: Image is up to date for {ELSEWHERE}:2" in await world.pull(f"{ELSEWHERE}:2")
    assert world.images.resolve(f"{ELSEWHERE}@{digest}").id == made.id


async def test_another_push_to_the_same_place_packs_and_sends_nothing(world: World) -> None:
    await kept_plain(world, f"{ELSEWHERE}:2", f"{ELSEWHERE}:3")
    await world.push(f"{ELSEWHERE}:2")
    there = world.registries.repositories[ELSEWHERE]
    there.asked.clear()
    said = [text(message) for message in await world.push(f"{ELSEWHERE}:3")]
    assert uploads(there) == []
    assert f"{digests.short(digests.of(LOW))}: Layer already exists" in said
    assert there.manifests["2"] == there.manifests["3"]


async def test_all_tags_at_once_send_each_layer_once(world: World) -> None:
    await kept_plain(world, f"{ELSEWHERE}:2", f"{ELSEWHERE}:3")
    await world.push(ELSEWHERE)
    there = world.registries.repositories[ELSEWHERE]
    assert len(uploads(there)) == 3  # two layers, and the config
    assert there.manifests["2"] == there.manifests["3"]


async def test_another_repository_of_the_registry_has_it_mounted(world: World) -> None:
    await kept_plain(world, f"{MINE}:1", f"{YOURS}:1")
    await world.push(f"{MINE}:1")
    mine, yours = world.registries.repositories[MINE], world.registries.add(YOURS)
    yours.mountable = {(digest, "mine"): blob for digest, blob in mine.blobs.items()}
    said = [text(message) for message in await world.push(f"{YOURS}:1")]
    assert uploads(yours) == []
    assert f"{digests.short(digests.of(LOW))}: Mounted from mine" in said
    assert mine.manifests["1"] == yours.manifests["1"]


async def test_another_image_with_the_layer_profits(world: World) -> None:
    """Even where the layer stands on another one, and so is another to the layer store."""
    await kept_plain(world, f"{ELSEWHERE}:2")
    await world.push(f"{ELSEWHERE}:2")
    there = world.registries.repositories[ELSEWHERE]
    there.asked.clear()
    await kept_plain(world, f"{ELSEWHERE}:other", tag="other", low=layer(b"other"))
    await world.push(f"{ELSEWHERE}:other")
    assert len(uploads(there)) == 2  # the other layer, and the config
    assert layers_of(there, "2")[1] == layers_of(there, "other")[1]


async def test_another_registry_gets_it_packed_again_to_the_same_bytes(world: World) -> None:
    await kept_plain(world, f"{ELSEWHERE}:2", f"{MINE}:1")
    await world.push(f"{ELSEWHERE}:2")
    commits = len(world.ledger.history)
    await world.push(f"{MINE}:1")
    one, other = (world.registries.repositories[name] for name in (ELSEWHERE, MINE))
    assert layers_of(one, "2") == layers_of(other, "1")
    assert len(world.ledger.history) == commits + 1  # the push itself


async def test_a_restart_remembers(world: World, tmp_path: Path) -> None:
    await kept_plain(world, f"{ELSEWHERE}:2")
    await world.push(f"{ELSEWHERE}:2")
    content = Content(world.blobs, world.layers)
    images = Images(content, lambda _: (), tmp_path / "spool")
    await images.recover(world.ledger)
    known = [images.catalog.current.packed(digests.of(tar)) for tar in (LOW, HIGH)]
    layers = layers_of(world.registries.repositories[ELSEWHERE], "2")
    assert [(one.digest, one.size_bytes) for one in known if one] == [
        (one["digest"], one["size"]) for one in layers
    ]


async def test_what_has_arrived_is_remembered_if_the_rest_is_refused(world: World) -> None:
    await kept_plain(world, f"{ELSEWHERE}:2")
    there = world.registries.add(ELSEWHERE)
    there.refusals["put_manifest"] = AccessDenied("denied: access forbidden", "DENIED")
    with pytest.raises(AccessDenied):
        await world.push(f"{ELSEWHERE}:2")
    there.refusals.clear()
    there.asked.clear()
    await world.push(f"{ELSEWHERE}:2")
    assert uploads(there) == []


async def test_a_registry_that_has_a_layer_plain_keeps_it_so(world: World) -> None:
    made = await kept_plain(world, f"{ELSEWHERE}:2")
    await world.push(f"{ELSEWHERE}:2")
    said = [text(message) for message in await world.push(f"{NAME}:1")]
    assert uploads(world.box) == []
    assert world.box.manifests["1"] == made.manifest
    assert f"{digests.short(digests.of(LOW))}: Layer already exists" in said


async def test_layers_that_came_packed_stay_as_they_came(world: World) -> None:
    made = make_image(world.box, LOW, HIGH, tag="1", level=9)
    await world.pull()
    await world.images.mailbox.ask(Tag(f"{NAME}:1", references.parse(f"{ELSEWHERE}:2")))
    await world.push(f"{ELSEWHERE}:2")
    assert world.registries.repositories[ELSEWHERE].manifests["2"] == made.manifest


async def test_a_layer_that_was_damaged_on_the_disk_is_not_pushed(world: World) -> None:
    made = await kept_plain(world, f"{ELSEWHERE}:2")
    world.blobs.path(made.digests[1]).write_bytes(HIGH[:-1] + b"!")
    with pytest.raises(Failed, match="is damaged here; load it again"):
        await world.push(f"{ELSEWHERE}:2")
    assert "2" not in world.registries.repositories[ELSEWHERE].manifests
    assert world.images.catalog.current.packed(digests.of(HIGH)) is None


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(world: World) -> None:
    made = await kept_plain(world, f"{ELSEWHERE}:2")
    stored, commits = world.stored, len(world.ledger.history)
    wish = PushWish(references.parse(f"{ELSEWHERE}:2"), ANONYMOUS)
    with Watch() as watch:
        await world.transfers.mailbox.ask(Push(wish, watch))
        while (message := await watch.next()) and message.id != digests.short(digests.of(HIGH)):
            pass
    assert "2" not in world.registries.repositories[ELSEWHERE].manifests
    await world.push(f"{ELSEWHERE}:2")
    assert len(world.ledger.history) == commits + 3  # what each layer has become, and the push
    assert world.stored == stored
    assert list((world.blobs.root / "tmp").iterdir()) == []
    assert world.images.resolve(f"{ELSEWHERE}:2").id == made.id
