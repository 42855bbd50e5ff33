"""Checks who somebody says they are, by asking a registry for nothing in particular."""

from __future__ import annotations

from typing import Final

from daemon.errors import InvalidParameter
from daemon.images import references
from daemon.images.registry.endpoints import HUB
from daemon.images.registry.errors import AccessDenied, LoginRefused
from daemon.images.registry.exchange import described
from daemon.images.registry.site import Site

OK: Final = 200
HUB_NAMES: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
INCORRECT: Final = "unauthorized: incorrect username or password"


def registry_name(server_address: str) -> str:
    """Return the host[:port] of what a client calls a registry: that, or a URL at it; none is Docker Hub.

    Raises:
        InvalidParameter: it is neither.

    """
    if not server_address:
        return HUB
    name = server_address.rpartition("://")[2].partition("/")[0]
    if not references.is_domain(name):
        raise InvalidParameter(f"invalid registry address {server_address[:200]!r}: it is no HOST[:PORT]")
    return HUB if name in HUB_NAMES else name


async def log_in(site: Site) -> str:
    """Check the site's credentials; return an identity token to keep instead of the password, or "".

    Raises:
        LoginRefused: they are not those of anybody.
        RegistryError: the registry cannot be asked.

    """
    _, authorization = await site.meet()
    identity_token = ""
    if authorization.challenge is not None and authorization.challenge.scheme == "bearer":
        identity_token = (await authorization.tokens.log_in(authorization.challenge)).identity_token
    answer = await site.ask("GET", "/v2/", "")
    try:
        await site.expect(answer, OK)
    except (LoginRefused, AccessDenied) as error:
        raise LoginRefused(f"{described(answer.request)}: {INCORRECT}", "UNAUTHORIZED") from error
    await answer.aclose()
    return identity_token
