"""The rules that bring a container's questions from 127.0.0.11:53 to the ports we were given.

A port of our own, because the container may itself listen on port 53 of all its addresses.  The rules rewrite
single packets, both ways, and keep no state: dockerd's NAT for the same purpose has the kernel track every
connection of the container from then on.  libnftables and not `nft`: 0.5 ms where a process takes 12.

Source: nft(8), "payload statement"; libnftables(3).  The library's context speaks to the network namespace
of the thread that makes it.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Final

ADDRESS: Final = "127.0.0.11"
TABLE: Final = "longshore-dns"
_RULES: Final = """
create table ip {table}
table ip {table} {{
  chain output {{
    type filter hook output priority raw; policy accept;
    ip daddr {address} udp dport 53 udp dport set {udp}
    ip daddr {address} tcp dport 53 tcp dport set {tcp}
    ip saddr {address} udp sport {udp} udp sport set 53
    ip saddr {address} tcp sport {tcp} tcp sport set 53
  }}
}}
"""

# What another resolver left is replaced in one transaction.  Not at first: the kernel waits 10 ms (for RCU)
# in a transaction that deletes, where one that does not takes 0.5.
_REPLACED: Final = "table ip {table}\ndelete table ip {table}\n" + _RULES


def redirect(udp_port: int, tcp_port: int) -> None:
    """Bring questions to these ports, in the network namespace of the calling thread; blocks.

    Raises:
        OSError: the kernel or the library refused; the text is the library's.

    """
    places = {"table": TABLE, "address": ADDRESS, "udp": udp_port, "tcp": tcp_port}
    try:
        _run(_RULES.format(**places))
    except OSError:  # the library tells "it exists" from other failures by its text only
        _run(_REPLACED.format(**places))


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libnftables.so.1")
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    for function in ("nft_ctx_free", "nft_ctx_buffer_error", "nft_ctx_get_error_buffer"):
        getattr(library, function).argtypes = [ctypes.c_void_p]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library


def _run(commands: str) -> None:
    library = _library()
    context = library.nft_ctx_new(0)
    if context is None:
        raise OSError("libnftables: no context could be made")
    try:
        library.nft_ctx_buffer_error(context)
        if library.nft_run_cmd_from_buffer(context, commands.encode()) != 0:
            raise OSError(f"nftables: {library.nft_ctx_get_error_buffer(context).decode().strip()}")
    finally:
        library.nft_ctx_free(context)
