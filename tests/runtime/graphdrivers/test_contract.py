"""What every graph driver does, whatever it is made of; needs root."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from daemon.archives.changes import Change, Kind
from daemon.archives.growing import Growing
from daemon.archives.supply import Archived
from daemon.errors import EngineError, Failed, InvalidParameter
from daemon.graphdrivers.driver import Inventory
from daemon.images import digests
from tests.runtime.graphdrivers import trees
from tests.runtime.graphdrivers.rigs import Rig
from tests.unit.images.tars import member, tar

pytestmark = pytest.mark.runtime
BASE, TOP, ROOT, OTHER = ("ba" * 32, "ca" * 32, "da" * 32, "ea" * 32)
CAPABILITY = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
CAPABILITY_TEXT = CAPABILITY.decode("utf-8", "surrogateescape")
BASE_TAR = tar(
    member("etc", tarfile.DIRTYPE, mtime=1_000),
    (member("etc/a", mtime=1_001), b"a"),
    (member("etc/b", mtime=1_002), b"bb"),
    member("opt", tarfile.DIRTYPE, mtime=1_003),
    (member("opt/old", mtime=1_004), b"old"),
    member("gone", tarfile.DIRTYPE, mtime=1_005),
    (member("gone/in", mtime=1_006), b"gone"),
    (member("link1", mtime=1_007), b"linked"),
    member("link2", tarfile.LNKTYPE, linkname="link1"),
)
TOP_TAR = tar(
    (member("etc/a", mode=0o4755, uid=7, gid=8, mtime=2_000), b"changed"),
    member("etc/.wh.b"),
    member("opt/.wh..wh..opq"),
    (member("opt/new", mtime=2_001), b"new"),
    member(".wh.gone"),
    member("sym", tarfile.SYMTYPE, linkname="etc/a"),
)
RICH_TAR = tar(
    member("./", tarfile.DIRTYPE, mode=0o711, uid=5, gid=6),
    (member("cap", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": CAPABILITY_TEXT}), b"#!"),
    (member("user", pax_headers={"SCHILY.xattr.user.note": "here", "mtime": "1700000000.123456789"}), b"x"),
    member("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
    member("disk", tarfile.BLKTYPE, devmajor=7, devminor=200, mode=0o660, gid=6),
    member("fifo", tarfile.FIFOTYPE, mode=0o600),
    member("dangling", tarfile.SYMTYPE, linkname="/nowhere", uid=3),
    (member("n" * 255), b"long"),
    (member("d/" * 40 + "deep"), b"deep"),
    (member(b"\xff\xfe".decode("utf-8", "surrogateescape")), b"not UTF-8"),
    (member("first", mode=0o2755), b"many names"),
    member("second", tarfile.LNKTYPE, linkname="first"),
    member("d/third", tarfile.LNKTYPE, linkname="first"),
    member("sticky", tarfile.DIRTYPE, mode=0o1777),
)  # fmt: skip


async def test_a_layer_shows_what_it_was_filled_with(rig: Rig) -> None:
    extracted = await rig.layer(BASE, BASE_TAR)
    assert extracted.diff_id == digests.of(BASE_TAR)
    assert extracted.size_bytes == len(b"a" + b"bb" + b"old" + b"gone" + b"linked")
    async with rig.shown(BASE) as path:
        assert sorted(os.listdir(path)) == ["etc", "gone", "link1", "link2", "opt"]
        assert (path / "link1").stat().st_ino == (path / "link2").stat().st_ino


async def test_upper_layers_hide_lower_ones(rig: Rig) -> None:
    await rig.layer(BASE, BASE_TAR)
    await rig.layer(TOP, TOP_TAR, BASE)
    async with rig.shown(TOP) as path:
        assert sorted(os.listdir(path)) == ["etc", "link1", "link2", "opt", "sym"]
        assert os.listdir(path / "etc") == ["a"]
        assert os.listdir(path / "opt") == ["new"]
        found = (path / "etc/a").stat()
        assert (found.st_mode, found.st_uid, found.st_gid) == (stat.S_IFREG | 0o4755, 7, 8)
        assert (path / "link1").stat().st_nlink == 2
    async with rig.shown(BASE) as path:
        assert (path / "etc/a").read_bytes() == b"a"


async def test_everything_a_file_has_is_kept_in_the_next_layer(rig: Rig) -> None:
    await rig.layer(BASE, RICH_TAR)
    await rig.layer(TOP, tar(member("./", tarfile.DIRTYPE, mode=0o711, uid=5, gid=6)), BASE)
    await rig.driver.create_read_write(ROOT, TOP)
    async with rig.shown(ROOT) as path:
        top = path.stat()
        assert (stat.S_IMODE(top.st_mode), top.st_uid, top.st_gid) == (0o711, 5, 6)
        assert os.getxattr(path / "cap", "security.capability") == CAPABILITY
        assert os.getxattr(path / "user", "user.note") == b"here"
        assert (path / "user").stat().st_mtime_ns == 1_700_000_000_123_456_789
        assert os.lstat(path / "null").st_rdev == os.makedev(1, 3)
        assert stat.S_ISBLK(os.lstat(path / "disk").st_mode)
        assert stat.S_ISFIFO(os.lstat(path / "fifo").st_mode)
        assert (os.readlink(path / "dangling"), os.lstat(path / "dangling").st_uid) == ("/nowhere", 3)
        names = ("first", "second", "d/third")
        assert {(path / name).stat().st_ino for name in names} == {(path / "first").stat().st_ino}
        assert stat.S_IMODE((path / "first").stat().st_mode) == 0o2755
        assert stat.S_IMODE((path / "sticky").stat().st_mode) == 0o1777
        assert (path / ("d/" * 40 + "deep")).read_bytes() == b"deep"
        assert (path / ("n" * 255)).exists()
        assert b"\xff\xfe" in os.listdir(os.fsencode(path))


async def test_a_root_is_its_own_and_its_image_stays(rig: Rig) -> None:
    await rig.layer(BASE, BASE_TAR)
    for root in (ROOT, OTHER):
        await rig.driver.create_read_write(root, BASE)
    async with rig.shown(ROOT) as path:
        (path / "etc/a").write_bytes(b"container's")
        (path / "new").touch()
    async with rig.shown(ROOT) as path:
        assert (path / "etc/a").read_bytes() == b"container's"
    async with rig.shown(OTHER) as path:
        assert ((path / "etc/a").read_bytes(), (path / "new").exists()) == (b"a", False)


async def test_a_root_may_stand_on_a_root(rig: Rig) -> None:
    """As dockerd has it: the container's on one that has its /etc/hosts and the like."""
    await rig.layer(BASE, BASE_TAR)
    await rig.driver.create_read_write(f"{ROOT}-init", BASE)
    async with rig.shown(f"{ROOT}-init") as path:
        (path / "etc/hosts").touch()
    await rig.driver.create_read_write(ROOT, f"{ROOT}-init")
    async with rig.shown(ROOT) as path:
        assert sorted(os.listdir(path / "etc")) == ["a", "b", "hosts"]
        (path / "mine").touch()
    assert await rig.driver.changes(ROOT, f"{ROOT}-init") == (Change("/mine", Kind.ADDED),)


