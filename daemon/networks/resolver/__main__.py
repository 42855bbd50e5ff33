"""Starts the resolver: python -m daemon.networks.resolver [--replace] [--idle-seconds N] CONTROL.

Returns with status 0 when the resolver runs, as a process of its own, and its socket CONTROL can be connected
to; with 75 (EX_TEMPFAIL) when there is one already.  CONTROL.lock is held while it lives, CONTROL.log has
what it says.  With --replace another that runs is asked to leave, when we are ready to take its place.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import io
import json
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from daemon.networks.resolver.process import Process

RUNS_ALREADY: Final = 75
IDLE_SECONDS: Final = 60.0
REPLACE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.002
_BACKLOG: Final = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the lock and the socket, then live on as a child; returns in both, in the child at its end."""
    parser = argparse.ArgumentParser(prog="python -m daemon.networks.resolver", description=__doc__)
    parser.add_argument("control", type=Path)
    parser.add_argument("--replace", action="store_true")
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS)
    options = parser.parse_args(arguments)
    lock = _lock(options.control.with_name(options.control.name + ".lock"))
    if options.replace:
        _replace(lock, options.control)
    elif not _taken(lock):
        return RUNS_ALREADY
    listener = _listen(options.control)
    if os.fork() != 0:
        return 0
    listener.listen(_BACKLOG)  # once more, since SO_PEERCRED names who called it last (unix(7))
    _settle(options.control.with_name(options.control.name + ".log"))
    trio.run(Process(listener, lock.close, options.idle_seconds).live)
    return 0


def _lock(path: Path) -> io.FileIO:
    return io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")


def _taken(lock: io.FileIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(lock: io.FileIO, control: Path) -> None:
    """Take the lock from whoever has it.

    Raises:
        TimeoutError: it does not let go.

    """
    if _taken(lock):
        return
    _ask_to_leave(control)
    deadline = time.monotonic() + REPLACE_SECONDS
    while not _taken(lock):
        if time.monotonic() > deadline:
            raise TimeoutError("the other resolver does not leave")
        time.sleep(_POLL_SECONDS)


def _ask_to_leave(control: Path) -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(REPLACE_SECONDS)
        connection.connect(str(control))
        connection.sendall(json.dumps({"do": "leave"}).encode() + b"\n")
        connection.recv(1)


def _listen(control: Path) -> socket.socket:
    control.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    listener.bind(str(control))
    os.umask(mask)
    listener.listen(_BACKLOG)
    return listener


def _settle(log: Path) -> None:
    """Make ourselves independent of whoever started us."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir("/")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(written)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    gc.freeze()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit(f"resolver: {error}")
