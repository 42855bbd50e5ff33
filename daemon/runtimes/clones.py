"""The copies that runtimes execute instead of themselves, and what one may leave that is killed meanwhile.

A container must not be able to overwrite the runtime that enters it (CVE-2019-5736), so a runtime executes a
copy.  For that it mounts itself for a moment on a file of its own, in our mount namespace: if it is killed in
that moment, file and mount stay.  crun does so in /tmp unless it is told of another directory; if no file can
be in that, its copy is in memory, which leaves nothing and is faster: a mount waits for others.  runc does so
in the container's state directory in any case, and then its `delete` overlooks that it has not deleted that.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import trio

from daemon.errors import Failed
from daemon.runtimes.processes import plain_environment

DIRECTORY: Final = "_LIBCONTAINER_STATEDIR"
NO_DIRECTORY: Final = "/dev/null"
MEMORY_POLICY: Final = Path(
    "/proc/sys/vm/memfd_noexec"
)  # proc(5): from 1 on, what is in memory cannot be executed
ALLOWED: Final = "0"
PLACE: Final = 4  # field 5 of /proc/self/mountinfo (proc(5))
ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def runtime_environment(policy: Path = MEMORY_POLICY) -> dict[str, str]:
    """Return the environment of a runtime, in which crun makes its copy in memory if the host allows that."""
    try:
        allowed = policy.read_text().strip() == ALLOWED
    except FileNotFoundError:  # an older kernel has no such policy
        allowed = True
    return {**plain_environment(), **({DIRECTORY: NO_DIRECTORY} if allowed else {})}


def mounts_below(directory: Path) -> list[str]:
    """Return where something is mounted below `directory`, the latest first; blocks."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [ESCAPED.sub(lambda code: chr(int(code[1], 8)), line.split(" ")[PLACE]) for line in lines]
    return [place for place in reversed(places) if place.startswith(f"{directory}/")]


async def detach_mounts(directory: Path) -> None:
    """Unmount all that is mounted below `directory`.

    Raises:
        Failed: the kernel refused.

    """
    for place in await trio.to_thread.run_sync(mounts_below, directory):
        try:
            done = await trio.run_process(["umount", "--lazy", place], capture_stderr=True, check=False)
        except OSError as error:
            raise Failed(f"umount cannot be run: {error.strerror}") from error
        if done.returncode != 0:
            raise Failed(done.stderr.decode(errors="replace").strip())
