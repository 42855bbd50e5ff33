"""The host's side of bind mounts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.errors import Failed, InvalidParameter
from daemon.model import BindOptions, HostConfig, Mount
from daemon.runtimes.spec.sources import check_bind_sources, make_bind_sources


def mount(source: Path, *, create: bool = False) -> HostConfig:
    return HostConfig(
        mounts=(Mount("bind", str(source), "/b", bind_options=BindOptions(create_mountpoint=create)),)
    )


async def test_the_source_of_a_mount_has_to_exist(tmp_path: Path) -> None:
    await check_bind_sources(mount(tmp_path))
    with pytest.raises(InvalidParameter) as caught:
        await check_bind_sources(mount(tmp_path / "no"))
    assert str(caught.value) == (
        f'invalid mount config for type "bind": bind source path does not exist: {tmp_path}/no'
    )


async def test_a_source_that_may_be_made_is_made_at_start_not_at_create(tmp_path: Path) -> None:
    for host_config in (mount(tmp_path / "a", create=True), HostConfig(binds=(f"{tmp_path}/b/c:/b",))):
        await check_bind_sources(host_config)
    assert os.listdir(tmp_path) == []
    for host_config in (mount(tmp_path / "a", create=True), HostConfig(binds=(f"{tmp_path}/b/c:/b",))):
        await make_bind_sources(host_config)
    assert (tmp_path / "a").is_dir()
    assert (tmp_path / "b/c").is_dir()


async def test_a_source_that_cannot_be_made_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failed, match=f"error while creating mount source path '{tmp_path}/file/x'"):
        await make_bind_sources(HostConfig(binds=(f"{tmp_path}/file/x:/b",)))


async def test_a_file_is_as_good_a_source_as_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    await make_bind_sources(HostConfig(binds=(f"{tmp_path}/file:/b",)))
    assert (tmp_path / "file").is_file()