async def test_a_root_without_an_image_is_empty(rig: Rig) -> None:
    async with AsyncGet(rig, ROOT, "") as path:
        assert os.listdir(path) == []
        assert stat.S_IMODE(path.stat().st_mode) == 0o755
        (path / "file").touch()
    assert await rig.driver.changes(ROOT, None) == (Change("/file", Kind.ADDED),)


class AsyncGet:
    """What a start does: make it and get it in one step."""

    def __init__(self, rig: Rig, root: str, parent: str) -> None:
        self.rig, self.root, self.parent = rig, root, parent

    async def __aenter__(self) -> Path:
        return await self.rig.driver.open_read_write(self.root, self.parent)

    async def __aexit__(self, *_: object) -> None:
        await self.rig.driver.put(self.root)


async def test_every_call_may_be_repeated(rig: Rig) -> None:
    for _ in range(2):
        await rig.driver.create(BASE, "")
    blob = rig.scratch / "blob"
    blob.write_bytes(BASE_TAR)
    await rig.driver.apply_diff(BASE, "", blob)
    for _ in range(2):
        await rig.driver.create_read_write(ROOT, BASE)
    paths = {await rig.driver.get(ROOT) for _ in range(2)}
    (path,) = paths
    (path / "mine").touch()
    await rig.driver.create_read_write(ROOT, BASE)
    assert (path / "mine").exists()
    for _ in range(2):
        await rig.driver.put(ROOT)
    for layer in (ROOT, BASE):
        for _ in range(2):
            await rig.driver.remove(layer)
        assert not await rig.driver.exists(layer)


