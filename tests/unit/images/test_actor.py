"""The images' actor with a fake ledger; what is brought in is made by hand (real tars: tests/runtime)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import attrs
import pytest
import trio

from daemon.actors.image_actor import JOBS_AT_ONCE, ImagesActor
from daemon.actors.image_commands import Delete, Load, NoteSaved, Prune, Record, Removed, Tag
from daemon.actors.image_deletion import ImageUser
from daemon.actors.images import Images
from daemon.archives.sandbox import Archive
from daemon.errors import Conflict, Failed, NotFound, Unavailable
from daemon.images import references
from daemon.images.blobs import BlobStore
from daemon.images.content import Content, LayerStore
from daemon.images.loading import Brought
from daemon.journal import Event, Hold, Transaction
from daemon.journal import Record as JournalRecord
from daemon.wire import parse_record
from tests.unit.fakes import FakeLedger
from tests.unit.graphdrivers.fakes import chain_ids, fake_layers, put_layers
from tests.unit.images import tars
from tests.unit.settling import settled


class StuckLedger:
    """A disk that never answers."""

    async def commit(self, transaction: Transaction) -> tuple[Event, ...]:
        await trio.sleep_forever()
        raise AssertionError


@attrs.define(eq=False)
class Setting:
    """An actor that runs, and what is around it."""

    images: Images
    ledger: FakeLedger
    users: dict[str, list[ImageUser]]

    async def record(
        self,
        *brought: Brought,
        action: str = "load",
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Bring images in as a job does, which has started when everything is on the disk."""
        content = self.images.content
        with content.lease() as lease:
            for new in brought:
                lease.record(new.record)
                content.blobs.add(new.document.raw)
                await put_layers(content.layers, new.record.chain_ids)
            task_status.started()
            await self.images.mailbox.ask(Record(brought, action))

    def layers(self) -> set[str]:
        return chain_ids(self.images.content.layers)


async def make_images(
    tmp_path: Path, users: dict[str, list[ImageUser]], layers: LayerStore | None = None
) -> Images:
    def users_of(image_id: str) -> Iterable[ImageUser]:
        return users.get(image_id, ())

    content = Content(BlobStore(tmp_path / "blobs"), layers or await fake_layers(tmp_path / "graph"))
    return Images(content, users_of, tmp_path / "tmp")


@pytest.fixture
async def setting(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Setting]:
    users: dict[str, list[ImageUser]] = {}
    images, ledger = await make_images(tmp_path, users), FakeLedger()
    await images.recover(ledger)
    await nursery.start(ImagesActor(images, ledger).run)
    yield Setting(images, ledger, users)
    nursery.cancel_scope.cancel()


async def test_what_is_recorded_is_in_the_journal_and_in_the_catalog(setting: Setting) -> None:
    new = tars.brought("a", "box:1", "box:2")
    await setting.record(new)
    assert setting.images.resolve("box:2").record.layers == new.record.layers
    assert setting.ledger.names("image") == dict.fromkeys(
        ["docker.io/library/box:1", "docker.io/library/box:2"], new.record.id
    )
    assert setting.ledger.actions == ["load"]
    (event,) = setting.ledger.events
    assert (event.type, event.actor_id) == ("image", new.record.id)
    assert event.attributes == {"who": "test", "name": new.record.id}


async def test_an_import_reports_its_name_first(setting: Setting) -> None:
    await setting.record(tars.brought("a", "box:1"), action="import")
    assert setting.ledger.actions == ["tag", "import"]


async def test_loading_an_image_again_adds_its_names(setting: Setting) -> None:
    new = tars.brought("a", "box:1")
    await setting.record(new)
    await setting.record(tars.retagged(new, "box:2"))
    assert len(setting.images) == 1
    assert setting.images.resolve("box:1").repo_tags == ("box:1", "box:2")
    assert setting.layers() == set(new.record.chain_ids)


async def test_two_images_of_one_archive_may_be_the_same(setting: Setting) -> None:
    new = tars.brought("a", "box:1")
    await setting.record(new, tars.retagged(new, "box:2"))
    await setting.images.mailbox.ask(Delete("box:1"))
    await setting.images.mailbox.ask(Delete("box:2"))
    assert setting.layers() == set()


