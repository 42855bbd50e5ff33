"""What must hold before the engine runs, and the one line its user reads when it does not.

Whoever starts a daemon by hand or reads `systemctl status` wants the cause and the cure, not a
traceback: everything that can be wrong with the host or the command line becomes `CannotStart`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

DEBIAN_PACKAGES: Final = frozenset({"conmon", "crun", "runc"})
ORPHAN_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.01
PID_BYTES: Final = 32
DEAD: Final = frozenset("ZX")  # proc(5)
STATE_DIRECTORY_MODE: Final = 0o711  # containers' users walk through it, only root reads it


class CannotStart(Exception):
    """The engine cannot run here; the text is for its user, cause and cure in one line."""


class MissingProgram(CannotStart):
    """A program the engine cannot do without is not installed."""

    def __init__(self, what: str, name: str) -> None:
        cure = f"apt install {name}" if name in DEBIAN_PACKAGES else "correct its path in the configuration"
        super().__init__(f"{what} not found: {cure}")


def require_root() -> None:
    """Refuse to run as anybody else.

    Raises:
        CannotStart: we are not root.

    """
    if os.geteuid() != 0:
        raise CannotStart("must run as root: containers need mounts, cgroups and namespaces")


@contextlib.contextmanager
def explained(what: str) -> Generator[None, None, None]:
    """Say which thing it was that the operating system refused.

    Raises:
        CannotStart: an OSError came out of the block.

    """
    try:
        yield
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else str(error)
        cure = ": is another engine running there?" if error.errno == errno.EADDRINUSE else ""
        raise CannotStart(f"{what}: {cause}{cure}") from error


@contextlib.contextmanager
def only_engine_of(root: Path) -> Generator[None, None, None]:
    """Make the directory if need be, and hold it: two engines on the same state would destroy it.

    The lock is the kernel's and ends with the process, so none is ever left behind.  But a child that an
    engine was just starting when it was killed has the lock, too, until it is the program it is to be: so
    one whose engine is dead is waited for.

    Raises:
        CannotStart: another engine holds it, or it cannot be made.

    """
    with explained(str(root)):
        root.mkdir(mode=STATE_DIRECTORY_MODE, parents=True, exist_ok=True)
        lock = os.open(root / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + ORPHAN_SECONDS
        while not _taken(lock):
            if _lives(os.pread(lock, PID_BYTES, 0)) or time.monotonic() > deadline:
                raise CannotStart(f"{root}: another engine is using this directory")
            time.sleep(PAUSE_SECONDS)
        with explained(str(root)):
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(pid: bytes) -> bool:
    """Tell whether a process is alive, from what it wrote of itself; who wrote nothing yet is."""
    if not pid.strip().isdigit():
        return True
    try:
        state = Path(f"/proc/{int(pid)}/stat").read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in DEAD


@contextlib.contextmanager
def pidfile(path: Path) -> Generator[None, None, None]:
    """Write our process id to `path`; remove it in the end.

    Whether it is in use is told by a lock, not by the id in it: after a crash that may be anybody's.

    Raises:
        CannotStart: another engine holds it, or it cannot be written.

    """
    with explained(str(path)):
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with os.fdopen(held, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().strip()
            raise CannotStart(f"process with PID {holder} is still running ({path})") from None
        with explained(str(path)):
            file.truncate()
            file.write(f"{os.getpid()}\n")
            file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
