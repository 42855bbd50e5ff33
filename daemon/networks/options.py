"""The options of networks and endpoints: their names, which are dockerd's, and what they may say.

An option that this engine does not know is kept and shown, as Docker keeps it: another engine's or a
tool's own note.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from daemon.errors import InvalidParameter

BRIDGE: Final = "com.docker.network.bridge."
BRIDGE_NAME: Final = f"{BRIDGE}name"
ICC: Final = f"{BRIDGE}enable_icc"
MASQUERADE: Final = f"{BRIDGE}enable_ip_masquerade"
HOST_BINDING: Final = f"{BRIDGE}host_binding_ipv4"
INHIBIT_IPV4: Final = f"{BRIDGE}inhibit_ipv4"
GATEWAY_MODES: Final = (f"{BRIDGE}gateway_mode_ipv4", f"{BRIDGE}gateway_mode_ipv6")
MTU: Final = "com.docker.network.driver.mtu"
INTERFACE_PREFIX: Final = "com.docker.network.container_iface_prefix"
ENABLE_IPV4: Final = "com.docker.network.enable_ipv4"
ENABLE_IPV6: Final = "com.docker.network.enable_ipv6"
DEFAULT_BRIDGE: Final = f"{BRIDGE}default_bridge"
PARENT: Final = "parent"
MODES: Final[Mapping[str, str]] = {"macvlan": "macvlan_mode", "ipvlan": "ipvlan_mode"}
SYSCTLS: Final = "com.docker.network.endpoint.sysctls"
INTERFACE_NAME: Final = "com.docker.network.endpoint.ifname"

TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def invalid(name: str, problem: str) -> InvalidParameter:
    """Return what whoever gave an option a value that it cannot have is told."""
    return InvalidParameter(f"invalid value for option {name}: {problem}")


def is_on(options: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return what a switch says; its words are those of Go's strconv.ParseBool.

    Raises:
        InvalidParameter: it is another word.

    """
    word = options.get(name)
    if word is None:
        return default
    if word not in TRUE | FALSE:
        raise invalid(name, f"{word!r} is neither true nor false")
    return word in TRUE


def mtu(options: Mapping[str, str]) -> int:
    """Return the MTU in bytes, 0 if none is given.

    Raises:
        InvalidParameter: it is no such number.

    """
    word = options.get(MTU, "")
    if not word:
        return 0
    if not (word.isascii() and word.isdecimal() and len(word) <= len("65535") and int(word) <= 65535):
        raise invalid(MTU, f"{word!r} is no size in bytes")
    return int(word)
