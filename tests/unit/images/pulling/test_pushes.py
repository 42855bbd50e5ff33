"""Pushes to a fake registry: what is sent, mounted, recorded and said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.actors.image_commands import Tag
from daemon.errors import Failed, NotFound
from daemon.images import digests, references
from daemon.images.registry.errors import AccessDenied
from tests.unit.images.pulling.fakes import Made, layer, make_image
from tests.unit.images.pulling.world import NAME, World, make_world, text

LOW, HIGH = layer(b"low" * 1000), layer(b"high" * 1000)
TARGET = "localhost:5000/mine/copy"
ELSEWHERE = "elsewhere:5000/copy"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(tmp_path) as world:
        yield world


async def pulled(world: World, *names: str) -> Made:
    """Pull an image and give it more names."""
    made = make_image(world.box, LOW, HIGH, tag="1")
    await world.pull()
    for name in names:
        await world.images.mailbox.ask(Tag(f"{NAME}:1", references.parse(name)))
    return made


async def test_an_image_arrives_with_the_digests_it_has_here(world: World) -> None:
    made = await pulled(world, f"{ELSEWHERE}:2")
    said = await world.push(f"{ELSEWHERE}:2")
    target = world.registries.repositories[ELSEWHERE]
    assert target.manifests["2"] == made.manifest
    assert set(target.blobs) == {made.id, *made.digests}
    shorts = [digests.short(digests.of(tar)) for tar in made.tars]
    lines = [text(message) for message in said]
    assert lines[:3] == [
        f"The push refers to repository [{ELSEWHERE}]",
        *(f"{short}: Preparing" for short in shorts),
    ]
    assert {f"{short}: Pushed" for short in shorts} <= set(lines)
    size = len(made.manifest.raw)
    assert lines[-2] == f"2: digest: {made.manifest.digest} size: {size}"
    assert said[-1].aux == {"Tag": "2", "Digest": made.manifest.digest, "Size": size}


async def test_the_digest_is_known_from_then_on(world: World) -> None:
    made = await pulled(world, f"{ELSEWHERE}:2")
    await world.push(f"{ELSEWHERE}:2")
    digest = made.manifest.digest
    assert world.images.resolve(made.id).repo_digests == (f"{NAME}@{digest}", f"{ELSEWHERE}@{digest}")
    event = world.ledger.events[-1]
    assert (event.action, event.actor_id, event.attributes["name"]) == ("push", f"{ELSEWHERE}:2", ELSEWHERE)


async def test_layers_of_another_repository_of_the_registry_are_mounted(world: World) -> None:
    made = await pulled(world, f"{TARGET}:1")
    target = world.registries.add(TARGET)
    for blob in (made.config, *made.blobs):
        target.mountable[digests.of(blob), "box"] = blob
    lines = [text(message) for message in await world.push(f"{TARGET}:1")]
    assert [line for line in target.asked if line.startswith("upload")] == []
    assert f"{digests.short(digests.of(LOW))}: Mounted from box" in lines


async def test_what_cannot_be_mounted_is_sent(world: World) -> None:
    made = await pulled(world, f"{TARGET}:1")
    await world.push(f"{TARGET}:1")
    target = world.registries.repositories[TARGET]
    assert f"mount {made.digests[0]} box" in target.asked
    assert set(target.blobs) == {made.id, *made.digests}


async def test_nothing_is_mounted_from_another_registry(world: World) -> None:
    await pulled(world, f"{ELSEWHERE}:2")
    await world.push(f"{ELSEWHERE}:2")
    target = world.registries.repositories[ELSEWHERE]
    assert [line for line in target.asked if line.startswith("mount")] == []


async def test_layers_that_are_there_are_not_sent(world: World) -> None:
    made = await pulled(world)
    lines = [text(message) for message in await world.push(f"{NAME}:1")]
    assert [line for line in world.box.asked if line.startswith("upload")] == []
    shorts = {f"{digests.short(digests.of(tar))}: Layer already exists" for tar in made.tars}
    assert shorts <= set(lines)


async def test_all_tags_of_a_repository_are_pushed_when_none_is_named(world: World) -> None:
    await pulled(world, f"{TARGET}:a", f"{TARGET}:b")
    said = await world.push(TARGET)
    assert [message.aux["Tag"] for message in said if message.aux] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nope:1", "An image does not exist locally with the tag: nope"),
        (f"{NAME}:2", f"tag does not exist: {NAME}:2"),
    ],
)
async def test_what_is_not_here_cannot_be_pushed(world: World, name: str, complaint: str) -> None:
    await pulled(world)
    with pytest.raises(Failed, match=complaint):
        await world.push(name)


async def test_another_platform_than_the_images_cannot_be_pushed(world: World) -> None:
    await pulled(world)
    with pytest.raises(NotFound, match=r"its platform \(linux/amd64\) does not match .* \(linux/s390x\)"):
        await world.push(f"{NAME}:1", "linux/s390x")


async def test_a_refusal_of_the_registry_is_passed_on_and_nothing_recorded(world: World) -> None:
    made = await pulled(world, f"{ELSEWHERE}:2")
    world.registries.add(ELSEWHERE).refusals["upload"] = AccessDenied("denied: access forbidden", "DENIED")
    with pytest.raises(AccessDenied):
        await world.push(f"{ELSEWHERE}:2")
    assert len(world.images.resolve(made.id).repo_digests) == 1


async def test_an_image_that_lost_a_blob_says_what_to_do(world: World) -> None:
    made = await pulled(world)
    world.blobs.path(made.digests[0]).unlink()
    with pytest.raises(Failed, match="is missing here; pull it again"):
        await world.push(f"{NAME}:1")
    await world.pull()
    await world.push(f"{NAME}:1")
