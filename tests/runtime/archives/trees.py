"""Trees of files as hypothesis thinks them up, and what two of them must have in common to be the same."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

WHITEOUT: Final = b".wh."
CAPABILITY: Final = bytes.fromhex("0100000200200000000000000000000000000000")
NAMES: Final = (
    st.binary(min_size=1, max_size=200)
    .map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_"))
    .filter(lambda raw: raw not in {b".", b".."} and not raw.startswith(WHITEOUT))
)
KINDS: Final = st.sampled_from(
    ["file", "file", "sparse", "directory", "directory", "symlink", "hard link", "fifo", "device"]
)
TIMES_NS: Final = st.integers(-(1 << 31) * 10**9, (1 << 33) * 10**9)
OWNERS: Final = st.one_of(st.integers(0, 2000), st.integers(0, (1 << 32) - 2))
BLOCK: Final = 4096


def facts(root: Path, *, holes: bool = False) -> dict[str, tuple[Any, ...]]:
    """Return all that a tar keeps of the files below `root`; hard links by the first of their names.

    Where its `holes` are belongs to a file only if it is asked for: not every tar tells.
    """
    first: dict[int, str] = {}
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*"), key=os.fsencode):
        name = str(path.relative_to(root))
        status = path.lstat()
        is_file = stat.S_ISREG(status.st_mode)
        xattrs = os.listxattr(path, follow_symlinks=False)
        found[name] = (
            stat.filemode(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_mtime_ns,
            status.st_rdev,
            first.setdefault(status.st_ino, name),
            path.read_bytes() if is_file else None,
            data_of(path) if is_file and holes else None,
            os.readlink(path) if path.is_symlink() else None,
            {one: os.getxattr(path, one, follow_symlinks=False) for one in xattrs},
        )
    return found


def data_of(path: Path) -> list[tuple[int, int]]:
    """Return the (start, end) of what is not a hole."""
    found = []
    descriptor = os.open(path, os.O_RDONLY)
    try:
        end, size = 0, os.fstat(descriptor).st_size
        while end < size:
            try:
                start = os.lseek(descriptor, end, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                break
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
            found.append((start, end))
    finally:
        os.close(descriptor)
    return found


def grow(root: Path, data: st.DataObject) -> None:
    """Fill the empty directory `root` with something."""
    directories = [root]
    files: list[Path] = []
    made: list[tuple[Path, str]] = []
    for kind in data.draw(st.lists(KINDS, max_size=10)):
        path = data.draw(st.sampled_from(directories)) / os.fsdecode(data.draw(NAMES))
        if os.path.lexists(path) or len(os.fsencode(path)) > 2000:
            continue
        if kind == "hard link" and not files:
            kind = "file"
        _make(path, kind, files, data)
        made.append((path, kind))
        if kind == "directory":
            directories.append(path)
        elif kind in {"file", "sparse"}:
            files.append(path)
    for path, kind in reversed(made):
        if kind != "hard link":
            _dress(path, kind, data)


def _make(path: Path, kind: str, files: list[Path], data: st.DataObject) -> None:
    if kind == "directory":
        path.mkdir()
    elif kind == "symlink":
        os.symlink(data.draw(NAMES), os.fsencode(path))
    elif kind == "hard link":
        os.link(data.draw(st.sampled_from(files)), path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        block = data.draw(st.sampled_from([stat.S_IFCHR, stat.S_IFBLK]))
        numbers = data.draw(st.integers(0, 4095)), data.draw(st.integers(1, (1 << 20) - 1))
        os.mknod(path, block | 0o600, os.makedev(*numbers))
    elif kind == "sparse":
        with path.open("wb") as file:
            for block_number in data.draw(st.lists(st.integers(0, 300), max_size=8, unique=True)):
                os.pwrite(file.fileno(), b"x" * data.draw(st.integers(1, BLOCK)), block_number * BLOCK)
            file.truncate(max(file.seek(0, os.SEEK_END), data.draw(st.integers(0, 400 * BLOCK))))
    else:
        path.write_bytes(data.draw(st.binary(max_size=1500)))


def _dress(path: Path, kind: str, data: st.DataObject) -> None:
    os.chown(path, data.draw(OWNERS), data.draw(OWNERS), follow_symlinks=False)
    if kind != "symlink":
        path.chmod(data.draw(st.integers(0, 0o7777)))
    if kind in {"file", "sparse", "directory"}:
        for name in data.draw(st.sets(st.sampled_from(["user.a", "user.long" * 20]))):
            os.setxattr(path, name, data.draw(st.binary(max_size=100)))
    if kind == "file" and data.draw(st.booleans()):
        os.setxattr(path, "security.capability", CAPABILITY)
    mtime_ns = data.draw(TIMES_NS)
    os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
