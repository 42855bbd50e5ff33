"""Which driver an engine has, on real file systems and with a real plugin; needs root."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from daemon.errors import Failed
from daemon.graphdrivers.choosing import chosen_driver
from daemon.graphdrivers.driver import Driver
from daemon.graphdrivers.serving import serve
from daemon.graphdrivers.vfs import VfsDriver
from daemon.plugins.discovery import Directories
from daemon.settings import Settings

pytestmark = pytest.mark.runtime


@pytest.fixture
async def directories(tmp_path: Path) -> AsyncIterator[Directories]:
    """Where there is a plugin `mine`."""
    found = Directories(tmp_path / "plugins", (tmp_path / "specs",))
    async with serve(lambda home, _: VfsDriver(home), "mine", found):
        yield found


@pytest.fixture
def overlaid(tmp_path: Path) -> Iterator[Path]:
    """A directory on overlayfs, which overlayfs itself cannot write to."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    merged = tmp_path / "merged"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], check=True)
    yield merged
    subprocess.run(["umount", str(merged)], check=True)


async def chosen(root: Path, name: str = "", directories: Directories | None = None) -> Driver:
    settings = Settings(data_root=root, storage_driver=name)
    return await chosen_driver(settings, directories)


async def test_it_is_overlay_where_that_works(tmp_path: Path) -> None:
    for name in ("", "overlay2", "overlay"):
        assert (await chosen(tmp_path, name)).name == "overlay2"
    assert not (tmp_path / "overlay" / "probe").exists()


async def test_it_is_vfs_where_overlay_does_not_work(
    overlaid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (await chosen(overlaid)).name == "vfs"
    assert "overlayfs does not work on the file system of" in capsys.readouterr().out


async def test_what_was_asked_for_and_does_not_work_is_an_error(overlaid: Path) -> None:
    with pytest.raises(Failed, match=r"overlayfs does not work on the file system of .*/overlay: "):
        await chosen(overlaid, "overlay2")


@pytest.mark.parametrize("name", ["vfs", "mine", "overlay2"])
async def test_what_the_data_was_made_with_stays(tmp_path: Path, directories: Directories, name: str) -> None:
    first = await chosen(tmp_path, name, directories)
    await first.create("layer", "")
    for wanted in ("", name):
        later = await chosen(tmp_path, wanted, directories)
        assert (later.name, await later.exists("layer")) == (name, True)
        await close(later)
    await close(first)


async def close(driver: Driver) -> None:
    await driver.cleanup()


async def test_another_than_before_is_refused(tmp_path: Path) -> None:
    await (await chosen(tmp_path, "vfs")).create("layer", "")
    with pytest.raises(Failed, match="has layers of the storage driver vfs, which overlay2 cannot use"):
        await chosen(tmp_path, "overlay2")


async def test_a_driver_that_was_never_used_is_none(tmp_path: Path) -> None:
    await chosen(tmp_path, "vfs")
    assert (await chosen(tmp_path)).name == "overlay2"


async def test_of_several_one_has_to_be_said(tmp_path: Path) -> None:
    vfs, overlay = await chosen(tmp_path, "vfs"), await chosen(tmp_path, "overlay2")
    for driver in (vfs, overlay):
        await driver.create("layer", "")
    with pytest.raises(Failed, match="several storage drivers, say which to use: overlay2 or vfs"):
        await chosen(tmp_path)
    assert (await chosen(tmp_path, "vfs")).name == "vfs"
