"""Which proxy a request takes, from the environment, by the rules of Go's net/http.

`HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, or the same in lower case; the upper case counts where both are
set. Of `NO_PROXY` an entry is `*`, an address, a network, or a domain: `example.com` with and
`.example.com` without the name itself, either with a port or for all. This host is never asked for through
a proxy.

Source: `golang.org/x/net/http/httpproxy` (Config, ProxyFunc).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import attrs
import httpx

from daemon.configuration.network_checks import network_of
from daemon.images.registry.errors import RegistryFailed
from daemon.images.registry.urls import origin, read_url


@attrs.frozen
class Proxies:
    """What the environment says."""

    http: str = ""
    https: str = ""
    exceptions: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Proxies:
        """Read the variables."""
        http, https, no = (stated(environment, name) for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"))
        exceptions = (entry.strip().lower() for entry in no.split(","))
        return cls(http, https, tuple(filter(None, exceptions)))

    def of(self, url: httpx.URL) -> httpx.Proxy | None:
        """Return the proxy for a request to `url`, or None.

        Raises:
            RegistryFailed: what is set is no URL of a proxy that could be used.

        """
        scheme, host, port = origin(url)
        text = self.https if scheme == "https" else self.http
        if not text or self._excepted(host.lower().rstrip("."), str(port)):
            return None
        return _proxy(text)

    def _excepted(self, host: str, port: str) -> bool:
        if host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return any(_names(entry, host, port) for entry in self.exceptions)
        return address.is_loopback or any(_holds(entry, address, port) for entry in self.exceptions)


def stated(environment: Mapping[str, str], variable: str) -> str:
    """Return what the environment has for a variable, given in upper case, which counts before lower case."""
    return environment.get(variable) or environment.get(variable.lower(), "")


def _proxy(text: str) -> httpx.Proxy:
    whole = text if "://" in text else f"http://{text}"
    if read_url(whole) is None:
        raise RegistryFailed("the proxy that the environment names is none: only http and https are spoken")
    return httpx.Proxy(whole)


def _names(entry: str, host: str, port: str) -> bool:
    """Whether an entry covers a host that is a name."""
    if entry == "*":
        return True
    domain, only_port = _split_port(entry)
    domain = domain.removeprefix("*") if domain.startswith("*.") else domain
    covered = host == domain or host.endswith(domain if domain.startswith(".") else f".{domain}")
    return bool(domain.strip(".")) and covered and only_port in {"", port}


def _holds(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: str) -> bool:
    """Whether an entry covers an address."""
    if entry == "*":
        return True
    if network := network_of(entry):
        return address in network
    text, only_port = _split_port(entry)
    try:
        return ipaddress.ip_address(text) == address and only_port in {"", port}
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, str]:
    head, colon, tail = entry.rpartition(":")
    bracketed = head.startswith("[") and head.endswith("]")
    if colon and tail.isdigit() and (bracketed or ":" not in head):
        return head.strip("[]"), tail
    return entry.strip("[]"), ""
