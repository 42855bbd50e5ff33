"""The security options of a container, and the paths of /proc and /sys it must not see or change.

`HostConfig.SecurityOpt` is a list of strings; here it becomes one value.  What this engine cannot do
on this host is refused: a confinement that was asked for and is not there is worse than an error.

Source of the path lists: what dockerd hides; each can read or change the host from inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from daemon.errors import InvalidParameter, NotImplementedHere

MASKED_PATHS: Final = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

UNCONFINED: Final = "unconfined"
BUILTIN: Final = "builtin"
_TRUE: Final = frozenset({"1", "t", "true"})
_FALSE: Final = frozenset({"0", "f", "false"})


@attrs.frozen
class SecurityOptions:
    """What SecurityOpt says; `seccomp` is "", "builtin", "unconfined" or a profile as JSON text."""

    seccomp: str = ""
    apparmor: str = ""
    no_new_privileges: bool = False


def security_options(options: Sequence[str] | None) -> SecurityOptions:
    """Read SecurityOpt; a later entry replaces an earlier one on the same subject.

    Raises:
        InvalidParameter: an entry is unknown or malformed.
        NotImplementedHere: it asks for SELinux labels.

    """
    found = SecurityOptions()
    for option in options or ():
        found = _with(found, option)
    return found


def _with(found: SecurityOptions, option: str) -> SecurityOptions:
    name, value = _split(option)
    match name:
        case "no-new-privileges":
            return attrs.evolve(found, no_new_privileges=_truth(value or "true", option))
        case "seccomp" if value:
            return attrs.evolve(found, seccomp=value)
        case "apparmor" if value:
            return attrs.evolve(found, apparmor=value)
        case "label" if value == "disable":
            return found
        case "label" if value:
            raise NotImplementedHere(
                f'security-opt "{option}" is not supported: this engine does no SELinux labelling'
            )
        case _:
            raise InvalidParameter(f'invalid --security-opt 2: "{option}"')


def _split(option: str) -> tuple[str, str]:
    """Split at "=", or at ":" as very old clients write it."""
    name, separator, value = option.partition("=")
    if separator:
        return name, value
    name, _, value = option.partition(":")
    return name, value


def _truth(value: str, option: str) -> bool:
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise InvalidParameter(f'invalid --security-opt 2: "{option}"')


def check_apparmor(options: SecurityOptions, *, available: bool) -> None:
    """Refuse an AppArmor profile on a host without AppArmor.

    Raises:
        NotImplementedHere: see above.

    """
    if options.apparmor not in {"", UNCONFINED} and not available:
        raise NotImplementedHere(f'security-opt "apparmor={options.apparmor}": this host has no AppArmor')
