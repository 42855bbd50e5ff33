"""Where clients can reach us: unix sockets, TCP, TLS, and what systemd has opened for us.

Everything here is bound and listening when it is returned, so a client that connects before
the server runs only waits.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

BACKLOG: Final = 4096  # the kernel takes less if net.core.somaxconn says so
KEEPALIVE_SECONDS: Final = 15  # as Go, and so dockerd: a vanished client is noticed


@contextmanager
def unix_listener(path: Path, mode: int, gid: int = -1) -> Generator[trio.SocketListener, None, None]:
    """Listen at `path` for those whom `mode` and `gid` let in; remove it in the end.

    Raises:
        OSError: EADDRINUSE, somebody listens there; a socket left behind is replaced.
    """
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        _remove_stale(path)
        listening.bind(str(path))
        os.chown(path, -1, gid)
        path.chmod(mode)
        made = _identity(path)
        listening.listen(BACKLOG)  # nobody could connect before the mode was right
        try:
            yield _listener(listening)
        finally:
            if _identity(path) == made:  # or else a successor has taken the name over
                path.unlink()


def _remove_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a listener that is busy is a listener
        if probe.connect_ex(str(path)) == errno.ECONNREFUSED and path.is_socket():
            path.unlink()


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns  # inode numbers are used again


def tcp_listener(host: str, port: int) -> trio.SocketListener:
    """Listen at the first address of `host`; port 0 takes any."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with _closed_on_error(socket.socket(family, kind, protocol)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        return _listener(listening)


def inherited_listener(fd: int) -> trio.SocketListener:
    """Listen at a socket that another process has bound: sd_listen_fds(3).

    Raises:
        OSError: `fd` is not a socket.
        ValueError: it is not a listening stream socket.
    """
    with _closed_on_error(socket.socket(fileno=fd)) as inherited:
        inherited.set_inheritable(False)
        return _listener(inherited)


@contextmanager
def _closed_on_error(opened: socket.socket) -> Generator[socket.socket, None, None]:
    try:
        yield opened
    except BaseException:
        opened.close()
        raise


def _listener(bound: socket.socket) -> trio.SocketListener:
    if bound.family != socket.AF_UNIX:  # what is set here, accepted sockets inherit
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)
    return trio.SocketListener(trio.socket.from_stdlib_socket(bound))


def tls_listener(
    listener: trio.SocketListener, certificate: Path, key: Path, client_ca: Path | None = None
) -> trio.SSLListener[trio.SocketStream]:
    """Put TLS on `listener`; with `client_ca`, let only those in whom that has certified."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])  # HTTP/2 has no hijack
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    # https_compatible: real clients close without saying so in TLS.
    return trio.SSLListener(listener, context, https_compatible=True)
