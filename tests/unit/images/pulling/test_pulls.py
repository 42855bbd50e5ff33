"""Pulls from a fake registry: what is brought, recorded and said."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from daemon.actors.image_commands import Delete, Removed
from daemon.errors import Failed, InvalidParameter, NotFound
from daemon.images import digests
from daemon.images.documents import DOCUMENT_LIMIT_BYTES
from daemon.images.registry.errors import ImageUnusable, LoginRefused, NothingThere, RegistryFailed
from tests.unit.images.pulling.fakes import layer, make_image, make_index
from tests.unit.images.pulling.world import NAME, World, make_world

LOW, HIGH = layer(b"low" * 1000), layer(b"high" * 1000)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(tmp_path) as world:
        yield world


async def test_an_image_is_brought_as_it_is_at_the_registry(world: World) -> None:
    made = make_image(world.box, LOW, HIGH, tag="1")
    said = await world.pull()
    image = world.images.resolve(f"{NAME}:1")
    assert (image.id, image.record.manifest) == (made.id, made.manifest.digest)
    assert image.repo_digests == (f"{NAME}@{made.manifest.digest}",)
    assert world.stored == {made.id, made.manifest.digest, *made.digests}
    assert [world.layers.sizes[chain_id] for chain_id in made.chain_ids] == [len(LOW), len(HIGH)]
    assert world.images.resolve(f"{NAME}@{made.manifest.digest}").id == made.id
    assert said[0] == "1: Pulling from box"
    assert said[-2:] == [f"Digest: {made.manifest.digest}", f"Status: Downloaded newer image for {NAME}:1"]
    for digest in made.digests:
        assert [line.partition(": ")[2] for line in said if line.startswith(digests.short(digest))][-1:] == [
            "Pull complete"
        ]


async def test_the_event_names_the_reference(world: World) -> None:
    make_image(world.box, LOW, tag="1")
    await world.pull()
    (event,) = world.ledger.events
    assert (event.action, event.actor_id) == ("pull", f"{NAME}:1")
    assert event.attributes == {"who": "test", "name": NAME}


async def test_what_is_there_is_not_fetched(world: World) -> None:
    make_image(world.box, LOW, HIGH, tag="1")
    await world.pull()
    other = make_image(world.box, LOW, layer(b"new"), tag="2", author="me")
    world.box.asked.clear()
    said = await world.pull(f"{NAME}:2")
    assert f"{digests.short(other.digests[0])}: Already exists" in said
    assert [line for line in world.box.asked if other.digests[0] in line] == []


async def test_an_image_that_is_there_is_up_to_date(world: World) -> None:
    made = make_image(world.box, LOW, tag="1")
    await world.pull()
    assert await world.pull() == [
        "1: Pulling from box",
        f"Digest: {made.manifest.digest}",
        f"Status: Image is up to date for {NAME}:1",
    ]


@pytest.mark.parametrize("name", [f"{NAME}:1", "by digest"])
async def test_nothing_is_fetched_of_an_image_that_is_up_to_date(world: World, name: str) -> None:
    own, foreign = make_image(world.box, LOW), make_image(world.box, HIGH, architecture="s390x")
    index = make_index(world.box, {"linux/amd64": own, "linux/s390x": foreign}, tag="1")
    name = name if name != "by digest" else f"{NAME}@{index.digest}"
    first = await world.pull(name)
    world.box.asked.clear()
    again = await world.pull(name, platform="linux/amd64")
    assert world.box.asked == [f"digest_of {name.removeprefix(NAME)[1:]}"]
    assert again == [first[0], f"Digest: {index.digest}", f"Status: Image is up to date for {name}"]
    assert [event.action for event in world.ledger.events] == ["pull", "pull"]


async def test_a_registry_that_does_not_say_what_it_has_is_asked_for_it(world: World) -> None:
    made = make_image(world.box, LOW, tag="1")
    await world.pull()
    world.box.silent = True
    assert (await world.pull())[-2:] == [
        f"Digest: {made.manifest.digest}",
        f"Status: Image is up to date for {NAME}:1",
    ]


async def test_an_image_that_has_lost_a_layer_is_brought_again(world: World) -> None:
    made = make_image(world.box, LOW, HIGH, tag="1")
    await world.pull()
    del world.layers.sizes[made.chain_ids[1]]
    said = await world.pull()
    assert made.chain_ids[1] in world.layers.sizes
    assert f"{digests.short(made.digests[1])}: Pull complete" in said


async def test_a_tag_moves_to_what_the_registry_has_now(world: World) -> None:
    old = make_image(world.box, LOW, tag="1")
    await world.pull()
    new = make_image(world.box, HIGH, tag="1")
    assert (await world.pull())[-1].startswith("Status: Downloaded newer image")
    assert world.images.resolve(f"{NAME}:1").id == new.id
    assert world.images.resolve(old.id).repo_tags == ()
    assert world.images.resolve(old.id).repo_digests == (f"{NAME}@{old.manifest.digest}",)


async def test_a_tag_moves_back_to_an_image_that_is_still_here(world: World) -> None:
    old = make_image(world.box, LOW, tag="1")
    await world.pull()
    make_image(world.box, HIGH, tag="1")
    await world.pull()
    world.box.manifests["1"] = old.manifest
    assert (await world.pull())[-1].startswith("Status: Downloaded newer image")
    assert world.images.resolve(f"{NAME}:1").id == old.id


async def test_a_digest_gives_no_tag_and_is_removed_as_one(world: World) -> None:
    made = make_image(world.box, LOW, tag="1")
    name = f"{NAME}@{made.manifest.digest}"
    said = await world.pull(name)
    assert said[0] == f"{name}: Pulling from box"  # as dockerd, whose lines of a tag have the tag alone
    assert said[-1] == f"Status: Downloaded newer image for {name}"
    assert world.images.resolve(name).repo_tags == ()
    assert await world.images.mailbox.ask(Delete(name)) == Removed((name,), (made.id, *made.chain_ids))
    assert world.stored == set()


async def test_the_last_tag_takes_the_digests_of_its_repository_along(world: World) -> None:
    made = make_image(world.box, LOW, tag="1")
    await world.pull()
    removed = await world.images.mailbox.ask(Delete(f"{NAME}:1"))
    assert removed.untagged == (f"{NAME}:1", f"{NAME}@{made.manifest.digest}")
    assert removed.deleted == (made.id, *made.chain_ids)


async def test_all_tags_are_pulled_when_none_is_named(world: World) -> None:
    first, second = make_image(world.box, LOW, tag="1"), make_image(world.box, HIGH, tag="2")
    said = await world.pull(NAME)
    assert {image.id for image in world.images} == {first.id, second.id}
    assert said[-1] == f"Status: Downloaded newer image for {NAME}"


async def test_an_index_gives_the_image_for_this_host_or_the_one_asked_for(world: World) -> None:
    own, foreign = make_image(world.box, LOW), make_image(world.box, HIGH, architecture="s390x")
    index = make_index(world.box, {"linux/amd64": own, "linux/s390x": foreign}, tag="1")
    said = await world.pull()
    assert world.images.resolve(f"{NAME}:1").id == own.id
    assert f"Digest: {index.digest}" in said
    assert world.images.resolve(f"{NAME}@{index.digest}").id == own.id
    await world.pull(platform="linux/s390x")
    assert world.images.resolve(f"{NAME}:1").id == foreign.id
    assert world.images.resolve(f"{NAME}@{index.digest}").id == foreign.id
    assert world.images.resolve(own.id).repo_digests == ()


async def test_a_platform_that_is_not_there_is_not_found(world: World) -> None:
    own = make_image(world.box, LOW, tag="1")
    make_index(world.box, {"linux/amd64": own}, tag="all")
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x in the manifest list entries"):
        await world.pull(f"{NAME}:all", "linux/s390x")
    with pytest.raises(NotFound, match="does not match the specified platform"):
        await world.pull(f"{NAME}:1", "linux/s390x")


async def test_a_tag_that_is_not_there_is_not_found_before_anything_is_said(world: World) -> None:
    with pytest.raises(NothingThere, match=f"manifest for {NAME}:1 not found: manifest unknown"):
        await world.pull()


async def test_a_refused_login_is_no_reason_for_a_client_to_ask_for_a_password(world: World) -> None:
    world.box.refusals["manifest"] = LoginRefused("no basic auth credentials")
    with pytest.raises(RegistryFailed, match="no basic auth credentials"):
        await world.pull()


async def test_foreign_layers_are_refused(world: World) -> None:
    kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    make_image(world.box, LOW, tag="1", layer_type=kind)
    with pytest.raises(ImageUnusable, match="foreign layer"):
        await world.pull()


async def test_encrypted_layers_are_refused_before_they_are_downloaded(world: World) -> None:
    kind = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"
    make_image(world.box, LOW, tag="1", layer_type=kind)
    with pytest.raises(ImageUnusable, match="is encrypted"):
        await world.pull()


async def test_another_number_of_layers_than_the_config_has_is_refused(world: World) -> None:
    make_image(world.box, LOW, tag="1", rootfs={"type": "layers", "diff_ids": []})
    with pytest.raises(ImageUnusable, match="its config has 0 layers, its manifest 1"):
        await world.pull()


async def test_a_layer_with_another_diff_id_leaves_nothing(world: World) -> None:
    make_image(world.box, LOW, tag="1", rootfs={"type": "layers", "diff_ids": [digests.of(HIGH)]})
    with pytest.raises(InvalidParameter, match="layers from manifest don't match image configuration"):
        await world.pull()
    assert (len(world.images), world.stored, world.partials, world.layers.sizes) == (0, set(), set(), {})


@pytest.mark.parametrize("bad", [b"", b"garbage", LOW])
async def test_a_blob_with_another_content_leaves_nothing(world: World, bad: bytes) -> None:
    made = make_image(world.box, LOW, tag="1")
    bad = bad.ljust(len(made.blobs[0]), b"x")[: len(made.blobs[0])]
    world.box.blobs[made.digests[0]] = bad
    with pytest.raises(RegistryFailed, match="filesystem layer verification failed for digest"):
        await world.pull()
    assert (len(world.images), world.stored, world.partials, world.layers.sizes) == (0, set(), set(), {})


async def test_a_blob_that_does_not_end_is_cut_off(world: World) -> None:
    made = make_image(world.box, LOW, tag="1")
    world.box.blobs[made.digests[0]] += b"more"
    with pytest.raises(RegistryFailed, match="is larger than its manifest says"):
        await world.pull()
    assert (world.stored, world.partials) == (set(), set())


@pytest.mark.parametrize("bad", [b"garbage", b"\x1f\x8b", b"", LOW * 2, bytes(5000)], ids=len)
async def test_mirrors_with_other_layers_are_passed_over(world: World, bad: bytes) -> None:
    made = make_image(world.box, LOW, HIGH, tag="1")
    blob = made.blobs[0]
    world.box.impostors[made.digests[0]] = [bad or blob[:-1], (bad + b"x" + blob)[: len(blob)]]
    assert (await world.pull())[-1].startswith("Status: Downloaded newer image")
    assert [line for line in world.box.asked if made.digests[0] in line] == [f"blob {made.digests[0]} 0"] * 3
    assert (world.stored, world.partials) == ({made.id, made.manifest.digest, *made.digests}, set())


async def test_a_mirrors_part_of_a_layer_is_not_kept_as_its_beginning(world: World) -> None:
    made = make_image(world.box, layer(os.urandom(300_000)), tag="1")
    digest, blob = made.digests[0], made.blobs[0]
    world.box.impostors[digest] = [bytes(len(blob))]
    world.box.refusals[f"rest of {digest}"] = RegistryFailed("gone away")
    with pytest.raises(RegistryFailed, match="gone away"):
        await world.pull()
    world.box.refusals.clear()
    world.box.impostors.clear()  # the next pull asks whoever has it
    world.box.asked.clear()
    await world.pull()
    starts = [int(line.split()[-1]) for line in world.box.asked if digest in line]
    assert starts[-1] == 0
    assert (world.stored, world.partials) == ({made.id, made.manifest.digest, *made.digests}, set())


async def test_mirrors_with_other_layers_do_not_excuse_the_registry(world: World) -> None:
    made = make_image(world.box, LOW, tag="1")
    world.box.impostors[made.digests[0]] = [b"garbage"]
    world.box.blobs[made.digests[0]] = b"garbage"
    with pytest.raises(RegistryFailed, match="filesystem layer verification failed for digest"):
        await world.pull()
    assert (len(world.images), world.stored, world.partials, world.layers.sizes) == (0, set(), set(), {})


@pytest.mark.parametrize("bad", [b"", b"{}", bytes(10_000_000)], ids=len)
async def test_mirrors_with_other_configs_are_passed_over(world: World, bad: bytes) -> None:
    made = make_image(world.box, LOW, tag="1")
    world.box.impostors[made.id] = [bad, b"[]"]
    await world.pull()
    assert world.images.resolve(f"{NAME}:1").id == made.id


async def test_a_config_with_another_content_is_refused(world: World) -> None:
    made = make_image(world.box, LOW, tag="1")
    world.box.blobs[made.id] = made.config + b" "
    with pytest.raises(RegistryFailed, match="image config verification failed"):
        await world.pull()


async def test_a_layer_that_is_there_is_not_read_into_memory_as_a_config(world: World) -> None:
    made = make_image(world.box, layer(os.urandom(DOCUMENT_LIMIT_BYTES)), tag="1", level=0)
    await world.pull()
    stated = orjson.loads(made.manifest.raw)
    stated["config"]["digest"], stated["config"]["size"] = made.digests[0], len(made.blobs[0])
    world.box.add_manifest(made.manifest.media_type, orjson.dumps(stated), "2")
    with pytest.raises(ImageUnusable, match="its config is larger than"):
        await world.pull(f"{NAME}:2")


async def test_what_was_downloaded_before_a_failure_is_kept_for_the_next_pull(world: World) -> None:
    made = make_image(world.box, LOW, HIGH, tag="1")
    world.box.refusals[f"blob {made.digests[1]} 0"] = RegistryFailed("gone away")
    with pytest.raises(RegistryFailed, match="gone away"):
        await world.pull()
    assert world.stored == set()
    world.box.refusals.clear()
    world.box.asked.clear()
    kept = {digest: world.blobs.partial(digest).stat().st_size for digest in world.partials}
    whole = {
        digest for digest, blob in zip(made.digests, made.blobs, strict=True) if kept.get(digest) == len(blob)
    }
    await world.pull()
    assert made.digests[1] in kept  # the file was there, and perhaps the other layer as well
    fetched = {digest for line in world.box.asked for digest in made.digests if digest in line}
    assert fetched == set(made.digests) - whole
    assert world.partials == set()


async def test_a_disk_that_refuses_a_layer_gets_back_what_was_downloaded(world: World) -> None:
    make_image(world.box, LOW, HIGH, tag="1")
    world.layers.refusal = Failed("cannot unpack: No space left on device")
    with pytest.raises(Failed, match="No space left"):
        await world.pull()
    assert (world.stored, world.partials) == (set(), set())
    world.layers.refusal = None
    await world.pull()


async def test_the_same_blob_in_two_layers_is_downloaded_once(world: World) -> None:
    made = make_image(world.box, LOW, LOW, tag="1")
    await world.pull()
    assert [line for line in world.box.asked if made.digests[0] in line] == [f"blob {made.digests[0]} 0"]
    assert len(world.layers.sizes) == len(made.chain_ids) == 2


async def test_layers_that_must_be_in_order_are(world: World) -> None:
    world.layers.in_any_order = False
    made = make_image(world.box, *(layer(b"%d" % number) for number in range(6)), tag="1")
    await world.pull()
    assert world.layers.begun == list(made.chain_ids)


async def test_zero_is_no_limit(world: World) -> None:
    world.downloads_at_once = world.uploads_at_once = 0
    make_image(world.box, *(layer(b"%d" % number) for number in range(6)), tag="1")
    assert [line for line in await world.pull() if "Waiting" in line] == []
    await world.push(f"{NAME}:1")


async def test_the_lowest_layers_are_downloaded_first(world: World) -> None:
    world.downloads_at_once = 1
    made = make_image(world.box, *(layer(b"%d" % number) for number in range(6)), tag="1")
    said = await world.pull()
    blobs = [line.split()[1] for line in world.box.asked if line.startswith("blob ")]
    assert blobs == [made.id, *made.digests]
    assert f"{digests.short(made.digests[1])}: Waiting" in said
