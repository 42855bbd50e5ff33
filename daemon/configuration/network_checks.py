"""What addresses, domains, networks and registries in daemon.json may be.

Each function returns what is wrong with one value, or None; nothing is resolved or connected to.
The texts are dockerd's (`moby:registry/config.go`, `opts/opts.go`, `libnetwork/ipamutils`).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from daemon.settings import AddressPool

WORD: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
DOMAIN: Final = re.compile(rf"{WORD}(?:\.{WORD})*\.?", re.IGNORECASE | re.ASCII)
DOMAIN_LETTERS: Final = 254
HOST: Final = r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?"
REGISTRY: Final = re.compile(rf"(?:{HOST}|\[[0-9a-f:.]+\])(?P<port>:[^:]*)?", re.IGNORECASE | re.ASCII)
PORT: Final = re.compile(r"[0-9]{1,5}")
LINK: Final = re.compile(r"(?!\.{1,2}$|lo$|all$|default$)[^\s/:%]{1,15}", re.ASCII)
SCHEMES_WANTED: Final = "must use either 'https://' or 'http://'"


def address_problem(address: str) -> str | None:
    """Say what is wrong with an IP address."""
    return None if _is_address(address) else f"{address} is not an ip address"


def _is_address(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return address.isprintable() and " " not in address  # Python takes anything as an IPv6 zone


def domain_problem(domain: str) -> str | None:
    """Say what is wrong with a domain to search; `.` stands for none."""
    wellformed = DOMAIN.fullmatch(domain) and any(letter.isalpha() for letter in domain)
    valid = domain == "." or (wellformed and len(domain) <= DOMAIN_LETTERS)
    return None if valid else f"{domain} is not a valid domain"


def link_problem(name: str) -> str | None:
    """Say what is wrong with a link's name, for the kernel or for a path below /proc/sys/net."""
    return None if LINK.fullmatch(name) else f"{name!r} is no link's name"


def dns_option_problem(option: str) -> str | None:
    """Say what is wrong with a resolver option: it becomes a word of resolv.conf."""
    return None if len(option.split()) == 1 and option.isprintable() else f"{option!r} must be one word"


def cidr_problem(network: str) -> str | None:
    """Say what is wrong with an address and its prefix length."""
    return None if network_of(network) else f"invalid CIDR address: {network}"


def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network of an address with the length of its prefix, or None if it is no such text."""
    address, _, length = text.partition("/")
    if not PORT.fullmatch(length) or not _is_address(address) or "%" in address:
        return None  # a netmask, which Python takes, too
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def pool_problem(pool: AddressPool) -> str | None:
    """Say what is wrong with a pool of addresses."""
    base = network_of(pool.base)
    if base is None:
        return f'invalid base pool "{pool.base}": invalid CIDR address: {pool.base}'
    fits = 0 < pool.size <= base.max_prefixlen and pool.size >= base.prefixlen
    return None if fits else f"invalid pools size: {pool.size}"


def mirror_problem(mirror: str) -> str | None:
    """Say what is wrong with the URL of a mirror; a password in it is not repeated."""
    if "@" in mirror:
        return "invalid mirror: username/password not allowed in URI"
    if not mirror.partition("://")[0] or "://" not in mirror:
        return f'invalid mirror: no scheme specified for "{mirror}": {SCHEMES_WANTED}'
    try:
        url = urlsplit(mirror)
        wellformed = bool(url.hostname) and (url.port is None or url.port > 0) and mirror.isprintable()
    except ValueError:
        wellformed = False
    if not wellformed:
        return f'invalid mirror: "{mirror}" is not a valid URI'
    if url.scheme not in {"http", "https"}:
        return f'invalid mirror: unsupported scheme "{url.scheme}" in "{mirror}": {SCHEMES_WANTED}'
    if url.path not in {"", "/"} or "?" in mirror or "#" in mirror:
        return f'invalid mirror: path, query, or fragment at end of the URI "{mirror}"'
    return None


def insecure_registry_problem(registry: str) -> str | None:
    """Say what is wrong with a registry, as host[:port] or as a network of such hosts."""
    if "://" in registry:
        return f"insecure registry {registry} should not contain '://'"
    if network_of(registry):
        return None
    named = REGISTRY.fullmatch(registry)
    if named is None:
        return f'insecure registry {registry} is not valid: invalid host "{registry}"'
    port = (named["port"] or ":0").removeprefix(":")
    if not PORT.fullmatch(port) or int(port) > 65535:
        return f'insecure registry {registry} is not valid: invalid port "{port}"'
    return None
