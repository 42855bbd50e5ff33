"""Settings of the kernel below /proc/sys/net, of the network namespace in which the calling thread is.

A setting that has its value already is not written: some writes make the kernel go through all links under
its lock.  A thread that is in a container's namespace sees the container's below /proc/sys/net, but the
host's everywhere else there, so nothing else can be named.

Source: proc_sys_net(5), Documentation/networking/ip-sysctl.rst of Linux.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from daemon.errors import InvalidParameter

_ROOT: Final = "/proc/sys/"


def has_ipv6() -> bool:
    """Return whether the kernel has IPv6 (it can be booted with ipv6.disable=1)."""
    return os.path.isdir("/proc/sys/net/ipv6")


def read(name: str) -> str:
    """Return the value of one setting, by its file below /proc/sys.

    Raises:
        OSError: there is none of that name.

    """
    descriptor = os.open(_ROOT + name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096).decode().strip()
    finally:
        os.close(descriptor)


def put(name: str, value: str) -> None:
    """Give one setting a value.

    Raises:
        OSError: there is none of that name, or the kernel does not take the value.

    """
    if read(name) == value:
        return
    descriptor = os.open(_ROOT + name, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def check(settings: Mapping[str, str]) -> None:
    """Refuse names that are not of a network namespace's settings.

    Raises:
        InvalidParameter: see above.

    """
    for name in settings:
        if not name.startswith("net/") or ".." in PurePosixPath(name).parts:
            raise InvalidParameter(
                f'sysctl "{name}" is not one of a network namespace: it must begin with "net/"'
            )
