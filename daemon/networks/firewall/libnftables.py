"""The one way to the kernel's packet filter: libnftables, in this process.

A call is a whole transaction and blocks for as long as it takes, so it is made in a thread; two calls
at once on one context are not allowed.  The context's socket is opened when it is made, and serves the
network namespace of that moment, whichever thread calls.  Why not the nft command:
docs/adr/0013-nftables.md.

Source: libnftables(3).
"""

from __future__ import annotations

import ctypes
import functools
import os
import socket
from typing import Final

from daemon.errors import Failed

_LIBRARY: Final = "libnftables.so.1"
_NETLINK_NETFILTER: Final = 12
_OUTPUT_JSON: Final = 1 << 4


class Nftables:
    """A context of libnftables."""

    def __init__(self) -> None:
        """Open it.

        Raises:
            Failed: the library is missing, or the kernel has no nftables.

        """
        self._library = _load()
        _check_kernel()
        self._context = self._library.nft_ctx_new(0)
        if not self._context:
            raise Failed(f"{_LIBRARY}: out of memory")
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)

    def run(self, script: str) -> None:
        """Carry `script` out, whole or not at all.

        Raises:
            Failed: the kernel refused it, with the library's own words.

        """
        self._run(script)

    def listed(self, what: str) -> bytes:
        """Return "ruleset", which is everybody's, or e.g. "table inet x", as libnftables-json(5) has it.

        Raises:
            Failed: it is not there, or cannot be read.

        """
        self._library.nft_ctx_output_set_flags(self._context, _OUTPUT_JSON)
        try:
            return self._run(f"list {what}")
        finally:
            self._library.nft_ctx_output_set_flags(self._context, 0)

    def _run(self, script: str) -> bytes:
        status = self._library.nft_run_cmd_from_buffer(self._context, script.encode())
        # Both are read each time, because reading is what empties them.
        printed = self._library.nft_ctx_get_output_buffer(self._context) or b""
        complaint = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if status:
            raise Failed(f"nftables: {_first_line(complaint) or 'refused without a word'}")
        return bytes(printed)

    def close(self) -> None:
        """Close it; nothing may be asked of it any more."""
        context, self._context = self._context, None
        if context:
            self._library.nft_ctx_free(context)


def _check_kernel() -> None:
    """Look for nftables first: without it the library would end the process."""
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER).close()
    except OSError as error:
        raise Failed(
            f"the kernel's packet filter cannot be reached: {os.strerror(error.errno or 0)}"
        ) from error


def _first_line(complaint: bytes) -> str:
    """Return what is wrong, without the script that the library repeats below it."""
    return complaint.decode(errors="replace").strip().partition("\n")[0]


@functools.cache
def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise Failed(f"{error}; install libnftables1") from error
    context, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint
    for name, result, arguments in (
        ("nft_ctx_new", context, [ctypes.c_uint32]),
        ("nft_ctx_free", None, [context]),
        ("nft_ctx_output_set_flags", None, [context, number]),
        ("nft_ctx_buffer_output", ctypes.c_int, [context]),
        ("nft_ctx_buffer_error", ctypes.c_int, [context]),
        ("nft_ctx_get_output_buffer", text, [context]),
        ("nft_ctx_get_error_buffer", text, [context]),
        ("nft_run_cmd_from_buffer", ctypes.c_int, [context, text]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