async def test_what_there_is_can_be_listed(rig: Rig) -> None:
    await rig.layer(BASE, BASE_TAR)
    await rig.driver.create_read_write(ROOT, BASE)
    assert (await rig.driver.exists(BASE), await rig.driver.exists(OTHER)) == (True, False)
    found = await rig.driver.inventory()
    assert found == Inventory(frozenset({BASE}), frozenset({ROOT}))
    async with rig.again() as later:
        assert await later.inventory() == found


async def test_the_next_engine_goes_on_with_it(rig: Rig) -> None:
    await rig.layer(BASE, BASE_TAR)
    await rig.driver.create_read_write(ROOT, BASE)
    async with rig.shown(ROOT) as path:
        (path / "mine").touch()
    async with rig.again() as later:
        path = await later.get(ROOT)
        assert (path / "mine").exists()
        await later.put(ROOT)
        assert await later.changes(ROOT, None) == (Change("/mine", Kind.ADDED),)


async def test_missing_layers_are_errors(rig: Rig) -> None:
    for call in (rig.driver.get(OTHER), rig.driver.create_read_write(ROOT, OTHER)):
        with pytest.raises((OSError, EngineError)):
            await call


async def test_what_is_shown_of_it_is_text(rig: Rig) -> None:
    await rig.layer(BASE, BASE_TAR)
    await rig.driver.create_read_write(ROOT, BASE)
    status = await rig.driver.status()
    assert all(isinstance(text, str) for pair in status for text in pair)
    assert "Backing Filesystem" in dict(status)
    metadata = await rig.driver.metadata(ROOT)
    assert metadata
    assert rig.driver.describe(ROOT) == metadata
    assert rig.driver.describe(OTHER) == {}


async def test_a_diff_over_the_parent_makes_the_same_tree_again(rig: Rig) -> None:
    await rig.layer(BASE, BASE_TAR)
    await rig.layer(TOP, TOP_TAR, BASE)
    content = await rig.diff(TOP, BASE)
    if rig.driver.capabilities.reproduces_exact_diffs:
        assert content == TOP_TAR
    await rig.layer(OTHER, content, BASE)
    async with rig.shown(TOP) as one:
        before = trees.tree(one)
    async with rig.shown(OTHER) as two:
        assert trees.tree(two) == before


async def test_a_diff_over_nothing_is_the_whole_tree(rig: Rig) -> None:
    await rig.layer(BASE, RICH_TAR)
    await rig.layer(TOP, tar(member("other")), BASE)
    await rig.layer(OTHER, await rig.diff(TOP, ""))
    async with rig.shown(TOP) as one, rig.shown(OTHER) as two:
        assert trees.tree(two) == trees.tree(one)


async def test_changes_over_the_parent_and_over_nothing(rig: Rig) -> None:
    await rig.layer(BASE, BASE_TAR)
    await rig.layer(TOP, TOP_TAR, BASE)
    async with rig.shown(BASE) as one:
        before = trees.tree(one)
    async with rig.shown(TOP) as two:
        after = trees.tree(two)
    for parent in (None, BASE):
        assert set(await rig.driver.changes(TOP, parent)) == trees.changes(before, after)
    assert set(await rig.driver.changes(TOP, "")) == trees.changes({}, after)
    assert await rig.driver.diff_size(TOP, BASE) == len(b"changed" + b"new" + b"etc/a")


