"""A child's way from the host's tree into a container's, for ever.

It ends in a mount namespace of its own, in which nothing of the host is left: a copy of the running
container's, or a new one with the container's root filesystem as root and its binds mounted there.  So no
path, and no link that the container swaps meanwhile, can name a file of the host; and nobody else ever
sees these mounts, which vanish with the child.

procfs is taken out of it: its links lead, without any path, to whatever some process has open, and with
it a container in the host's pid namespace could lead us to the host.

In what is left no device can be opened and no program run.

From then on nothing can be imported either: the next `import` would find the container's files.  For the same
reason what the C library itself would load one day, to end a thread, is loaded before.

Source: mount_namespaces(7), setns(2), pivot_root(2), proc(5).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from daemon import syscalls
from daemon.copying.orders import Bind, View
from daemon.runtimes.inroot import ensure_in_root, open_beneath, open_in_root
from daemon.syscalls import (
    CLONE_NEWNS,
    INERT,
    MNT_DETACH,
    MS_BIND,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    UMOUNT_NOFOLLOW,
)

UNSEEN_KIND: Final = "proc"
ATTEMPTS: Final = 16  # a container that mounts and unmounts all the time may spoil some
_ROOT: Final = Path("/")
_HERE: Final = Path(".")
_THREADS_END: Final = "libgcc_s.so.1"  # glibc opens it for pthread_exit(3)
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def enter(view: View) -> None:
    """Make what `view` describes the root of this process, which must have one thread.

    Raises:
        OSError: the kernel refused.

    """
    ctypes.CDLL(_THREADS_END)
    own = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if not _join(view):
        _build(view)
    _take_out(own, view.hidden)
    os.close(own)
    syscalls.restrict_mounts(_ROOT, INERT)
    os.chdir("/")
    sys.path.clear()
    sys.path_importer_cache.clear()


def _join(view: View) -> bool:
    """Copy the mounts of the container's process; return whether it has a root that we know."""
    if view.process is None:
        return False
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        wanted = os.stat(view.rootfs)
        try:
            syscalls.enter_namespace(view.process, CLONE_NEWNS)
        except OSError:  # it has just ended
            return False
        if not os.path.samestat(os.stat("/"), wanted):  # a virtual machine's monitor, seeing the host
            syscalls.enter_namespace(home, CLONE_NEWNS)
            return False
    finally:
        os.close(home)
        os.close(view.process)
    _leave()
    return True


def _build(view: View) -> None:
    """Make the root filesystem the root, with the container's binds on it."""
    _leave()
    root = Path(view.rootfs)
    syscalls.mount(view.rootfs, root, "", MS_BIND | MS_REC, "")
    for bind in view.binds:
        _mount(root, bind)
    if view.read_only:
        syscalls.mount("", root, "", MS_REMOUNT | MS_BIND | MS_RDONLY, "")
    os.chdir(root)
    syscalls.pivot_root(_HERE, _HERE)  # the old root comes to lie on the new one, see pivot_root(2)
    syscalls.unmount(_HERE, MNT_DETACH)


def _leave() -> None:
    """Have mounts of our own, of which others hear nothing, nor we of theirs."""
    syscalls.leave_behind(CLONE_NEWNS)
    syscalls.mount("", _ROOT, "", MS_REC | MS_PRIVATE, "")


def _mount(root: Path, bind: Bind) -> None:
    """Mount one bind where the container would find it; of what is not there nothing is seen."""
    if not os.path.exists(bind.source):
        return
    if os.path.isdir(bind.source):
        ensure_in_root(root, bind.target)
    else:
        _ensure_file(root, bind.target)
    recursive = MS_REC if bind.recursive else 0
    _mount_at(root, bind.target, bind.source, MS_BIND | recursive)
    if bind.read_only:
        _mount_at(root, bind.target, "", MS_REMOUNT | MS_BIND | MS_RDONLY)


def _ensure_file(root: Path, path: str) -> None:
    parent, _, name = path.rpartition("/")
    ensure_in_root(root, parent)
    directory = open_in_root(root, parent, os.O_PATH | os.O_DIRECTORY)
    try:
        os.close(open_beneath(directory, name, os.O_PATH))
    except FileNotFoundError:
        os.close(open_beneath(directory, name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o755))
    finally:
        os.close(directory)


def _mount_at(root: Path, path: str, source: str, flags: int) -> None:
    target = open_in_root(root, path, os.O_PATH)
    try:
        syscalls.mount(source, Path(f"/proc/self/fd/{target}"), "", flags, "")
    finally:
        os.close(target)


def _take_out(own: int, hidden: Sequence[str]) -> None:
    """Unmount what nobody is to see; `own` is our directory in the host's procfs."""
    for _ in range(ATTEMPTS):
        places = [place for place, kind in _mounts(own) if kind == UNSEEN_KIND or place in hidden]
        if not places:
            return
        for place in places:
            with contextlib.suppress(OSError):  # looked at again
                syscalls.unmount(Path(place), MNT_DETACH | UMOUNT_NOFOLLOW)
    raise OSError(errno.EBUSY, "the container's mounts do not keep still")


def _mounts(own: int) -> Iterator[tuple[str, str]]:
    """Yield place and kind of each mount below our root, as proc(5) has it in mountinfo."""
    with open(
        os.open("mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=own),
        encoding="utf-8",
        errors="surrogateescape",
    ) as lines:
        for line in lines:
            fields = line.split(" ")
            place = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), fields[4])
            yield place, fields[fields.index("-") + 1]
