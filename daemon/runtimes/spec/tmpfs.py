"""tmpfs mounts and their options.

Every tmpfs starts as noexec, nosuid, nodev; what a client says is laid over that, and the last word on
a subject counts.  Only options that mount(8) knows for tmpfs pass: the rest of the string would
otherwise go to the kernel as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from daemon.errors import InvalidParameter
from daemon.model import Mount, TmpfsOptions

BASE: Final = ("noexec", "nosuid", "nodev")

# Each flag and what it is about, so that a later flag replaces an earlier opposite.
_FLAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        flag: subject
        for subject, flags in {
            "access": ("ro", "rw"),
            "exec": ("exec", "noexec"),
            "suid": ("suid", "nosuid"),
            "dev": ("dev", "nodev"),
            "sync": ("sync", "async"),
            "dirsync": ("dirsync",),
            "atime": ("atime", "noatime", "relatime", "norelatime", "strictatime", "nostrictatime"),
            "diratime": ("diratime", "nodiratime"),
        }.items()
        for flag in flags
    }
)
_VALUES: Final = MappingProxyType(
    {
        "size": re.compile(r"\d+[kKmMgGtT%]?"),
        "mode": re.compile(r"[0-7]{1,5}"),
        "uid": re.compile(r"\d+"),
        "gid": re.compile(r"\d+"),
        "nr_inodes": re.compile(r"\d+[kKmMgG]?"),
        "nr_blocks": re.compile(r"\d+[kKmMgG]?"),
        "mpol": re.compile(r"[a-z]+(=static|=relative)?(:[0-9-]+)?"),
    }
)


@attrs.frozen
class TmpfsMount:
    """A tmpfs in the container; `options` as mount(8) takes them."""

    target: str
    options: tuple[str, ...]


def parsed_tmpfs(target: str, text: str) -> TmpfsMount:
    """Read one entry of the Tmpfs map: "" or options joined by commas.

    Raises:
        InvalidParameter: an option is not one of tmpfs, or its value is malformed.

    """
    return TmpfsMount(target, merged(text.split(",") if text else ()))


def mounted_tmpfs(target: str, mount: Mount) -> TmpfsMount:
    """Read an entry of Mounts of type tmpfs.

    Raises:
        InvalidParameter: as `parsed_tmpfs`, or a size or mode is negative.

    """
    wanted = mount.tmpfs_options or TmpfsOptions()
    if wanted.size_bytes < 0 or not 0 <= wanted.mode <= 0o7777:
        raise InvalidParameter("invalid TmpfsOptions: size and mode must not be negative or too large")
    options = [f"mode={wanted.mode:o}"] if wanted.mode else []
    options += [f"size={wanted.size_bytes}"] if wanted.size_bytes else []
    options += ["=".join(pair) for pair in wanted.options or ()]
    return TmpfsMount(target, merged(["ro"] * mount.read_only + options))


def merged(options: Iterable[str]) -> tuple[str, ...]:
    """Lay `options` over the base, the last on each subject winning."""
    by_subject = {_FLAGS[flag]: flag for flag in BASE}
    for option in options:
        by_subject[_subject(option)] = option
    return tuple(by_subject.values())


def _subject(option: str) -> str:
    name, separator, value = option.partition("=")
    if option in _FLAGS:
        return _FLAGS[option]
    if not (separator and name in _VALUES and _VALUES[name].fullmatch(value)):
        raise InvalidParameter(f'invalid tmpfs option ["{option}"]')
    return name
