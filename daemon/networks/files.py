"""The texts of a container's /etc/hosts, /etc/hostname and /etc/resolv.conf.

Pure functions: whoever writes the files decides when, and reads the host's own beforehand.  A container on
the host's network gets what the host has, with the client's additions; one on networks with names asks this
engine's resolver, which asks the host's; any other must not be sent to a name server on the host's loopback,
which it cannot reach.

Source: hosts(5), resolv.conf(5).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from daemon.errors import InvalidParameter
from daemon.model import HostConfig

_LOCAL_HOSTS: Final = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
_LOOPBACK: Final = "127.0.0.1"
HOST_GATEWAY: Final = "host-gateway"
RESOLVER: Final = "127.0.0.11"  # where containers expect the names of their networks: Docker's
# Where names are asked when the host has none but a resolver on its own loopback.
FALLBACK_SERVERS: Final = ("8.8.8.8", "8.8.4.4")
_COMMENT: Final = re.compile(r"[#;].*")


def hostname_text(hostname: str) -> str:
    """Return /etc/hostname."""
    return f"{hostname}\n"


def hosts_text(
    hostname: str,
    host_config: HostConfig,
    *,
    domainname: str = "",
    addresses: Sequence[str] = (),
    gateways: Sequence[str] = (),
    links: Sequence[tuple[str, str]] = (),
    of_host: str | None = None,
) -> str:
    """Return /etc/hosts.

    Args:
        hostname: the container's own; it gets one line for each of `addresses`, or the loopback.
        host_config: its extra_hosts are added.
        domainname: makes the full name stand before the short one.
        addresses: the container's own, none without a network.
        gateways: the host's on the bridge, which the extra host "host-gateway" means.
        links: address and names of other containers.
        of_host: the host's file, for a container on the host's network; then nothing of the above is said.

    Raises:
        InvalidParameter: an extra host is malformed.

    """
    pairs = [(address, names) for address, names in links]
    for name, address in map(parse_extra_host, host_config.extra_hosts or ()):
        pairs += [(one, name) for one in (gateways if address == HOST_GATEWAY else (address,))]
    extra = "".join(f"{address}\t{names}\n" for address, names in pairs)
    if of_host is not None:
        return _ended(of_host) + extra
    names = f"{hostname}.{domainname} {hostname}" if domainname else hostname
    own = "".join(f"{address}\t{names}\n" for address in addresses or (_LOOPBACK,))
    return _LOCAL_HOSTS + extra + own


def parse_extra_host(text: str) -> tuple[str, str]:
    """Read one of ExtraHosts, "name:address" or "name=address", into (name, address or `HOST_GATEWAY`).

    Raises:
        InvalidParameter: it is malformed.

    """
    found = re.fullmatch(r"([^\s:=#]+)[:=](\S+)", text)
    if found is None:
        raise InvalidParameter(f'bad format for add-host: "{text}"')
    name, address = found.groups()
    if address == HOST_GATEWAY:
        return name, address
    try:
        return name, str(ipaddress.ip_address(address.strip("[]")))
    except ValueError:
        raise InvalidParameter(f'invalid IP address in add-host: "{address}"') from None


def resolv_conf_text(host_config: HostConfig, of_host: str, *, asks_resolver: bool = False) -> str:
    """Return /etc/resolv.conf; `of_host` is the host's file, "" when it has none.

    What the client sets replaces the host's line of that kind; the single search domain "." means none.
    A container that `asks_resolver` finds the names of its networks there, and by it everything else.
    """
    on_host_network = host_config.network_mode == "host"
    servers = host_config.dns or _servers(of_host, reachable_loopback=on_host_network)
    if asks_resolver:
        servers = (RESOLVER,)
    search = _values(of_host, "search") if not host_config.dns_search else list(host_config.dns_search)
    options = list(host_config.dns_options or _values(of_host, "options"))
    if asks_resolver and not any(option.startswith("ndots:") for option in options):
        options.append("ndots:0")  # a name without a dot is a container's, before any search domain
    lines = [f"nameserver {server}" for server in servers]
    lines += [f"search {' '.join(search)}"] if search and search != ["."] else []
    lines += [f"options {' '.join(options)}"] if options else []
    return "".join(f"{line}\n" for line in lines)


def upstream_servers(host_config: HostConfig, of_host: str) -> tuple[str, ...]:
    """Return whom the resolver asks for a container; it can reach the host's loopback."""
    return tuple(host_config.dns or _servers(of_host, reachable_loopback=True))


def check_dns(host_config: HostConfig) -> None:
    """Refuse name servers that are no addresses, and anything that would break out of its line.

    Raises:
        InvalidParameter: see above.

    """
    for server in host_config.dns or ():
        if _address(server) is None:
            raise InvalidParameter(f"{server} is not an ip address")
    for text in (*(host_config.dns_search or ()), *(host_config.dns_options or ())):
        if not text or any(letter.isspace() or letter in "\0#;" for letter in text):
            raise InvalidParameter(f'invalid DNS setting: "{text}"')


def _servers(of_host: str, *, reachable_loopback: bool) -> list[str]:
    found = [server for line in _fields(of_host, "nameserver") for server in line[:1] if _address(server)]
    if reachable_loopback:
        return found
    return [server for server in found if not _is_loopback(server)] or list(FALLBACK_SERVERS)


def _values(of_host: str, keyword: str) -> list[str]:
    """Return the values of the last line with `keyword`, which is the one that counts."""
    lines = _fields(of_host, keyword)
    return lines[-1] if lines else []


def _fields(of_host: str, keyword: str) -> list[list[str]]:
    lines = (_COMMENT.sub("", line).split() for line in of_host.splitlines())
    return [fields[1:] for fields in lines if fields and fields[0] == keyword]


def _is_loopback(server: str) -> bool:
    address = _address(server)
    return address is not None and address.is_loopback


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
