"""Containers' network namespaces ("sandboxes"), each kept by a file that it is mounted on.

The rule: a thread comes back from wherever it went before anybody else can use it.  If the kernel does not
let it, nothing that this process does afterwards could be trusted to happen on the host, so it ends; the
containers do not notice, and the next start clears up.  All functions are synchronous and for threads.

Removing needs no waiting: the links in the namespace are shut, so that nothing there answers for its
addresses any more, and the file goes; the kernel deletes namespace and links some 40 ms later by itself,
when the last process and socket in it are gone.

Source: network_namespaces(7), namespaces(7), setns(2).
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Generator
from pathlib import Path
from typing import Final

import structlog

from daemon import syscalls
from daemon.errors import Failed
from daemon.networks import rtnetlink
from daemon.networks.netlink import Netlink, Refused
from daemon.syscalls import CLONE_NEWNET

_MINE: Final = "/proc/thread-self/ns/net"
_READ: Final = os.O_RDONLY | os.O_CLOEXEC
_LOOPBACK: Final = "lo"
LOG = structlog.get_logger(__name__)


def make(path: Path) -> None:
    """Have a network namespace at `path`, with its loopback up; one that is there is kept.

    Raises:
        Failed: the kernel has no namespaces to give, or the file cannot be made.

    """
    try:
        if not exists(path):
            _make(path)
        with inside(path), Netlink() as netlink:
            netlink.tell(rtnetlink.change_link(_LOOPBACK, up=True))
    except OSError as error:
        raise Failed(
            f"network namespace {path}: {error.strerror}; see that its directory can be written"
        ) from error


def remove(path: Path) -> None:
    """Take the network namespace away from `path`; that there is none is fine.

    Raises:
        Failed: the file cannot be removed.

    """
    try:
        if exists(path):
            _shut_links(path)
        while exists(path):
            syscalls.unmount(path, syscalls.MNT_DETACH)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Failed(f"removing network namespace {path}: {error.strerror}") from error


def below(directory: Path) -> tuple[Path, ...]:
    """Return the files of all namespaces in `directory`, those half made or half removed too."""
    try:
        return tuple(sorted(path for path in directory.iterdir() if not path.is_dir()))
    except FileNotFoundError:
        return ()


def exists(path: Path) -> bool:
    """Return whether there is a namespace at `path`."""
    try:
        # All namespaces are files of one filesystem, nsfs.
        return path.stat().st_dev == os.stat(_MINE).st_dev
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def inside(path: Path) -> Generator[int, None, None]:
    """Have the calling thread in the network namespace of `path`, and back on leaving.

    Yields:
        A descriptor of the namespace.

    Raises:
        Failed: there is no namespace at `path`.

    """
    with _opened(Path(_MINE)) as home, _opened(path) as there:
        _enter(path, there)
        try:
            yield there
        finally:
            _return(home)


def _make(path: Path) -> None:
    os.close(os.open(path, _READ | os.O_CREAT, 0o444))
    with _opened(Path(_MINE)) as home:
        syscalls.leave_behind(CLONE_NEWNET)
        try:
            syscalls.mount(_MINE, path, "", syscalls.MS_BIND, "")
        finally:
            _return(home)


def _shut_links(path: Path) -> None:
    with inside(path), Netlink() as netlink:
        links = map(rtnetlink.read_link, netlink.dump(rtnetlink.get_links()))
        shut = [rtnetlink.change_link(link.name, up=False) for link in links if link.name != _LOOPBACK]
        try:
            netlink.tell(*shut)
        except Refused as error:
            if error.errno != errno.ENODEV:  # else it went meanwhile
                raise


@contextlib.contextmanager
def _opened(path: Path) -> Generator[int, None, None]:
    """Have a descriptor of the network namespace of `path`, or fail."""
    try:
        descriptor = os.open(path, _READ)
    except OSError as error:
        raise Failed(f"no network namespace at {path}: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _enter(path: Path, descriptor: int) -> None:
    try:
        syscalls.enter_namespace(descriptor, CLONE_NEWNET)
    except OSError as error:
        raise Failed(f"no network namespace at {path}: {error.strerror}") from error


def _return(home: int) -> None:
    try:
        syscalls.enter_namespace(home, CLONE_NEWNET)
    except OSError as error:
        LOG.critical("a thread cannot come back from a container's network; ending", error=str(error))
        os.abort()
