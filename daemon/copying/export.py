"""The child that exports a container: `python -m daemon.copying.export N`.

Of the container's view only the root filesystem itself counts, as it is mounted for the engine.
Answer, on stdout: a tar.
"""

from __future__ import annotations

from daemon.archives.errors import run
from daemon.archives.orders import PackOrder
from daemon.archives.pack import pack
from daemon.archives.regular import RegularFiles
from daemon.copying.child import read_order


def _export() -> None:
    pack(PackOrder(read_order().view.rootfs), RegularFiles())


if __name__ == "__main__":
    run(_export)
