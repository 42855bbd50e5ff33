"""The child that exports a container: `python -m daemon.copying.export N`.

Of the container's view only the root filesystem itself counts, as it is mounted for the engine.
Answer, on stdout: a tar.
"""

from __future__ import annotations

from pathlib import Path

from daemon.archives.confinement import confine
from daemon.archives.errors import run
from daemon.archives.orders import PackOrder
from daemon.archives.pack import pack
from daemon.archives.regular import RegularFiles
from daemon.copying.child import read_order
from daemon.syscalls import INERT, MOUNT_ATTR_RDONLY, detached


def _export() -> None:
    rootfs, files = Path(read_order().view.rootfs), RegularFiles()
    confine(f"/proc/self/fd/{detached(rootfs, INERT | MOUNT_ATTR_RDONLY)}")
    pack(PackOrder("/"), files)


if __name__ == "__main__":
    run(_export)
