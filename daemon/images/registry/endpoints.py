"""Where the repository of a reference can be had, in the order to ask.

Docker Hub has mirrors, which are asked first, and only for pulls. An insecure registry is spoken to over
TLS without looking at its certificate, or plainly where it has no TLS; those of this host always are.

Source: dockerd's documentation of `registry-mirrors` and `insecure-registries`; `moby:daemon/pkg/registry`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import attrs
import httpx
import trio

from daemon.configuration.network_checks import network_of
from daemon.errors import InvalidParameter
from daemon.images.references import DEFAULT_DOMAIN
from daemon.images.registry.repository import Action
from daemon.images.registry.urls import read_url
from daemon.settings import Settings

Resolve = Callable[[str], Awaitable[Sequence[str]]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
HUB: Final = "registry-1.docker.io"
ALWAYS_INSECURE: Final = ("127.0.0.0/8", "::1/128")


@attrs.frozen
class Endpoint:
    """A registry or mirror: `name` is its host[:port], `bases` the URLs to try."""

    name: str
    bases: tuple[httpx.URL, ...]
    insecure: bool = False


async def endpoints_of(
    domain: str, action: Action, settings: Settings, resolve: Resolve
) -> tuple[Endpoint, ...]:
    """Return where to ask for a repository of `domain`; the last one is the registry itself.

    Raises:
        InvalidParameter: there cannot be such a registry.

    """
    if domain != DEFAULT_DOMAIN:
        return (await registry(domain, settings, resolve),)
    mirrors = settings.registry_mirrors if action is Action.PULL else ()
    return (
        *[await _mirror(mirror, settings, resolve) for mirror in mirrors],
        Endpoint(HUB, (_base("https", HUB),)),
    )


async def registry(name: str, settings: Settings, resolve: Resolve) -> Endpoint:
    """Return the registry at host[:port].

    Raises:
        InvalidParameter: nothing can be there.

    """
    secure, plain = _base("https", name), _base("http", name)
    if not await is_insecure(name, settings, resolve):
        return Endpoint(name, (secure,))
    return Endpoint(name, (secure, plain), insecure=True)


async def is_insecure(name: str, settings: Settings, resolve: Resolve) -> bool:
    """Tell whether a host[:port] is configured as insecure, or has an address in such a network.

    A name that has no address is not: whoever answers to it later has to show a certificate.
    """
    if name in settings.insecure_registries:
        return True
    networks = [
        network for text in (*ALWAYS_INSECURE, *settings.insecure_registries) if (network := network_of(text))
    ]
    return any(address in network for address in await _addresses(name, resolve) for network in networks)


async def resolve_on_host(host: str) -> Sequence[str]:
    """Return the addresses of a host as this machine knows them; none if it does not."""
    try:
        found = await trio.socket.getaddrinfo(host, None, type=trio.socket.SOCK_STREAM)
    except OSError:
        return ()
    return [str(address[4][0]) for address in found]


async def _mirror(url: str, settings: Settings, resolve: Resolve) -> Endpoint:
    base = _base(*url.rstrip("/").split("://", 1))
    name = base.netloc.decode("ascii")
    return Endpoint(name, (base,), await is_insecure(name, settings, resolve))


def _base(scheme: str, name: str) -> httpx.URL:
    url = read_url(f"{scheme}://{name}")
    if url is None:
        raise InvalidParameter(f"invalid registry address {name!r}: there is no such host or port")
    return url


async def _addresses(name: str, resolve: Resolve) -> list[Address]:
    host = _base("https", name).host
    if address := _literal(host):
        return [address]
    return [address for text in await resolve(host) if (address := _literal(text))]


def _literal(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
