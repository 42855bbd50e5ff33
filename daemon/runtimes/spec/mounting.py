"""What a client may mount, read from Binds, Mounts and Tmpfs into one form.

`Binds` is Docker's old notation (source:destination[:mode]), `Mounts` the new one; both end as the
same `BindMount`.  The only difference that stays is `create_source`: for the old notation a source
that is missing is made a directory.  Volumes are refused here, in one place, until there are any.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from daemon.errors import InvalidParameter, NotImplementedHere
from daemon.model import BindOptions, HostConfig, Mount
from daemon.runtimes.spec.tmpfs import TmpfsMount, mounted_tmpfs, parsed_tmpfs

PROPAGATIONS: Final = frozenset({"private", "rprivate", "slave", "rslave", "shared", "rshared"})
DEFAULT_PROPAGATION: Final = "rprivate"

# Each word of a bind's mode and what it is about; nothing may be said twice.
_MODE_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("ro", "rw"), "access"),
        **dict.fromkeys(("z", "Z"), "label"),  # SELinux relabelling: nothing to do on a host without it
        **dict.fromkeys(PROPAGATIONS, "propagation"),
        **dict.fromkeys(
            ("consistent", "cached", "delegated", "default"), "consistency"
        ),  # means nothing on Linux
    }
)


@attrs.frozen
class BindMount:
    """A path of the host, mounted in the container."""

    source: str
    target: str
    read_only: bool = False
    recursive: bool = True
    read_only_recursive: bool = True
    force_recursive: bool = False
    propagation: str = DEFAULT_PROPAGATION
    create_source: bool = False


def client_mounts(host_config: HostConfig) -> tuple[BindMount | TmpfsMount, ...]:
    """Return all mounts a client asked for, in the order in which they are to be made.

    A mount point comes after those that contain it, so that no mount hides an earlier one.

    Raises:
        InvalidParameter: one is malformed, or two have the same place.
        NotImplementedHere: one is a volume.

    """
    found: list[BindMount | TmpfsMount] = [parse_bind(text) for text in host_config.binds or ()]
    found += [_from_mount(mount) for mount in host_config.mounts or ()]
    taken = {mount.target for mount in found}
    if len(taken) < len(found):
        repeated = next(mount.target for mount in found if sum(m.target == mount.target for m in found) > 1)
        raise InvalidParameter(f"Duplicate mount point: {repeated}")
    maps = (parsed_tmpfs(clean_target(target), text) for target, text in (host_config.tmpfs or {}).items())
    found += [mount for mount in maps if mount.target not in taken]
    return tuple(sorted(found, key=lambda mount: mount.target.count("/")))


def parse_bind(text: str) -> BindMount:
    """Read one entry of Binds.

    Raises:
        InvalidParameter: it is malformed.
        NotImplementedHere: it names a volume.

    """
    match text.split(":"):
        case [destination]:
            raise NotImplementedHere(f'anonymous volumes are not supported yet: "{destination}"')
        case [source, destination, *rest] if source and destination and len(rest) <= 1:
            words = _mode(rest[0] if rest else "")
        case _:
            raise InvalidParameter(f"invalid volume specification: '{text}'")
    if not source.startswith("/"):
        raise NotImplementedHere(f'named volumes are not supported yet: "{text}" (use a host path instead)')
    try:
        target = clean_target(destination)
    except InvalidParameter as error:
        raise InvalidParameter(f"invalid volume specification: '{text}': {error}") from None
    return BindMount(
        _path(source),
        target,
        read_only=words.get("access") == "ro",
        propagation=words.get("propagation", DEFAULT_PROPAGATION),
        create_source=True,
    )


def _mode(mode: str) -> dict[str, str]:
    """Return what a bind's mode says, by what it is about."""
    words = mode.split(",") if mode else []
    known = {_MODE_WORDS[word]: word for word in words if word in _MODE_WORDS}
    if len(known) != len(words):
        raise InvalidParameter(f"invalid mode: {mode}")
    return known


def _from_mount(mount: Mount) -> BindMount | TmpfsMount:
    """Read one entry of Mounts."""
    try:
        return _READERS.get(mount.type, _unknown)(mount)
    except InvalidParameter as error:
        raise InvalidParameter(f'invalid mount config for type "{mount.type}": {error}') from None


def _bind(mount: Mount) -> BindMount:
    options = mount.bind_options or BindOptions()
    target = clean_target(mount.target)
    _only("Source", missing=not mount.source)
    _only("VolumeOptions", given=mount.volume_options)
    _only("TmpfsOptions", given=mount.tmpfs_options)
    if not mount.source.startswith("/"):
        raise InvalidParameter(f"invalid mount path: '{mount.source}' mount path must be absolute")
    if options.propagation and options.propagation not in PROPAGATIONS:
        raise InvalidParameter(f"invalid propagation mode: {options.propagation}")
    return BindMount(
        _path(mount.source),
        target,
        read_only=mount.read_only,
        recursive=not options.non_recursive,
        read_only_recursive=not options.read_only_non_recursive,
        force_recursive=options.read_only_force_recursive,
        propagation=options.propagation or DEFAULT_PROPAGATION,
        create_source=options.create_mountpoint,
    )


def _tmpfs(mount: Mount) -> TmpfsMount:
    target = clean_target(mount.target)
    _only("Source", given=mount.source)
    _only("BindOptions", given=mount.bind_options)
    _only("VolumeOptions", given=mount.volume_options)
    return mounted_tmpfs(target, mount)


def _unknown(mount: Mount) -> BindMount:
    if mount.type in {"volume", "image", "cluster", "npipe"}:
        raise NotImplementedHere(
            f'mounts of type "{mount.type}" are not supported yet (target "{mount.target}")'
        )
    raise InvalidParameter("mount type unknown")


_READERS: Final[Mapping[str, Callable[[Mount], BindMount | TmpfsMount]]] = MappingProxyType(
    {"bind": _bind, "tmpfs": _tmpfs}
)


def _only(field: str, *, given: object = None, missing: bool = False) -> None:
    """Refuse a field that this type of mount does not have, or that it must have."""
    if given:
        raise InvalidParameter(f"field {field} must not be specified")
    if missing:
        raise InvalidParameter(f"field {field} must not be empty")


def clean_target(target: str) -> str:
    """Return a mount point in the container in its shortest form.

    Raises:
        InvalidParameter: it is not an absolute path, or it is the root.

    """
    _only("Target", missing=not target)
    if not target.startswith("/"):
        raise InvalidParameter(f"invalid mount path: '{target}' mount path must be absolute")
    cleaned = _path(target)
    if cleaned == "/":
        raise InvalidParameter("invalid specification: destination can't be '/'")
    return cleaned


def _path(path: str) -> str:
    """Return an absolute path without `.`, `..` and doubled slashes."""
    if "\0" in path:
        raise InvalidParameter("invalid mount path: it contains a NUL byte")
    return posixpath.normpath("/" + path.lstrip("/"))
