"""The frames in which Docker mixes a container's output streams on one connection.

Each is one byte naming the stream, three of zero, the payload's length as a big-endian 32-bit number, and the
payload.  A terminal has one stream only and is sent without frames.  moby calls the format stdcopy.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from daemon.runtimes.logformat import STDERR, STDOUT

STREAMS: Final[Mapping[bytes, int]] = MappingProxyType({STDOUT: 1, STDERR: 2})
SYSTEM_ERROR: Final = 3

_HEADER: Final = struct.Struct(">BxxxL")


def header(stream: int, size_bytes: int) -> bytes:
    """Return what goes before a payload of `size_bytes`."""
    return _HEADER.pack(stream, size_bytes)


def frame(stream: int, payload: bytes) -> bytes:
    """Return `payload` as one frame of `stream`."""
    return _HEADER.pack(stream, len(payload)) + payload
