"""The overlay driver on the real kernel; needs root."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import orjson
import pytest
import trio

from daemon.errors import Failed
from daemon.graphdrivers.layers import Layers, layer_id
from daemon.graphdrivers.overlay import OverlayDriver
from daemon.graphdrivers.roots import Roots
from daemon.images import digests
from tests.unit.images.tars import member, tar

pytestmark = pytest.mark.runtime
CONTAINER = "c" * 64


@attrs.define(eq=False)
class Setting:
    """Root filesystems, and layers to stack."""

    driver: OverlayDriver
    layers: Layers
    roots: Roots

    async def layer(self, content: bytes, parent: str | None = None) -> str:
        blob = self.driver.home / "blob"
        blob.write_bytes(content)
        chain_id = digests.of(content)
        await self.layers.add(chain_id, parent, blob, lambda _: None)
        return chain_id

    async def plain(self, number: int, parent: str | None = None) -> str:
        """Make a layer with two files."""
        files = ((member(f"file{number}"), b""), (member("top"), b"%d" % number))
        return await self.layer(tar(*files), parent)

    async def prepare(self, *chain_ids: str) -> None:
        await self.roots.prepare(CONTAINER, chain_ids)

    async def mount(self) -> Path:
        return await self.roots.mount(CONTAINER)

    @property
    def directory(self) -> Path:
        return self.driver.files.container(CONTAINER)

    def mounts(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        root = str(self.driver.home).replace("\\", "\\134").replace(" ", "\\040")
        return [line for line in lines if root in line]


async def _setting(root: Path) -> AsyncIterator[Setting]:
    driver = OverlayDriver(root)
    await driver.init()
    layers = Layers(driver)
    await layers.open()
    made = Setting(driver, layers, Roots(driver))
    yield made
    for container in (root / "containers").glob("*"):
        await made.roots.remove(container.name)
    assert made.mounts() == []


@pytest.fixture
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    async for made in _setting(tmp_path / "overlay"):
        yield made


@pytest.fixture
async def awkward(tmp_path: Path) -> AsyncIterator[Setting]:
    async for made in _setting(tmp_path / "a:b,c\\d e"):
        yield made


async def test_upper_layers_hide_lower_ones(setting: Setting) -> None:
    lower = await setting.layer(
        tar(
            (member("same"), b"lower"),
            (member("gone"), b""),
            (member("d/old"), b""),
            (member("re/old"), b""),
            (member("kept"), b"kept"),
        )
    )
    upper = await setting.layer(
        tar(
            (member("same"), b"upper"),
            member(".wh.gone"),
            member("d/.wh..wh..opq"),
            (member("d/new"), b""),
            member(".wh.re"),
            member("re", tarfile.DIRTYPE),
        ),
        lower,
    )
    await setting.prepare(lower, upper)
    merged = await setting.mount()
    assert (merged / "same").read_bytes() == b"upper"
    assert (merged / "kept").read_bytes() == b"kept"
    assert sorted(path.name for path in merged.iterdir()) == ["d", "kept", "re", "same"]
    assert [path.name for path in (merged / "d").iterdir()] == ["new"]
    assert list((merged / "re").iterdir()) == []


async def test_what_a_container_writes_outlives_the_mount_and_not_the_container(setting: Setting) -> None:
    layer = await setting.layer(tar((member("file"), b"image's")))
    await setting.prepare(layer)
    merged = await setting.mount()
    (merged / "file").write_bytes(b"container's")
    await setting.roots.unmount(CONTAINER)
    assert setting.mounts() == []
    assert (await setting.mount() / "file").read_bytes() == b"container's"
    assert (setting.driver.files.layer(layer_id(layer)) / "file").read_bytes() == b"image's"
    await setting.roots.remove(CONTAINER)
    assert not setting.directory.exists()
    assert setting.roots.describe(CONTAINER) == {}


async def test_every_call_may_be_repeated(setting: Setting) -> None:
    layer = await setting.layer(tar((member("file"), b"x")))
    for _ in range(2):
        await setting.prepare(layer)
    merged = {await setting.mount() for _ in range(2)}
    assert len(merged) == len(setting.mounts()) == 1
    for _ in range(2):
        await setting.roots.unmount(CONTAINER)
    for _ in range(2):
        await setting.roots.remove(CONTAINER)


async def test_the_root_directory_is_the_images(setting: Setting) -> None:
    layer = await setting.layer(tar(member("./", tarfile.DIRTYPE, mode=0o711, uid=5, gid=6)))
    await setting.prepare(layer)
    found = (await setting.mount()).stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o711, 5, 6)


async def test_preparing_again_leaves_the_container_its_root(setting: Setting) -> None:
    layer = await setting.plain(1)
    await setting.prepare(layer)
    (await setting.mount()).chmod(0o700)
    await setting.prepare(layer)
    assert stat.S_IMODE((await setting.mount()).stat().st_mode) == 0o700


async def test_an_image_without_layers_is_an_empty_root(setting: Setting) -> None:
    await setting.prepare()
    merged = await setting.mount()
    assert list(merged.iterdir()) == []
    (merged / "file").touch()


async def test_more_layers_than_a_page_of_paths_can_name(setting: Setting) -> None:
    await setting.prepare(*await deep(setting, 120))
    merged = await setting.mount()
    assert len(list(merged.iterdir())) == 120 + 1
    assert (merged / "top").read_text() == "119"


async def deep(setting: Setting, number: int) -> list[str]:
    """Stack so many layers on one another; returns the chain IDs, lowest first."""
    chain_ids: list[str] = []
    for each in range(number):
        chain_ids.append(await setting.plain(each, chain_ids[-1] if chain_ids else None))
    return chain_ids


async def test_a_root_with_characters_that_overlayfs_minds(awkward: Setting) -> None:
    await awkward.prepare(*await deep(awkward, 2))
    assert (await awkward.mount() / "top").read_text() == "1"
    assert len(awkward.roots.describe(CONTAINER)) == 4
    await awkward.roots.remove(CONTAINER)
    assert not awkward.directory.exists()


async def test_a_busy_root_is_detached(setting: Setting) -> None:
    await setting.prepare(await setting.plain(1))
    merged = await setting.mount()
    with (merged / "top").open():
        await setting.roots.remove(CONTAINER)
        assert setting.mounts() == []
    assert not setting.directory.exists()


async def test_what_was_never_prepared_cannot_be_mounted(setting: Setting) -> None:
    with pytest.raises(Failed, match=r"failed to mount the root filesystem of container cccccccccccc: "):
        await setting.mount()


async def test_a_missing_layer_is_named(setting: Setting) -> None:
    with pytest.raises(Failed, match=r"No such file or directory.*layers/" + "f" * 64):
        await setting.roots.prepare(CONTAINER, ["sha256:" + "f" * 64])


async def test_what_cannot_be_deleted_is_an_error_and_can_be_tried_again(setting: Setting) -> None:
    await setting.prepare()
    stubborn = setting.directory / "diff" / "stubborn"
    stubborn.touch()
    await trio.run_process(["chattr", "+i", str(stubborn)])
    try:
        with pytest.raises(Failed, match="failed to remove the root filesystem"):
            await setting.roots.remove(CONTAINER)
    finally:
        # Shielded, or a cancelled test would leave what nobody can delete.
        with trio.move_on_after(5, shield=True):
            await trio.run_process(["chattr", "-i", str(stubborn)])
    await setting.roots.remove(CONTAINER)
    assert not setting.directory.exists()


async def test_a_tree_deeper_than_pythons_stack_is_deleted(setting: Setting) -> None:
    await setting.prepare()
    dig(setting.directory / "diff", 3000)
    await setting.roots.remove(CONTAINER)
    assert not setting.directory.exists()


def dig(directory: Path, depth: int) -> None:
    current = os.open(directory, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=current)
        below = os.open("d", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = below
    os.close(current)


async def test_start_up_removes_the_roots_of_containers_that_are_no_more(setting: Setting) -> None:
    layer = await setting.plain(1)
    for container_id in ("a" * 64, "b" * 64):
        await setting.roots.prepare(container_id, [layer])
        await setting.roots.mount(container_id)
    await setting.roots.prune({"a" * 64})
    assert [path.name for path in (setting.driver.home / "containers").iterdir()] == ["a" * 64]
    assert len(setting.mounts()) == 1


async def test_the_data_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """It had no index and no parents; a container's layers were chain IDs; half a layer lay in staging."""
    root = tmp_path / "overlay"
    chain = [f"sha256:{number * 64}" for number in "12"]
    for chain_id in chain:
        (root / "layers" / layer_id(chain_id)).mkdir(parents=True)
        (root / "layers" / layer_id(chain_id) / chain_id[-1]).touch()
    for name in ("staging", "trash"):
        (root / name / "half").mkdir(parents=True)
    for name in ("diff", "work", "merged"):
        (root / "containers" / CONTAINER / name).mkdir(parents=True)
    (root / "containers" / CONTAINER / "layers").write_bytes(orjson.dumps(chain))
    async for setting in _setting(root):
        assert (root / "staging").exists() is False
        assert list((root / "trash").iterdir()) == []
        await setting.layers.know(chain)
        setting.layers.keep_only(chain)
        await setting.layers.sweep()
        other = "d" * 64
        assert [sorted(path.name for path in (await setting.mount()).iterdir())] == [["1", "2"]]
        assert len(setting.roots.describe(CONTAINER)) == 4
        async with setting.roots.mounted(other, chain) as merged:
            assert sorted(path.name for path in merged.iterdir()) == ["1", "2"]


