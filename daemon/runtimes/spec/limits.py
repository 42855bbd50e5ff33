"""Resource limits of a process (setrlimit(2)).

A runtime that lacks CAP_SYS_RESOURCE cannot raise a hard limit above its own and would fail to start the
container, so everything is clamped to what the daemon itself has.  The defaults are high because
a container should not inherit whatever the daemon was started with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from daemon.errors import InvalidParameter
from daemon.model import Ulimit
from daemon.runtimes.spec.inputs import UNLIMITED, HostFacts

_KNOWN: Final = (
    "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
)
NAMES: Final = frozenset(_KNOWN.split())
DEFAULTS: Final[Mapping[str, int]] = MappingProxyType(
    {"nofile": 1048576, "nproc": UNLIMITED, "core": UNLIMITED}
)


def rlimits(ulimits: Sequence[Ulimit] | None, host: HostFacts) -> list[dict[str, Any]]:
    """Return the section: the defaults with the client's own laid over them."""
    wanted = {name: (limit, limit) for name, limit in DEFAULTS.items()}
    wanted |= {ulimit.name: (_number(ulimit.soft), _number(ulimit.hard)) for ulimit in ulimits or ()}
    return [_clamped(f"RLIMIT_{name.upper()}", *pair, host) for name, pair in wanted.items()]


def check_ulimits(ulimits: Sequence[Ulimit] | None) -> None:
    """Refuse a limit nobody knows, and a soft one above its hard one.

    Raises:
        InvalidParameter: see above.

    """
    for ulimit in ulimits or ():
        if ulimit.name not in NAMES:
            raise InvalidParameter(f"invalid ulimit type: {ulimit.name}")
        if _number(ulimit.soft) > _number(ulimit.hard):
            raise InvalidParameter(
                f"ulimit soft limit must be less than or equal to hard limit: {ulimit.soft} > {ulimit.hard}"
            )


def beyond_host(ulimits: Sequence[Ulimit] | None, host: HostFacts) -> list[tuple[Ulimit, int]]:
    """Return the limits that will be clamped, each with what the engine has."""
    ceilings = ((ulimit, _ceiling(f"RLIMIT_{ulimit.name.upper()}", host)) for ulimit in ulimits or ())
    return [(ulimit, ceiling) for ulimit, ceiling in ceilings if _number(ulimit.hard) > ceiling]


def _clamped(name: str, soft: int, hard: int, host: HostFacts) -> dict[str, Any]:
    ceiling = _ceiling(name, host)
    return {"type": name, "soft": min(soft, ceiling), "hard": min(hard, ceiling)}


def _ceiling(name: str, host: HostFacts) -> int:
    return host.hard_limits.get(name, UNLIMITED)


def _number(limit: int) -> int:
    """Return a limit as the kernel counts it: -1 is more than anything."""
    return UNLIMITED if limit < 0 else limit
