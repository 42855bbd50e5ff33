"""The mounts of a container: the kernel's file systems, the engine's own files, the client's.

A client's mount replaces the default one at the same place, and one at /dev replaces all that is
below /dev.  Order matters to the runtime: parents before children.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from daemon.model import HostConfig
from daemon.runtimes.spec.inputs import SpecInputs
from daemon.runtimes.spec.mounting import BindMount, client_mounts
from daemon.runtimes.spec.tmpfs import TmpfsMount

INIT_TARGET: Final = "/sbin/docker-init"
_RECURSIVE_READ_ONLY: Final = (5, 12)  # the first kernel with mount_setattr(2)
_SAFE: Final = ("nosuid", "noexec", "nodev")


@attrs.frozen
class OciMount:
    """One entry of the spec's mounts."""

    destination: str
    type: str
    source: str
    options: tuple[str, ...]

    def render(self) -> dict[str, Any]:
        """Return it as the spec has it."""
        return {**attrs.asdict(self, recurse=False), "options": list(self.options)}


def mounts(inputs: SpecInputs) -> list[dict[str, Any]]:
    """Return the whole section, in the order in which the runtime has to mount.

    Raises:
        InvalidParameter: what the client wants mounted is malformed.

    """
    wanted = client_mounts(inputs.host_config)
    targets = {mount.target for mount in wanted}
    kept = (mount for mount in _own(inputs) if not _replaced(mount.destination, targets))
    return [mount.render() for mount in (*kept, *_from_client(wanted, inputs.host.kernel))]


def rootfs_propagation(host_config: HostConfig) -> str | None:
    """Return what the container's root needs, so that its mounts can propagate as asked."""
    kinds = {mount.propagation for mount in client_mounts(host_config) if isinstance(mount, BindMount)}
    if kinds & {"shared", "rshared"}:
        return "rshared"
    return "rslave" if kinds & {"slave", "rslave"} else None


def _replaced(destination: str, targets: set[str]) -> bool:
    return destination in targets or ("/dev" in targets and destination.startswith("/dev/"))


def _own(inputs: SpecInputs) -> Iterator[OciMount]:
    host_config = inputs.host_config
    access = "rw" if host_config.privileged else "ro"
    yield OciMount("/proc", "proc", "proc", _SAFE)
    yield OciMount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k"))
    pts = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
    yield OciMount("/dev/pts", "devpts", "devpts", pts)
    yield OciMount("/sys", "sysfs", "sysfs", (*_SAFE, access))
    yield OciMount("/sys/fs/cgroup", "cgroup", "cgroup", (access, *_SAFE))
    yield from _ipc(host_config)
    yield from _files(inputs)


def _ipc(host_config: HostConfig) -> Iterator[OciMount]:
    # The kernel has one of these for each IPC namespace: on the host's, a new mount shows the host's queues.
    yield OciMount("/dev/mqueue", "mqueue", "mqueue", _SAFE)
    if host_config.ipc_mode == "host":
        yield OciMount("/dev/shm", "bind", "/dev/shm", ("rbind", "rprivate"))  # noqa: S108  the container's
    elif host_config.ipc_mode != "none":
        shm = (*_SAFE, "mode=1777", f"size={host_config.shm_size}")
        yield OciMount("/dev/shm", "tmpfs", "shm", shm)  # noqa: S108  the container's


def _files(inputs: SpecInputs) -> Iterator[OciMount]:
    """Mount the files the engine writes for a container, and its init if it wants one."""
    access = "ro" if inputs.host_config.readonly_rootfs else "rw"
    files = {
        "/etc/resolv.conf": inputs.resolv_conf_path,
        "/etc/hostname": inputs.hostname_path,
        "/etc/hosts": inputs.hosts_path,
    }
    for destination, source in files.items():
        if source is not None:
            yield OciMount(destination, "bind", str(source), ("rbind", "rprivate", access))
    if wants_init(inputs.host_config):
        yield OciMount(INIT_TARGET, "bind", str(inputs.host.init_path), ("bind", "ro"))


def wants_init(host_config: HostConfig) -> bool:
    """Tell whether an init is to be process 1; one in the host's pid namespace could reap nobody."""
    return bool(host_config.init) and not host_config.pid_mode


def _from_client(wanted: Iterable[BindMount | TmpfsMount], kernel: tuple[int, int]) -> Iterator[OciMount]:
    for mount in wanted:
        if isinstance(mount, TmpfsMount):
            yield OciMount(mount.target, "tmpfs", "tmpfs", mount.options)
        else:
            yield OciMount(mount.target, "bind", mount.source, _bind_options(mount, kernel))


def _bind_options(mount: BindMount, kernel: tuple[int, int]) -> tuple[str, ...]:
    recursive = "rbind" if mount.recursive else "bind"
    if not mount.read_only:
        return (recursive, mount.propagation, "rw")
    deep = mount.recursive and mount.read_only_recursive and kernel >= _RECURSIVE_READ_ONLY
    return (recursive, mount.propagation, "ro", *(["rro"] if deep or mount.force_recursive else []))
