"""Who a container's process runs as: `Config.User` looked up in the container's own files.

The passwd and group files belong to the image, so they are hostile: opened inside the root, regular
files only, limited in size, and a line that makes no sense is passed over as libc does it.

Source of the rules: passwd(5), group(5); the wire texts are Docker's (api-contract 3.4).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs
import trio

from daemon.errors import InvalidParameter
from daemon.runtimes.inroot import open_in_root

LARGEST_ID: Final = 2**31 - 1
LARGEST_FILE_BYTES: Final = 4 * 1024 * 1024


@attrs.frozen
class ResolvedUser:
    """A user in numbers; `groups` are all groups of the process, its primary one first."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = (0,)
    home: str = "/"


@attrs.frozen
class _Account:
    name: str
    uid: int
    gid: int
    home: str


@attrs.frozen
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


async def find_user(rootfs: Path, user: str, group_add: Sequence[str] = ()) -> ResolvedUser:
    """Do `resolve_user` in a thread: the first read of an image's file waits for the disk."""
    return await trio.to_thread.run_sync(resolve_user, rootfs, user, group_add)


def resolve_user(rootfs: Path, user: str, group_add: Sequence[str] = ()) -> ResolvedUser:
    """Look up `user` ("", name, uid, uid:gid, name:group, ...) and `group_add` below `rootfs`; blocks.

    A number needs no entry; without a group the user's own groups from the group file are added.

    Raises:
        InvalidParameter: a name is in neither file, or a number is out of range.

    """
    groups = list(_groups(rootfs))
    wanted, _, wanted_group = user.partition(":")
    account = _account(rootfs, wanted)
    gid = _gid(groups, wanted_group) if wanted_group else account.gid
    own = [] if wanted_group else [group.gid for group in groups if account.name in group.members]
    extra = [_gid(groups, name) for name in group_add]
    return ResolvedUser(account.uid, gid, tuple(dict.fromkeys((gid, *own, *extra))), account.home or "/")


def _account(rootfs: Path, wanted: str) -> _Account:
    number = _number(wanted or "0")
    for account in _accounts(rootfs):
        if account.uid == number or (wanted and account.name == wanted):
            return account
    if number is None:
        raise InvalidParameter(f"unable to find user {wanted}: no matching entries in passwd file")
    return _Account("", number, 0, "/")


def _gid(groups: list[_Group], wanted: str) -> int:
    number = _number(wanted)
    for group in groups:
        if group.name == wanted or group.gid == number:
            return group.gid
    if number is None:
        raise InvalidParameter(f"unable to find group {wanted}: no matching entries in group file")
    return number


def _number(text: str) -> int | None:
    """Return `text` as an id, or None when it is a name."""
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > len(str(LARGEST_ID)) or int(text) > LARGEST_ID:
        raise InvalidParameter(f"uids and gids must be in range 0-{LARGEST_ID}")
    return int(text)


def _accounts(rootfs: Path) -> Iterator[_Account]:
    for fields in _lines(rootfs, "/etc/passwd"):
        match fields:
            case [name, _, uid, gid, _, home, *_] if _is_id(uid) and _is_id(gid):
                yield _Account(name, int(uid), int(gid), home)


def _groups(rootfs: Path) -> Iterator[_Group]:
    for fields in _lines(rootfs, "/etc/group"):
        match fields:
            case [name, _, gid, *members] if _is_id(gid):
                names = members[0].split(",") if members else []
                yield _Group(name, int(gid), tuple(member for member in names if member))


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_ID)) and int(text) <= LARGEST_ID


def _lines(rootfs: Path, path: str) -> Iterator[list[str]]:
    text = _read(rootfs, path)
    return (line.strip().split(":") for line in text.split("\n") if line.strip() and not line.startswith("#"))


def _read(rootfs: Path, path: str) -> str:
    """Return the file's text, "" when there is none."""
    try:
        # O_NONBLOCK: an image may have put a FIFO there, whose open would wait for ever.
        opened = open_in_root(rootfs, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return ""
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            return ""
        content = file.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise InvalidParameter(f"{path} of the image is larger than {LARGEST_FILE_BYTES} bytes")
    return content.decode("utf-8", "replace")
