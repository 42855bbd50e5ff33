"""What the kernel's refusals mean to whoever reads them: which link, why, and what helps."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import Final

from daemon.errors import Failed

_ADVICE: Final[Mapping[int, str]] = MappingProxyType(
    {
        errno.EPERM: "the engine needs CAP_NET_ADMIN and CAP_SYS_ADMIN",
        errno.EEXIST: "another link or route is in the way; see `ip link`",
        errno.ENODEV: "a link it needs went away meanwhile; try again",
        errno.EXFULL: "the bridge has all the ports it can have (1023); use another network",
        errno.EADDRINUSE: "the hardware address is in use on the parent link; give another",
        errno.EBUSY: "the parent link is in use; use another, or another mode",
        errno.EADDRNOTAVAIL: "the hardware address must be one of a single host, e.g. 02:42:ac:11:00:02",
        errno.EACCES: "IPv6 may be disabled on the link; see sysctl net.ipv6.conf",
        errno.ENOMEM: "the kernel is out of memory",
        errno.ENOBUFS: "the kernel is out of memory",
    }
)


@contextlib.contextmanager
def explained(doing: str) -> Generator[None, None, None]:
    """Translate what the kernel refuses meanwhile.

    Args:
        doing: what is being done to which link, as the text begins.

    Raises:
        Failed: the kernel refused.

    """
    try:
        yield
    except OSError as error:
        raise Failed("; ".join(filter(None, (_what(doing, error), _ADVICE.get(error.errno or 0))))) from error


def _what(doing: str, error: OSError) -> str:
    return f"{doing}: {error.strerror}" + (f": {error.filename}" if error.filename else "")
