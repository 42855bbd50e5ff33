"""Shows a registry who asks, and nobody else.

Credentials and tokens go to the registry's own scheme, host and port only: a redirect elsewhere, or from
TLS to plain HTTP, is followed without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
import httpx

from daemon.images.registry import challenges
from daemon.images.registry.challenges import Challenge
from daemon.images.registry.credentials import Credentials
from daemon.images.registry.tokens import Tokens, basic
from daemon.images.registry.urls import Origin, origin

HEADER: Final = "Authorization"


@attrs.define(eq=False)
class Authorization:
    """Who asks at one registry, and how it wants to be told: that it says in answers with status 401."""

    home: Origin
    credentials: Credentials
    tokens: Tokens
    challenge: Challenge | None = attrs.field(default=None, init=False)

    def learn(self, headers: httpx.Headers) -> None:
        """Take in how the registry wants to be told, from a refusal's headers."""
        self.challenge = self._choose(headers) or self.challenge

    async def headers(self, url: httpx.URL, scope: str) -> Mapping[str, str]:
        """Return what goes with a request to `url`; a token is fetched if there is none.

        Raises:
            RegistryError: the token server refuses, or cannot be asked.

        """
        if origin(url) != self.home or self.challenge is None:
            return {}
        if self.challenge.scheme == "bearer":
            token = await self.tokens.token(self.challenge, scope)
            return {HEADER: f"Bearer {token.value}"}
        return {HEADER: basic(self.credentials)} if self.credentials.username else {}

    async def challenged(
        self, headers: httpx.Headers, url: httpx.URL, scope: str, shown: Mapping[str, str]
    ) -> bool:
        """Take in an answer with status 401 to a request that went with `shown`.

        Returns:
            Whether asking again, now with what is wanted, may help.

        Raises:
            RegistryError: the token server refuses, or cannot be asked.

        """
        wanted = self._choose(headers)
        if origin(url) != self.home or wanted is None:
            return False
        self.challenge = wanted
        refused = shown.get(HEADER, "")
        if wanted.scheme == "bearer":
            fresh = await self.tokens.token(wanted, scope, instead_of=refused.removeprefix("Bearer "))
            return refused != f"Bearer {fresh.value}"
        return bool(self.credentials.username) and not refused

    def _choose(self, headers: httpx.Headers) -> Challenge | None:
        """Take a token where there is the choice: it says less than a password."""
        known = {
            challenge.scheme: challenge
            for challenge in reversed(challenges.read(headers.get_list("WWW-Authenticate")))
        }
        return known.get("bearer") or known.get("basic")