async def test_a_layer_is_looked_at_without_being_changed(setting: Setting) -> None:
    for chain_id in await deep(setting, 2):
        path = await setting.driver.get(layer_id(chain_id))
        assert (path / "file0").exists()
        with pytest.raises(OSError, match="Read-only file system"):
            (path / "new").touch()
        await setting.driver.put(layer_id(chain_id))
    assert list((setting.driver.home / "views").iterdir()) == []


async def test_a_layer_may_come_before_the_one_below(setting: Setting) -> None:
    lower, upper = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    blob = setting.driver.home / "blob"
    for chain_id, below, name in ((upper, lower, "upper"), (lower, None, "lower")):
        blob.write_bytes(tar(member(name)))
        await setting.layers.add(chain_id, below, blob, lambda _: None)
    await setting.prepare(lower, upper)
    assert sorted(path.name for path in (await setting.mount()).iterdir()) == ["lower", "upper"]


async def test_a_running_root_survives_its_engine_and_a_look_at_it(setting: Setting) -> None:
    await setting.prepare(await setting.plain(1))
    merged = await setting.mount()
    later = Roots(setting.driver)
    await later.adopt([CONTAINER])
    async with later.mounted(CONTAINER) as path:
        assert path == merged
    assert len(setting.mounts()) == 1
    await later.unmount(CONTAINER)
    assert setting.mounts() == []


async def test_what_docker_info_shows(setting: Setting) -> None:
    status = dict(await setting.driver.status())
    assert status["Native Overlay Diff"] == "true"
    assert status["Backing Filesystem"] not in {"", "<unknown>"}


async def test_what_a_container_has_changed_is_a_layer(setting: Setting) -> None:
    lower = await setting.layer(tar((member("gone"), b""), (member("kept"), b"")))
    await setting.prepare(lower)
    merged = await setting.mount()
    (merged / "gone").unlink()
    (merged / "new").write_text("new")
    async with setting.roots.diff(CONTAINER) as chunks:
        content = b"".join([chunk async for chunk in chunks])
    upper = await setting.layer(content, lower)
    async with setting.roots.mounted("d" * 64, [lower, upper]) as again:
        assert sorted(path.name for path in again.iterdir()) == ["kept", "new"]
