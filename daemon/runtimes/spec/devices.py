"""Devices: which nodes a container sees and which ones its cgroup lets it open.

The six every program expects (null, zero, full, random, urandom, tty) and /dev/console for a terminal are
made and allowed by the runtime itself, as the OCI spec demands.  So the section has only what
was asked for beside them, and the cgroup starts from "deny everything".
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from daemon.errors import InvalidParameter
from daemon.model import Device, HostConfig
from daemon.runtimes.spec.inputs import DeviceNode
from daemon.runtimes.spec.sources import look_up

_RULE: Final = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})")
_ACCESS: Final = re.compile(r"[rwm]{1,3}")
# What is never handed on from the host: the container gets its own of each.
_OWN_NAMES: Final = "console fd full mqueue null ptmx pts random shm tty urandom zero"
_OWN_IN_DEV: Final = frozenset(_OWN_NAMES.split())
_DENY_ALL: Final = {"allow": False, "access": "rwm"}
_ALLOW_ALL: Final = {"allow": True, "access": "rwm"}


def nodes(devices: Iterable[DeviceNode]) -> list[dict[str, Any]]:
    """Return the nodes to make."""
    return [
        {
            "path": device.path,
            "type": device.kind,
            "major": device.major,
            "minor": device.minor,
            "fileMode": device.mode,
            "uid": device.uid,
            "gid": device.gid,
        }
        for device in devices
    ]


def rules(host_config: HostConfig, devices: Iterable[DeviceNode]) -> list[dict[str, Any]]:
    """Return the cgroup's device rules."""
    if host_config.privileged:
        return [_ALLOW_ALL]
    allowed = [
        {"allow": True, "type": node.kind, "major": node.major, "minor": node.minor, "access": node.access}
        for node in devices
    ]
    return [_DENY_ALL, *allowed, *(parse_rule(text) for text in host_config.device_cgroup_rules or ())]


def parse_rule(text: str) -> dict[str, Any]:
    """Read one of DeviceCgroupRules: "c 1:3 rwm", `*` for any number.

    Raises:
        InvalidParameter: it is malformed.

    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise InvalidParameter(f"invalid device cgroup rule format: '{text}'")
    kind, major, minor, access = found.groups()
    numbers = {"major": major, "minor": minor}
    given = {name: int(number) for name, number in numbers.items() if number != "*"}
    return {"allow": True, "type": kind, **given, "access": access}


async def find_devices(host_config: HostConfig) -> tuple[DeviceNode, ...]:
    """Look up the devices a container asks for; in a thread, as clients name the paths.

    Raises:
        InvalidParameter: a path is no device, or its permissions are malformed.

    """
    if not (host_config.devices or host_config.privileged):
        return ()
    return await look_up(lambda: _nodes_of(host_config))


async def find_block_devices(host_config: HostConfig) -> Mapping[str, tuple[int, int]]:
    """Look up (major, minor) of every path in the block IO settings.

    Raises:
        InvalidParameter: a path is no block device.

    """
    paths = {entry.path for _, entries in block_settings(host_config) for entry in entries}
    if not paths:
        return {}
    return await look_up(lambda: {path: _block_number(path) for path in sorted(paths)})


def block_settings(host_config: HostConfig) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield each per-device block IO setting: its name in the spec, its entries."""
    yield "weightDevice", host_config.blkio_weight_device or ()
    yield "throttleReadBpsDevice", host_config.blkio_device_read_bps or ()
    yield "throttleWriteBpsDevice", host_config.blkio_device_write_bps or ()
    yield "throttleReadIOPSDevice", host_config.blkio_device_read_iops or ()
    yield "throttleWriteIOPSDevice", host_config.blkio_device_write_iops or ()


def _nodes_of(host_config: HostConfig) -> tuple[DeviceNode, ...]:
    found = _all_of_host() if host_config.privileged else []
    for device in host_config.devices or ():
        found += _asked(device)
    return tuple({node.path: node for node in found}.values())


def _all_of_host() -> list[DeviceNode]:
    entries = (entry for entry in sorted(os.listdir("/dev")) if entry not in _OWN_IN_DEV)
    return [node for entry in entries for node in _tree(f"/dev/{entry}", f"/dev/{entry}", "rwm")]


def _asked(device: Device) -> list[DeviceNode]:
    access = device.cgroup_permissions or "rwm"
    if not _ACCESS.fullmatch(access):
        raise InvalidParameter(f"invalid device mode: {access}")
    source = os.path.realpath(device.path_on_host)
    target = posixpath.normpath(device.path_in_container or device.path_on_host)
    found = list(_tree(source, target, access)) if target.startswith("/") else []
    if not found:
        raise InvalidParameter(
            "error gathering device information while adding custom device "
            f'"{device.path_on_host}": not a device node'
        )
    return found


def _tree(source: str, target: str, access: str) -> Iterator[DeviceNode]:
    """Yield the device at `source`, or all devices below it, as they will be at `target`."""
    try:
        status = os.lstat(source)
    except OSError:
        return  # gone between listing and looking; nobody can use it
    if stat.S_ISDIR(status.st_mode):
        for entry in sorted(os.listdir(source)):
            yield from _tree(f"{source}/{entry}", f"{target}/{entry}", access)
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        kind = "c" if stat.S_ISCHR(status.st_mode) else "b"
        major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
        mode = stat.S_IMODE(status.st_mode)
        yield DeviceNode(target, kind, major, minor, mode, status.st_uid, status.st_gid, access)


def _block_number(path: str) -> tuple[int, int]:
    try:
        status = Path(path).stat()
    except OSError as error:
        raise InvalidParameter(f"invalid block device {path}: {error.strerror}") from None
    if not stat.S_ISBLK(status.st_mode):
        raise InvalidParameter(f"invalid block device {path}: not a block device")
    return os.major(status.st_rdev), os.minor(status.st_rdev)
