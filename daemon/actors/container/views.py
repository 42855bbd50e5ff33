"""What is to be seen of a container by whoever copies from or to it.

What runs is looked at as its own processes see it, but for the kernel's file systems, which hold no files of
anybody.  What does not run is its root filesystem with its binds and the engine's files for it; a tmpfs is
nowhere then.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from daemon.actors.container.snapshot import ContainerRecord
from daemon.copying.orders import Bind, View
from daemon.runtimes.spec.mounting import BindMount, client_mounts

KERNELS: Final = ("/proc", "/sys", "/dev")
OWN_FILES: Final = (
    "resolv.conf",
    "hostname",
    "hosts",
)  # as `daemon.runtimes.spec.mounts` mounts them over /etc


def view_of(record: ContainerRecord, rootfs: Path, files: Path, process: int | None) -> View:
    """Return the view of a container.

    Args:
        record: the container.
        rootfs: where its root filesystem is mounted.
        files: the directory with the engine's files for it.
        process: a pidfd of its first process, or None.

    """
    wanted = client_mounts(record.host_config)
    taken = {mount.target for mount in wanted}
    binds = (mount for mount in wanted if isinstance(mount, BindMount))
    return View(
        str(rootfs),
        process,
        (*_own_files(record, files, taken), *map(_bind, binds)),
        tuple(place for place in KERNELS if place not in taken),
        record.host_config.readonly_rootfs,
    )


def _own_files(record: ContainerRecord, files: Path, taken: set[str]) -> Iterator[Bind]:
    for name in OWN_FILES:
        if f"/etc/{name}" not in taken:
            yield Bind(str(files / name), f"/etc/{name}", record.host_config.readonly_rootfs)


def _bind(mount: BindMount) -> Bind:
    return Bind(mount.source, mount.target, mount.read_only, mount.recursive)