async def test_a_tag_moves_from_one_image_to_another(setting: Setting) -> None:
    a, b = tars.brought("a", "box:1"), tars.brought("b")
    await setting.record(a, b)
    await setting.images.mailbox.ask(Tag(b.record.id, references.parse("box:1")))
    assert setting.images.resolve("box:1").id == b.record.id
    assert setting.images.resolve(a.record.id).repo_tags == ()
    assert setting.ledger.names("image") == {"docker.io/library/box:1": b.record.id}
    assert setting.ledger.events[-1].attributes["name"] == "box:1"


async def test_a_tag_of_nothing_is_refused(setting: Setting) -> None:
    with pytest.raises(NotFound):
        await setting.images.mailbox.ask(Tag("nope", references.parse("box:1")))


async def test_deleting_the_last_name_deletes_image_and_content(setting: Setting) -> None:
    new = tars.brought("a", "box:1", layers=2)
    await setting.record(new)
    removed = await setting.images.mailbox.ask(Delete("box:1"))
    assert removed == Removed(("box:1",), (new.record.id, *reversed(new.record.chain_ids)))
    assert setting.ledger.actions == ["load", "untag", "delete"]
    assert setting.ledger.records("image") == []
    assert setting.layers() == set()
    assert new.record.id not in setting.images.content.blobs


async def test_deleting_one_of_two_names_keeps_the_image(setting: Setting) -> None:
    new = tars.brought("a", "box:1", "box:2")
    await setting.record(new)
    assert await setting.images.mailbox.ask(Delete("box:1")) == Removed(("box:1",))
    assert setting.images.resolve("box:2").repo_tags == ("box:2",)
    assert setting.ledger.names("image") == {"docker.io/library/box:2": new.record.id}
    assert setting.layers() == set(new.record.chain_ids)


async def test_a_name_that_looks_like_the_id_is_still_a_name(setting: Setting) -> None:
    new = tars.brought("a", "other:1")
    new = tars.retagged(new, "other:1", new.record.id[7:15])
    await setting.record(new)
    removed = await setting.images.mailbox.ask(Delete(new.record.id[7:15]))
    assert removed == Removed((f"{new.record.id[7:15]}:latest",))
    assert setting.images.resolve("other:1").repo_tags == ("other:1",)


async def test_an_image_that_a_container_took_meanwhile_is_not_deleted(setting: Setting) -> None:
    new = tars.brought("a", "box:1")
    await setting.record(new)
    books = setting.ledger.books
    books.records["container", "1" * 64] = JournalRecord("container", "1" * 64, b"{}")
    books.holds.add(Hold("container", "1" * 64, "image", new.record.id))
    with pytest.raises(Conflict, match="image is being used by stopped container 111111111111"):
        await setting.images.mailbox.ask(Delete("box:1"))
    assert setting.images.resolve("box:1").repo_tags == ("box:1",)
    assert setting.layers() == set(new.record.chain_ids)


async def test_layers_of_another_image_stay(setting: Setting) -> None:
    a = tars.brought("a", "a:1")
    b = tars.brought("a", "b:1", comment="same layers, other image")
    await setting.record(a, b)
    assert await setting.images.mailbox.ask(Delete("a:1")) == Removed(("a:1",), (a.record.id,))
    assert setting.layers() == set(b.record.chain_ids)


async def test_a_prune_takes_what_is_unused_and_liked(setting: Setting) -> None:
    used, unused, spared = (tars.brought(name) for name in ("used", "unused", "spared"))
    await setting.record(used, unused, spared)
    setting.users[used.record.id] = [ImageUser("1" * 64, running=False)]
    done = await setting.images.mailbox.ask(Prune(lambda image: image.id != spared.record.id))
    assert done.removed == Removed((), (unused.record.id, *unused.record.chain_ids))
    assert done.reclaimed_bytes == 100
    assert {image.id for image in setting.images} == {used.record.id, spared.record.id}


def family() -> tuple[Brought, Brought, Brought]:
    """Return an image, one that was made of it, and one that was made of that; each has the layers below."""
    one = tars.brought("a", "one", layers=1)
    two, three = (tars.brought("a", name, layers=layers) for name, layers in (("two", 2), ("three", 3)))
    return one, child(two, one), child(three, two)


