"""What each driver makes of its options: which are refused, and the link a network stands on.

The texts are dockerd's where it has one (`libnetwork/drivers`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import AddressValueError, IPv4Address
from types import MappingProxyType
from typing import Final

from daemon.configuration.network_checks import link_problem
from daemon.errors import Forbidden, InvalidParameter, NotFound
from daemon.networks import options
from daemon.networks.asked import NetworkAsked
from daemon.networks.options import invalid
from daemon.networks.records import LINKLESS, SHORT_ID

Options = Mapping[str, str]

PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,11}", re.ASCII)  # with three digits a link's name
MODES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"macvlan": ("bridge", "private", "vepa", "passthru"), "ipvlan": ("l2", "l3", "l3s")}
)
NO_SWARM: Final = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect '
    "this node to swarm and try again."
)


def link_of(driver: str, opts: Options, network_id: str) -> str:
    """Return the link that a network stands on, its options being right.

    Raises:
        InvalidParameter: an option of the driver's own makes no sense, or is not supported.

    """
    _check_common(opts)
    return LINKS[driver](driver, opts, network_id)


def check_driver(asked: NetworkAsked, driver: str) -> None:
    """Accept a driver.

    Raises:
        Forbidden: there is no network of that driver but the predefined one, or none without a swarm.
        NotFound: there is no such driver.
        InvalidParameter: it cannot have such a network.

    """
    if driver in LINKLESS:
        raise Forbidden(f'only one instance of "{driver}" network is allowed')
    if driver == "overlay" or asked.ingress or asked.scope not in {"", "local"}:
        raise Forbidden(NO_SWARM)
    if driver not in LINKS:
        raise NotFound(f'plugin "{driver}" not found')
    if asked.internal and driver in MODES:
        raise InvalidParameter(f"internal {driver} networks are not supported: use the bridge driver")


def _check_common(opts: Options) -> None:
    options.mtu(opts)
    prefix = opts.get(options.INTERFACE_PREFIX, "")
    if prefix and not PREFIX.fullmatch(prefix):
        raise invalid(options.INTERFACE_PREFIX, f"{prefix!r} is no beginning of a link's name")


def _bridge(_: str, opts: Options, network_id: str) -> str:
    for switch in (options.ICC, options.MASQUERADE, options.INHIBIT_IPV4):
        options.is_on(opts, switch, default=True)
    for mode in options.GATEWAY_MODES:
        if opts.get(mode, "nat") not in {"", "nat"}:
            raise invalid(mode, f"{opts[mode]!r} is not supported, only nat is")
    check_host_binding(opts.get(options.HOST_BINDING, ""))
    name = opts.get(options.BRIDGE_NAME) or f"br-{network_id[:SHORT_ID]}"
    if problem := link_problem(name):
        raise invalid(options.BRIDGE_NAME, problem)
    return name


def check_host_binding(text: str) -> None:
    """Accept the address at which ports are published that name none.

    Raises:
        InvalidParameter: it is no IPv4 address.

    """
    try:
        if text:
            IPv4Address(text)
    except AddressValueError:
        raise invalid(options.HOST_BINDING, f"{text!r} is no IPv4 address") from None


def _shared(driver: str, opts: Options, _: str) -> str:
    mode = opts.get(options.MODES[driver], "")
    if mode and mode not in MODES[driver]:
        raise InvalidParameter(
            f"requested {driver} mode '{mode}' is not valid, "
            f"'{MODES[driver][0]}' mode is the {driver} driver default"
        )
    if opts.get("ipvlan_flag", "bridge") not in {"", "bridge"}:
        raise invalid("ipvlan_flag", f"{opts['ipvlan_flag']!r} is not supported, only bridge is")
    parent = opts.get(options.PARENT, "")
    if not parent:
        raise InvalidParameter(f"a {driver} network needs a link of the host: the option {options.PARENT}")
    if problem := link_problem(parent):
        raise invalid(options.PARENT, problem)
    return parent


LINKS: Final[Mapping[str, Callable[[str, Options, str], str]]] = MappingProxyType(
    {"bridge": _bridge, "macvlan": _shared, "ipvlan": _shared}
)
