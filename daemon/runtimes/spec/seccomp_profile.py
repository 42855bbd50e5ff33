"""Docker's seccomp profiles and what they mean for one container.

A profile has more than a runtime understands: rules for certain architectures, kernels and capabilities,
and a map from each architecture to those it also runs.  `oci_section` decides all of that and leaves a plain
OCI section.

Debian's profile is podman's, which lets an unprivileged process make user namespaces and then use the
mount calls in them.  Docker does not, and that door has led to many kernel holes; `tightened` closes it the
way Docker does: those calls need CAP_SYS_ADMIN.

Source: OCI runtime specification "seccomp"; containers-common's seccomp.json(5).
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from daemon.errors import InvalidParameter

Document = Mapping[str, Any]

_NAMESPACE_CALLS: Final = (
    "clone clone3 fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree pivot_root setns "
    "umount umount2 unshare"
)
_NEEDS_SYS_ADMIN: Final = frozenset(_NAMESPACE_CALLS.split())
_NEVER: Final = frozenset({"keyctl"})  # keyrings have no namespace
# CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}: a clone with none of them is a plain thread or child.
_NAMESPACE_FLAGS: Final = 0x7E020000
_ALLOW: Final = "SCMP_ACT_ALLOW"
_ERRNO: Final = "SCMP_ACT_ERRNO"
_SYS_ADMIN: Final = {"caps": ["CAP_SYS_ADMIN"]}
_AMENDMENTS: Final[tuple[Document, ...]] = (
    {"names": sorted(_NEEDS_SYS_ADMIN), "action": _ALLOW, "includes": _SYS_ADMIN},
    {
        "names": sorted(_NEEDS_SYS_ADMIN - {"clone", "clone3"}),
        "action": _ERRNO,
        "errnoRet": errno.EPERM,
        "excludes": _SYS_ADMIN,
    },
    # The flags of clone3 are behind a pointer that a filter cannot follow; ENOSYS makes libc use clone.
    {"names": ["clone3"], "action": _ERRNO, "errnoRet": errno.ENOSYS, "excludes": _SYS_ADMIN},
    {
        "names": ["clone"],
        "action": _ALLOW,
        "args": [{"index": 0, "value": _NAMESPACE_FLAGS, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
        "excludes": _SYS_ADMIN,
    },
    {"names": sorted(_NEVER), "action": _ERRNO, "errnoRet": errno.EPERM},
)
_NATIVE: Final[Mapping[str, str]] = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}


@attrs.frozen
class Target:
    """What a profile is applied to: one container on one host."""

    capabilities: frozenset[str]
    architecture: str
    kernel: tuple[int, int]


def parse_profile(text: str | bytes) -> Document:
    """Read a profile.

    Raises:
        InvalidParameter: it is no JSON, or not of the shape of a profile.

    """
    try:
        found = json.loads(text)
        _check_shape(found)
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(f"Decoding seccomp profile failed: {error}") from None
    return dict(found)


def tightened(profile: Document) -> Document:
    """Return the packaged profile with Docker's stricter rules about namespaces and keyrings."""
    moved = _NEEDS_SYS_ADMIN | _NEVER
    kept = [{**rule, "names": [n for n in _names(rule) if n not in moved]} for rule in profile["syscalls"]]
    return {**profile, "syscalls": [*(rule for rule in kept if rule["names"]), *_AMENDMENTS]}


def oci_section(profile: Document, target: Target) -> dict[str, Any]:
    """Return the OCI section of `profile` for `target`.

    Rules that only repeat the default action are left out: runtimes and libseccomp ignore them too.
    """
    rules = [_rule(rule) for rule in profile.get("syscalls") or () if _applies(rule, target)]
    carried = ("defaultErrnoRet", "flags", "listenerPath", "listenerMetadata")
    return {
        "defaultAction": profile["defaultAction"],
        **{name: profile[name] for name in carried if profile.get(name) is not None},
        "architectures": _architectures(profile, target.architecture),
        "syscalls": rules,
    }


def _architectures(profile: Document, architecture: str) -> list[str]:
    native = _NATIVE.get(architecture)
    for entry in profile.get("archMap") or ():
        if entry["architecture"] == native:
            return [entry["architecture"], *(entry.get("subArchitectures") or ())]
    return list(profile.get("architectures") or ())


def _applies(rule: Document, target: Target) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    return (
        target.architecture in (includes.get("arches") or [target.architecture])
        and target.capabilities.issuperset(includes.get("caps") or ())
        and target.kernel >= _kernel(includes.get("minKernel"), (0, 0))
        and target.architecture not in (excludes.get("arches") or ())
        and target.capabilities.isdisjoint(excludes.get("caps") or ())
        and not target.kernel >= _kernel(excludes.get("minKernel"), (2**31, 0))
    )


def _kernel(text: str | None, absent: tuple[int, int]) -> tuple[int, int]:
    if not text:
        return absent
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def _rule(rule: Document) -> dict[str, Any]:
    found: dict[str, Any] = {"names": _names(rule), "action": rule["action"]}
    if rule.get("errnoRet") is not None:
        found["errnoRet"] = rule["errnoRet"]
    if rule.get("args"):
        found["args"] = [{"valueTwo": 0, **argument} for argument in rule["args"]]
    return found


def _names(rule: Document) -> list[str]:
    return list(rule.get("names") or [rule["name"]])


def _check_shape(profile: Any) -> None:
    """Refuse what the rest of this module could not read.

    Raises:
        ValueError: with what is wrong.

    """
    if not isinstance(profile, dict) or not isinstance(profile.get("defaultAction"), str):
        raise ValueError("a profile needs a defaultAction")
    if profile.get("architectures") and profile.get("archMap"):
        raise ValueError("use either 'architectures' or 'archMap'")
    for entry in _list(profile, "archMap", dict):
        _list({"architecture": [entry.get("architecture")]}, "architecture", str)
        _list(entry, "subArchitectures", str)
    _list(profile, "architectures", str)
    for rule in _list(profile, "syscalls", dict):
        _check_rule(rule)


def _check_rule(rule: dict[str, Any]) -> None:
    names = _list(rule, "names", str) or [rule.get("name")]
    if not all(isinstance(name, str) and name for name in (*names, rule.get("action"))):
        raise ValueError("each rule needs names and an action")
    for condition in ("includes", "excludes"):
        found = rule.get(condition) or {}
        if not isinstance(found, dict):
            raise ValueError(f"{condition} must be an object")
        _list(found, "arches", str)
        _list(found, "caps", str)
        _kernel(found.get("minKernel"), (0, 0))
    for argument in _list(rule, "args", dict):
        numbers = (argument.get("index"), argument.get("value"), argument.get("valueTwo", 0))
        if not all(isinstance(number, int) and 0 <= number < 2**64 for number in numbers):
            raise ValueError("an argument's index and values must be unsigned integers")


def _list(document: Mapping[str, Any], key: str, kind: type) -> Iterable[Any]:
    found = document.get(key)
    if found is not None and not (
        isinstance(found, list) and all(isinstance(entry, kind) for entry in found)
    ):
        raise ValueError(f"{key} must be a list of {kind.__name__}")
    return found or ()
