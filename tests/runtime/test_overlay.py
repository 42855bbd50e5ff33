"""The overlay driver on the real kernel; needs root."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from daemon.archives import sandbox
from daemon.errors import Failed
from daemon.graphdrivers.layers import OverlayLayers
from daemon.graphdrivers.overlay import OverlayDriver
from daemon.images import digests
from tests.unit.images.tars import member, tar

pytestmark = pytest.mark.runtime
CONTAINER = "c" * 64


@attrs.define(eq=False)
class Setting:
    """A driver, and layers to stack."""

    driver: OverlayDriver
    layers: OverlayLayers

    async def layer(self, content: bytes) -> str:
        blob = self.layers.root / "blob"
        blob.write_bytes(content)
        chain_id = digests.of(content)
        with self.layers.staging() as staged:
            await sandbox.extract(blob, staged)
            self.layers.adopt(staged, chain_id)
        return chain_id

    def mounts(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if str(self.layers.root) in line]


async def _setting(root: Path) -> AsyncIterator[Setting]:
    layers = OverlayLayers(root)
    layers.open()
    made = Setting(OverlayDriver(root, layers), layers)
    yield made
    for container in (root / "containers").glob("*"):
        await made.driver.remove(container.name)
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
        )
    )
    await setting.driver.prepare(CONTAINER, [lower, upper])
    merged = await setting.driver.mount(CONTAINER)
    assert (merged / "same").read_bytes() == b"upper"
    assert (merged / "kept").read_bytes() == b"kept"
    assert sorted(path.name for path in merged.iterdir()) == ["d", "kept", "re", "same"]
    assert [path.name for path in (merged / "d").iterdir()] == ["new"]
    assert list((merged / "re").iterdir()) == []


async def test_what_a_container_writes_outlives_the_mount_and_not_the_container(setting: Setting) -> None:
    layer = await setting.layer(tar((member("file"), b"image's")))
    await setting.driver.prepare(CONTAINER, [layer])
    merged = await setting.driver.mount(CONTAINER)
    (merged / "file").write_bytes(b"container's")
    await setting.driver.unmount(CONTAINER)
    assert setting.mounts() == []
    assert (await setting.driver.mount(CONTAINER) / "file").read_bytes() == b"container's"
    assert (setting.layers.path(layer) / "file").read_bytes() == b"image's"
    await setting.driver.remove(CONTAINER)
    assert not setting.driver.directory(CONTAINER).exists()
    assert setting.driver.describe(CONTAINER) == {}


async def test_every_call_may_be_repeated(setting: Setting) -> None:
    layer = await setting.layer(tar((member("file"), b"x")))
    for _ in range(2):
        await setting.driver.prepare(CONTAINER, [layer])
    merged = {await setting.driver.mount(CONTAINER) for _ in range(2)}
    assert len(merged) == len(setting.mounts()) == 1
    for _ in range(2):
        await setting.driver.unmount(CONTAINER)
    for _ in range(2):
        await setting.driver.remove(CONTAINER)


async def test_the_root_directory_is_the_images(setting: Setting) -> None:
    layer = await setting.layer(tar(member("./", tarfile.DIRTYPE, mode=0o711, uid=5, gid=6)))
    await setting.driver.prepare(CONTAINER, [layer])
    found = (await setting.driver.mount(CONTAINER)).stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o711, 5, 6)


async def test_preparing_again_leaves_the_container_its_root(setting: Setting) -> None:
    layer = await make_plain(setting, 1)
    await setting.driver.prepare(CONTAINER, [layer])
    (await setting.driver.mount(CONTAINER)).chmod(0o700)
    await setting.driver.prepare(CONTAINER, [layer])
    assert stat.S_IMODE((await setting.driver.mount(CONTAINER)).stat().st_mode) == 0o700


async def test_an_image_without_layers_is_an_empty_root(setting: Setting) -> None:
    await setting.driver.prepare(CONTAINER, [])
    merged = await setting.driver.mount(CONTAINER)
    assert list(merged.iterdir()) == []
    (merged / "file").touch()


async def test_more_layers_than_a_page_of_paths_can_name(setting: Setting) -> None:
    layers = [await make_plain(setting, number) for number in range(120)]
    await setting.driver.prepare(CONTAINER, layers)
    merged = await setting.driver.mount(CONTAINER)
    assert len(list(merged.iterdir())) == 120 + 1
    assert (merged / "top").read_text() == "119"


async def make_plain(setting: Setting, number: int) -> str:
    chain_id = digests.of(b"%d" % number)
    with setting.layers.staging() as staged:
        (staged / f"file{number}").touch()
        (staged / "top").write_text(f"{number}")
        setting.layers.adopt(staged, chain_id)
    return chain_id


async def test_a_root_with_characters_that_overlayfs_minds(awkward: Setting) -> None:
    layers = [await make_plain(awkward, number) for number in range(2)]
    await awkward.driver.prepare(CONTAINER, layers)
    assert (await awkward.driver.mount(CONTAINER) / "top").read_text() == "1"
    assert len(awkward.driver.describe(CONTAINER)) == 4
    await awkward.driver.remove(CONTAINER)
    assert not awkward.driver.directory(CONTAINER).exists()


async def test_a_busy_root_is_detached(setting: Setting) -> None:
    await setting.driver.prepare(CONTAINER, [await make_plain(setting, 1)])
    merged = await setting.driver.mount(CONTAINER)
    with (merged / "top").open():
        await setting.driver.remove(CONTAINER)
        assert setting.mounts() == []
    assert not setting.driver.directory(CONTAINER).exists()


async def test_what_was_never_prepared_cannot_be_mounted(setting: Setting) -> None:
    with pytest.raises(Failed, match=r"failed to mount the root filesystem of container cccccccccccc: "):
        await setting.driver.mount(CONTAINER)


async def test_a_missing_layer_is_named(setting: Setting) -> None:
    with pytest.raises(Failed, match=r"No such file or directory.*layers/" + "f" * 64):
        await setting.driver.prepare(CONTAINER, ["sha256:" + "f" * 64])


async def test_what_cannot_be_deleted_is_an_error_and_can_be_tried_again(setting: Setting) -> None:
    await setting.driver.prepare(CONTAINER, [])
    stubborn = setting.driver.directory(CONTAINER) / "diff" / "stubborn"
    stubborn.touch()
    await trio.run_process(["chattr", "+i", str(stubborn)])
    try:
        with pytest.raises(Failed, match="failed to remove the root filesystem"):
            await setting.driver.remove(CONTAINER)
    finally:
        # Shielded, or a cancelled test would leave what nobody can delete.
        with trio.move_on_after(5, shield=True):
            await trio.run_process(["chattr", "-i", str(stubborn)])
    await setting.driver.remove(CONTAINER)
    assert not setting.driver.directory(CONTAINER).exists()


async def test_a_tree_deeper_than_pythons_stack_is_deleted(setting: Setting) -> None:
    await setting.driver.prepare(CONTAINER, [])
    dig(setting.driver.directory(CONTAINER) / "diff", 3000)
    await setting.driver.remove(CONTAINER)
    assert not setting.driver.directory(CONTAINER).exists()


def dig(directory: Path, depth: int) -> None:
    current = os.open(directory, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=current)
        below = os.open("d", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = below
    os.close(current)


async def test_start_up_removes_the_roots_of_containers_that_are_no_more(setting: Setting) -> None:
    layer = await make_plain(setting, 1)
    for container_id in ("a" * 64, "b" * 64):
        await setting.driver.prepare(container_id, [layer])
        await setting.driver.mount(container_id)
    await setting.driver.prune({"a" * 64})
    assert [path.name for path in (setting.layers.root / "containers").iterdir()] == ["a" * 64]
    assert len(setting.mounts()) == 1
