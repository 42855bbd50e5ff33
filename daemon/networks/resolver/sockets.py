"""The sockets of an asker, opened in its network namespace and used from ours.

A socket belongs to the namespace in which it was made, whoever holds it and wherever they are
(network_namespaces(7)), so a thread enters a container's namespace for a millisecond and no process stays
there.  It also keeps the namespace alive: who holds one must look now and then whether its file is still
there (`identity_of`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Final

import attrs

from daemon.networks.resolver.redirect import ADDRESS, redirect

_CLONE_NEWNET: Final = 0x40000000
_IP_FREEBIND: Final = 15  # of linux/in.h
_WAITING_CONNECTIONS: Final = 64
_OWN: Final = Path("/proc/thread-self/ns/net")
_LIBC: Final = ctypes.CDLL(None, use_errno=True)

Identity = tuple[int, int]


@attrs.frozen(eq=False)
class Sockets:
    """Where one asker's questions arrive."""

    identity: Identity
    udp: socket.socket
    tcp: socket.socket

    def close(self) -> None:
        """Stop listening, and let go of the namespace."""
        self.udp.close()
        self.tcp.close()


def identity_of(namespace: Path) -> Identity:
    """Return which namespace a file is, the same for all files of one; blocks.

    Raises:
        OSError: there is no such file.

    """
    found = namespace.stat()
    return found.st_dev, found.st_ino


def open_sockets(namespace: Path) -> Sockets:
    """Listen in a network namespace, and have what is sent to 127.0.0.11:53 brought there; blocks.

    Raises:
        OSError: there is no such namespace, or the kernel refused something.

    """
    with contextlib.ExitStack() as undo:
        with _inside(namespace) as identity:
            udp = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            tcp = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            for one in (udp, tcp):
                # The loopback may be brought up after us.
                one.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
                one.bind((ADDRESS, 0))
            tcp.listen(_WAITING_CONNECTIONS)
            redirect(udp.getsockname()[1], tcp.getsockname()[1])
        undo.pop_all()
        return Sockets(identity, udp, tcp)


@contextlib.contextmanager
def _inside(namespace: Path) -> Generator[Identity, None, None]:
    """Have the calling thread in a network namespace, and back in its own afterwards."""
    own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(target)
            found = os.fstat(target)
            try:
                yield found.st_dev, found.st_ino
            finally:
                _enter(own)
        finally:
            os.close(target)
    finally:
        os.close(own)


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"the network namespace cannot be entered: {os.strerror(code)}")