def child(image: Brought, parent: Brought) -> Brought:
    return attrs.evolve(image, record=attrs.evolve(image.record, parent=parent.record.id))


async def test_an_image_takes_parents_along_that_nothing_else_keeps(setting: Setting) -> None:
    one, two, three = family()
    await setting.record(one, two, three)
    for name in ("one", "two"):
        assert await setting.images.mailbox.ask(Delete(name)) == Removed((f"{name}:latest",))
    with pytest.raises(Conflict, match="image has dependent child images"):
        await setting.images.mailbox.ask(Delete(one.record.id, force=True))
    gone = await setting.images.mailbox.ask(Delete("three"))
    chain = three.record.chain_ids
    ids = [image.record.id for image in (three, two, one)]
    assert gone == Removed(("three:latest",), (ids[0], chain[2], ids[1], chain[1], ids[2], chain[0]))
    assert setting.layers() == set()
    assert setting.ledger.actions[-3:] == ["delete"] * 3


@pytest.mark.parametrize("keeper", ["a name", "a container", "another child"])
async def test_a_parent_that_something_else_keeps_stays(setting: Setting, keeper: str) -> None:
    one, two, _ = family()
    await setting.record(one, two)
    if keeper != "a name":
        await setting.images.mailbox.ask(Delete("one"))
    if keeper == "a container":
        setting.users[one.record.id] = [ImageUser("1" * 64, running=False)]
    if keeper == "another child":
        await setting.record(child(tars.brought("a", "other", layers=2, comment="another"), one))
    assert (await setting.images.mailbox.ask(Delete("two"))).deleted[0] == two.record.id
    assert setting.images.get(one.record.id) is not None


async def test_parents_stay_if_that_is_wanted(setting: Setting) -> None:
    one, two, _ = family()
    await setting.record(one, two)
    await setting.images.mailbox.ask(Delete("one"))
    await setting.images.mailbox.ask(Delete("two", parents=False))
    assert [image.id for image in setting.images] == [one.record.id]


async def test_a_prune_takes_whole_families(setting: Setting) -> None:
    one, two, three = family()
    await setting.record(one, two, three)
    done = await setting.images.mailbox.ask(Prune(lambda _: True))
    assert sorted(done.removed.untagged) == ["one:latest", "three:latest", "two:latest"]
    assert set(done.removed.deleted) == {image.record.id for image in (one, two, three)} | set(
        three.record.chain_ids
    )
    assert done.reclaimed_bytes == 300


async def test_a_prune_takes_the_names_of_what_a_used_image_was_made_of(setting: Setting) -> None:
    one, two, _ = family()
    await setting.record(one, two)
    setting.users[two.record.id] = [ImageUser("1" * 64, running=False)]
    done = await setting.images.mailbox.ask(Prune(lambda _: True))
    assert done.removed == Removed(("one:latest",))
    assert len(setting.images) == 2


async def test_saving_is_reported(setting: Setting) -> None:
    new = tars.brought("a")
    await setting.record(new)
    await setting.images.mailbox.ask(NoteSaved((new.record.id, "sha256:gone")))
    assert setting.ledger.actions == ["load", "save"]


async def test_a_full_disk_changes_nothing(setting: Setting) -> None:
    setting.ledger.fails = Failed("disk full")
    new = tars.brought("a", "box:1")
    with pytest.raises(Failed, match="disk full"):
        await setting.record(new)
    assert len(setting.images) == 0
    assert setting.layers() == set()


async def test_an_actor_that_ends_answers_what_it_has_taken(tmp_path: Path) -> None:
    images = await make_images(tmp_path, {})
    await images.recover(FakeLedger())
    async with trio.open_nursery() as nursery:
        await nursery.start(ImagesActor(images, StuckLedger()).run)
        nursery.start_soon(_cancel_when_blocked, nursery.cancel_scope)
        with pytest.raises(Unavailable), trio.CancelScope(shield=True):
            await images.mailbox.ask(NoteSaved(()))


