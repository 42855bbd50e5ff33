"""The copier of vfs, on what the contract does not look at; needs root."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from daemon.errors import Failed
from daemon.graphdrivers.vfs import VfsDriver
from tests.runtime.test_overlay import dig

pytestmark = pytest.mark.runtime
HOLE_BYTES = 64 << 20


@pytest.fixture
async def driver(tmp_path: Path) -> VfsDriver:
    made = VfsDriver(tmp_path)
    await made.init()
    await made.create_read_write("one", "")
    return made


async def copied(driver: VfsDriver) -> Path:
    await driver.create_read_write("two", "one")
    return await driver.get("two")


async def test_holes_stay_holes(driver: VfsDriver) -> None:
    with (await driver.get("one") / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(HOLE_BYTES)
        file.write(b"end")
        file.truncate(2 * HOLE_BYTES)
    copy = await copied(driver) / "sparse"
    assert copy.stat().st_size == 2 * HOLE_BYTES
    assert copy.stat().st_blocks * 512 < HOLE_BYTES
    with copy.open("rb") as file:
        assert file.read(6) == b"begin\0"
        file.seek(HOLE_BYTES)
        assert file.read(4) == b"end\0"


async def test_a_tree_deeper_than_pythons_stack_is_copied(driver: VfsDriver) -> None:
    dig(await driver.get("one"), 1200)
    await copied(driver)
    assert await driver.changes("two", None) == ()
    await driver.remove("one")
    await driver.remove("two")


async def test_a_socket_is_copied_as_one(driver: VfsDriver) -> None:
    path = await driver.get("one") / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    assert (await copied(driver) / "socket").is_socket()


async def test_links_are_copied_and_not_followed(driver: VfsDriver) -> None:
    (await driver.get("one") / "link").symlink_to("/etc")
    assert os.readlink(await copied(driver) / "link") == "/etc"


async def test_a_copy_that_fails_is_none(driver: VfsDriver) -> None:
    top = await driver.get("one")
    for number in range(3):
        (top / f"{number}").mkdir()
    (driver.home / "dir" / "one").rename(driver.home / "kept")
    (driver.home / "dir" / "one").symlink_to(driver.home / "kept")
    with pytest.raises(Failed, match="cannot copy a layer: "):
        await copied(driver)
    assert not await driver.exists("two")
    (driver.home / "dir" / "one").unlink()
    (driver.home / "kept").rename(driver.home / "dir" / "one")
    assert len(os.listdir(await copied(driver))) == 3
