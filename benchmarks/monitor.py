"""conmon as its parent sees it: being started, and being attached to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

CONMON: Final = "conmon"
PACKET_BYTES: Final = 64 << 10
QUIET_SECONDS: Final = 60.0


class Attached:
    """The monitor's end of a process's output; counted as `client.Stream` counts."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(QUIET_SECONDS)
        self._socket.connect(str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def read(self) -> bytes:
        """Return the next packet without the byte that names its stream; nothing at the end."""
        return self._socket.recv(PACKET_BYTES)[1:]

    def drain(self, deadline: float) -> tuple[int, bool]:
        """Read to the end or until `deadline`; return bytes read and if it was the end."""
        total = 0
        while time.perf_counter() < deadline:
            if not (piece := self.read()):
                return total, True
            total += len(piece)
        return total, False


class Start:
    """A conmon being started, and the pipes by which it and its parent take turns."""

    def __init__(self, command: Sequence[str], *, attaches: bool) -> None:
        start_read, self._start = os.pipe()
        self._sync, sync_write = os.pipe()
        self._attach, attach_write = os.pipe()
        theirs = {"_OCI_STARTPIPE": start_read, "_OCI_SYNCPIPE": sync_write}
        if attaches:
            theirs["_OCI_ATTACHPIPE"] = attach_write
        environment = {**os.environ, **{name: str(fd) for name, fd in theirs.items()}}
        try:
            self.process = subprocess.Popen(
                command,
                env=environment,
                pass_fds=tuple(theirs.values()),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            for fd in (start_read, sync_write, attach_write):
                os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in (self._start, self._sync, self._attach):
            os.close(fd)

    def allow(self) -> None:
        """Let it take its next step."""
        os.write(self._start, b"\n")

    def attachable(self) -> None:
        """Return once its attach socket exists."""
        _message(self._attach)

    def pid(self) -> int:
        """Return the pid of the process the runtime has made.

        Raises:
            RuntimeError: there is none; the text is the runtime's.
        """
        message = _message(self._sync)
        if message["data"] < 0:
            raise RuntimeError(message.get("message", "the runtime failed"))
        return int(message["data"])


def _message(fd: int) -> dict[str, Any]:
    """Read one line of JSON; a second one, an early exit code, may follow it."""
    text = b""
    while b"\n" not in text:
        if not (piece := os.read(fd, 4096)):
            raise RuntimeError(f"conmon ended after {text!r}")
        text += piece
    document: dict[str, Any] = json.loads(text.partition(b"\n")[0])
    return document
