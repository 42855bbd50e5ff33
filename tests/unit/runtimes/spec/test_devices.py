"""Devices a container asks for, as the host has them, and rules in the kernel's notation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.errors import InvalidParameter
from daemon.model import Device, HostConfig, WeightDevice
from daemon.runtimes.spec.devices import find_block_devices, find_devices, parse_rule
from daemon.runtimes.spec.inputs import DeviceNode


def test_a_rule_names_a_device_or_all_of_them() -> None:
    assert parse_rule("c 1:* rm") == {"allow": True, "type": "c", "major": 1, "access": "rm"}
    assert parse_rule("a *:* rwm") == {"allow": True, "type": "a", "access": "rwm"}


@pytest.mark.parametrize("text", ["", "c 1:3", "c 1:3 x", "d 1:3 r", "c -1:3 r", "c 1:3 r\n"])
def test_a_malformed_rule_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid device cgroup rule format"):
        parse_rule(text)


async def test_a_device_is_looked_up_through_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    (found,) = await find_devices(HostConfig(devices=(Device(str(tmp_path / "link"), "/dev/it", "r"),)))
    status = os.stat("/dev/null")
    assert (found.path, found.kind, found.major, found.minor, found.access) == ("/dev/it", "c", 1, 3, "r")
    assert found.mode == status.st_mode & 0o7777


async def test_a_directory_gives_all_devices_below_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").touch()
    os.mknod(tmp_path / "sub" / "node", 0o020600, os.makedev(1, 3))
    found = await find_devices(HostConfig(devices=(Device(str(tmp_path), "/dev/all"),)))
    assert found == (DeviceNode("/dev/all/sub/node", "c", 1, 3, 0o600),)


@pytest.mark.parametrize(
    ("device", "text"),
    [
        (Device("/nowhere"), 'custom device "/nowhere": not a device node'),
        (Device("/etc/passwd"), "not a device node"),
        (Device("/dev/null", "relative"), "not a device node"),
        (Device("/dev/null", "/dev/null", "rx"), "invalid device mode: rx"),
    ],
)
async def test_what_is_no_device_is_refused(device: Device, text: str) -> None:
    with pytest.raises(InvalidParameter, match=text):
        await find_devices(HostConfig(devices=(device,)))


async def test_nothing_is_looked_up_for_a_container_without_devices() -> None:
    assert await find_devices(HostConfig()) == ()
    assert await find_block_devices(HostConfig()) == {}


async def test_a_privileged_container_gets_the_hosts_devices_but_not_its_terminals() -> None:
    paths = {node.path for node in await find_devices(HostConfig(privileged=True))}
    assert "/dev/kmsg" in paths
    assert not [path for path in paths if path.startswith("/dev/pts")]


@pytest.mark.parametrize("path", ["/dev/null", "/nowhere"])
async def test_block_io_needs_a_block_device(path: str) -> None:
    with pytest.raises(InvalidParameter, match=f"invalid block device {path}"):
        await find_block_devices(HostConfig(blkio_weight_device=(WeightDevice(path, 100),)))