async def test_a_load_whose_client_left_before_its_turn_is_not_begun(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    images = await make_images(tmp_path, {})
    actor = ImagesActor(images, FakeLedger())
    await images.recover(FakeLedger())
    await nursery.start(actor.run)
    others = range(JOBS_AT_ONCE)
    for other in others:
        await actor._room.acquire_on_behalf_of(other)
    spool = images.new_spool()
    with trio.CancelScope() as client:
        nursery.start_soon(_cancel_when_waited_for, client)
        await images.mailbox.ask(Load(spool, Archive({})))
    for other in others:
        actor._room.release_on_behalf_of(other)
    await settled()
    assert (spool.claimed, images.mailbox.unanswered) == (False, [])
    nursery.cancel_scope.cancel()


async def _cancel_when_waited_for(scope: trio.CancelScope) -> None:
    await settled()
    scope.cancel()


async def test_what_is_being_written_when_the_actor_ends_is_shown(tmp_path: Path) -> None:
    images, ledger = await make_images(tmp_path, {}), FakeLedger(gate=trio.Event())
    await images.recover(ledger)
    async with trio.open_nursery() as nursery:
        actor = await nursery.start(_a_life, images, ledger)
        nursery.start_soon(images.mailbox.ask, Record((tars.brought("a", "a:1"),), "load"))
        await settled()
        actor.cancel()
        await settled()
        assert ledger.gate is not None
        ledger.gate.set()
    assert [image.id for image in images] == [record.id for record in ledger.records("image")] != []


async def _a_life(
    images: Images, ledger: FakeLedger, *, task_status: trio.TaskStatus[trio.CancelScope]
) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(ImagesActor(images, ledger).run)
            task_status.started(scope)


async def _cancel_when_blocked(scope: trio.CancelScope) -> None:
    await settled()
    scope.cancel()


async def test_an_image_stays_whole_whose_client_leaves_while_it_is_being_recorded(setting: Setting) -> None:
    new = tars.brought("a", "box:1", layers=2)
    setting.ledger.gate = trio.Event()
    async with trio.open_nursery() as client:
        await client.start(setting.record, new)
        await settled()
        client.cancel_scope.cancel()  # as a pull is when whoever watched it has hung up
    setting.ledger.gate.set()
    await settled()
    assert setting.images.resolve("box:1").id == new.record.id
    assert setting.layers() == set(new.record.chain_ids)
    assert new.record.id in setting.images.content.blobs


async def test_a_record_whose_client_left_before_it_was_begun_is_not_made(setting: Setting) -> None:
    first, second = tars.brought("a", "box:1"), tars.brought("b", "box:2")
    setting.ledger.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(setting.record, first)
        async with trio.open_nursery() as client:
            await client.start(setting.record, second)
            await settled()
            client.cancel_scope.cancel()
        setting.ledger.gate.set()
    assert [image.id for image in setting.images] == [first.record.id]
    assert setting.layers() == set(first.record.chain_ids)


async def test_what_cannot_be_recorded_is_needed_by_nobody(setting: Setting) -> None:
    setting.ledger.fails = Failed("no space left on device")
    with pytest.raises(Failed):
        await setting.record(tars.brought("a", "box:1"))
    assert setting.layers() == set()


async def test_recovery_shows_what_was_recorded_and_discards_the_rest(
    setting: Setting, tmp_path: Path
) -> None:
    new = tars.brought("a", "box:1")
    await setting.record(new)
    content = setting.images.content
    stray = content.blobs.add(b"stray")
    (tmp_path / "tmp" / "spool").touch()
    again = await make_images(tmp_path, {})
    await again.recover(setting.ledger)
    assert again.resolve("box:1") == setting.images.resolve("box:1")
    assert stray not in content.blobs
    assert setting.layers() == set(new.record.chain_ids)
    assert not (tmp_path / "tmp" / "spool").exists()


async def test_a_damaged_image_does_not_keep_the_others_away(setting: Setting, tmp_path: Path) -> None:
    await setting.record(tars.brought("a", "a:1"), tars.brought("b", "b:1"))
    bad = setting.images.resolve("a:1")
    setting.images.content.blobs.path(bad.id).unlink()
    again = await make_images(tmp_path, {})
    await again.recover(setting.ledger)
    assert [image.repo_tags for image in again] == [("b:1",)]


async def test_records_read_back_as_they_were_written(setting: Setting) -> None:
    await setting.record(tars.brought("a", "a:1"))
    (entry,) = setting.ledger.records("image")
    assert (
        parse_record(entry.body, type(setting.images.resolve("a:1").record))
        == setting.images.resolve("a:1").record
    )