async def test_an_untouched_root_has_no_changes(rig: Rig) -> None:
    await rig.layer(BASE, BASE_TAR)
    await rig.driver.create_read_write(ROOT, BASE)
    async with rig.shown(ROOT) as path:
        trees.tree(path)
    assert await rig.driver.changes(ROOT, None) == ()
    assert await rig.driver.diff_size(ROOT, None) == 0


async def test_a_root_in_use_can_be_looked_at(rig: Rig) -> None:
    await rig.layer(BASE, BASE_TAR)
    await rig.driver.create_read_write(ROOT, BASE)
    async with rig.shown(ROOT) as path:
        (path / "etc/a").write_bytes(b"12345")
        for parent in (None, BASE):
            changes = {Change("/etc", Kind.MODIFIED), Change("/etc/a", Kind.MODIFIED)}
            assert set(await rig.driver.changes(ROOT, parent)) == changes
            assert await rig.driver.diff_size(ROOT, parent) == 5
        assert len(await rig.driver.changes(ROOT, "")) > 5
        assert (path / "etc/a").read_bytes() == b"12345"


@pytest.mark.parametrize("form", ["gzip", "growing", "stream"])
async def test_a_layer_may_arrive_in_any_form(rig: Rig, form: str) -> None:
    blob = rig.scratch / "blob"
    blob.write_bytes(gzip.compress(BASE_TAR))
    growing = Growing(blob)
    forms: dict[str, Archived] = {"gzip": blob, "growing": growing, "stream": pieces(BASE_TAR)}
    await rig.driver.create(BASE, "")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(grow, growing, blob.stat().st_size)
        extracted = await rig.driver.apply_diff(BASE, "", forms[form])
    assert extracted.diff_id == digests.of(BASE_TAR)
    async with rig.shown(BASE) as path:
        assert (path / "etc/b").read_bytes() == b"bb"


async def grow(growing: Growing, size_bytes: int) -> None:
    for size in range(size_bytes):
        growing.grown(size)
        await trio.lowlevel.checkpoint()
    growing.grown(size_bytes)
    growing.complete()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


@pytest.mark.parametrize("content", [b"no tar at all" * 100, BASE_TAR[:700], gzip.compress(BASE_TAR)[:-20]])
async def test_what_cannot_be_unpacked_is_refused_and_can_be_tried_again(rig: Rig, content: bytes) -> None:
    with pytest.raises((InvalidParameter, Failed), match="archive"):
        await rig.layer(BASE, content)
    await rig.driver.remove(BASE)
    await rig.layer(BASE, BASE_TAR)
    async with rig.shown(BASE) as path:
        assert len(os.listdir(path)) == 5


async def test_a_layer_that_was_cut_off_can_be_removed_by_the_next_engine(rig: Rig) -> None:
    await rig.driver.create(BASE, "")

    async def endless() -> AsyncIterator[bytes]:
        yield BASE_TAR[:2000]
        nursery.cancel_scope.cancel()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await rig.driver.apply_diff(BASE, "", endless())
    async with rig.again() as later:
        await later.remove(BASE)
        assert (await later.inventory()).read_only == frozenset()


async def test_a_stack_of_many_layers(rig: Rig) -> None:
    below = ""
    for number in range(60):
        content = tar((member(f"file{number}"), b""), (member("top"), b"%d" % number))
        await rig.layer(f"{number:064x}", content, below)
        below = f"{number:064x}"
    await rig.driver.create_read_write(ROOT, below)
    async with rig.shown(ROOT) as path:
        assert len(os.listdir(path)) == 61
        assert (path / "top").read_text() == "59"
        (path / "file7").unlink()
    assert await rig.driver.changes(ROOT, None) == (Change("/file7", Kind.DELETED),)
