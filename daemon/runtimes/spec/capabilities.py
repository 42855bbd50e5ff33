"""Which capabilities a container's process gets.

Names are normalised to the kernel's ("net_raw" and "CAP_NET_RAW" are the same), `ALL` stands for
everything this engine itself may give.  Dropping wins only against what was there by default or through
`ALL`: `--cap-drop ALL --cap-add X` gives exactly X, as Docker has it.

Source: capabilities(7); the order of NAMES is the kernel's numbering.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from daemon.errors import InvalidParameter
from daemon.model import HostConfig

_IN_KERNEL_ORDER: Final = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
    "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
    "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
    "PERFMON BPF CHECKPOINT_RESTORE"
)
_DOCKER_GIVES: Final = (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE "
    "SYS_CHROOT KILL AUDIT_WRITE"
)
NAMES: Final = tuple(f"CAP_{name}" for name in _IN_KERNEL_ORDER.split())
DEFAULT: Final = frozenset(f"CAP_{name}" for name in _DOCKER_GIVES.split())
_ALL: Final = "ALL"


def granted(host_config: HostConfig, available: frozenset[str]) -> frozenset[str]:
    """Return the capabilities of a container's process.

    Args:
        host_config: its privileged, cap_add and cap_drop decide.
        available: the capabilities the engine itself may pass on.

    Raises:
        InvalidParameter: a name is not a capability, or is one the engine does not have.

    """
    added = normalised(host_config.cap_add or (), "CapAdd")
    dropped = normalised(host_config.cap_drop or (), "CapDrop")
    lacking = sorted(added - available - {_ALL})
    if lacking and not host_config.privileged:
        raise InvalidParameter(f'invalid CapAdd: capability "{lacking[0]}" is not available to this engine')
    if host_config.privileged:
        return available
    if _ALL in added:
        return available - dropped
    if _ALL in dropped:
        return added
    return (DEFAULT & available) - dropped | added


def normalised(names: Iterable[str], field: str) -> frozenset[str]:
    """Return `names` as the kernel writes them; `field` names their place in the error.

    Raises:
        InvalidParameter: one is not a capability.

    """
    return frozenset(_normal(name, field) for name in names)


def _normal(name: str, field: str) -> str:
    upper = name.strip().upper()
    if upper in {_ALL, "CAP_ALL"}:
        return _ALL
    full = upper if upper.startswith("CAP_") else f"CAP_{upper}"
    if full not in NAMES:
        raise InvalidParameter(f'invalid {field}: unknown capability: "{full}"')
    return full


def section(capabilities: frozenset[str], uid: int) -> dict[str, list[str]]:
    """Return the OCI section for a process that starts as `uid`.

    Only root starts with permitted and effective ones: execve(2) would take them from anybody else,
    and the bounding set is what matters for its setuid programs.  Nothing is inheritable, so that a file with
    inheritable capabilities gives a user nothing (the hole that was CVE-2022-24769).
    """
    names = [name for name in NAMES if name in capabilities]
    if uid != 0:
        return {"bounding": names}
    return {"bounding": names, "effective": names, "permitted": names}
