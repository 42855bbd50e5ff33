"""What every child does before it looks at anything that others have made."""

from __future__ import annotations

import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MEMORY_LIMIT_BYTES: Final = 2 << 30
CPU_LIMIT_SECONDS: Final = 600
CPU_BYTES_PER_SECOND: Final = 1 << 18


def confine(root: str) -> None:
    """Leave the host's tree for ever: from here on `/` is `root`, and resources are limited.

    All that is needed must have been imported: behind this there is no standard library left to load.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_SECONDS, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chroot(root)
    os.chdir("/")
    os.umask(0)  # what a file is to have is said where it is made


def grant_cpu(work_bytes: int) -> None:
    """Allow more time for more work, so that only what does not get on is ever stopped."""
    seconds = CPU_LIMIT_SECONDS + work_bytes // CPU_BYTES_PER_SECOND
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
