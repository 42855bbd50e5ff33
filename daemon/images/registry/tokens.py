"""Tokens from a registry's token server, for a scope, kept until they expire.

Somebody with an identity token gets others by OAuth2's POST; somebody with a password by GET with Basic;
somebody without a name by a plain GET. Where the server is comes from the registry's challenge, so it may
be any host: a password is not sent to one without TLS, unless the registry itself is spoken to without, and
not on to another host that the server redirects to.

Source: the distribution project's specifications "Token Authentication" and "OAuth2".
"""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import urlencode

import attrs
import httpx
import orjson
import trio

from daemon.images.registry.challenges import Challenge
from daemon.images.registry.credentials import Credentials
from daemon.images.registry.errors import RegistryFailed
from daemon.images.registry.exchange import Answer, Request, described, exchange
from daemon.images.registry.redirects import REDIRECT_LIMIT, endless, followed, is_followed
from daemon.images.registry.refusals import refusal
from daemon.images.registry.urls import origin, read_url

CLIENT_ID: Final = "docker"  # what token servers know clients of this protocol by
LEAST_SECONDS: Final = 60  # the specification's default, and what older servers rely on
SPARE_SECONDS: Final = 10  # a request takes a while to arrive
OK: Final = 200


@attrs.frozen
class Token:
    """What is shown to a registry; `identity_token` is what a log-in was given to keep."""

    value: str = attrs.field(repr=False)
    lasts_seconds: float = LEAST_SECONDS
    identity_token: str = attrs.field(default="", repr=False)


@attrs.define(eq=False)
class Tokens:
    """The tokens of one identity at one registry, by scope."""

    transport: httpx.AsyncBaseTransport
    credentials: Credentials
    plain: bool  # whether the registry itself is spoken to without TLS
    _kept: dict[str, tuple[Token, float]] = attrs.field(factory=dict, init=False)
    _fetching: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def token(self, challenge: Challenge, scope: str, *, instead_of: str = "") -> Token:
        """Return a token for a scope, which is not `instead_of`: that one was refused.

        Raises:
            RegistryError: the token server refuses, or cannot be asked.

        """
        if self.credentials.registry_token:
            return Token(self.credentials.registry_token)
        async with self._fetching:
            token, until = self._kept.get(scope, (None, 0.0))
            if token is None or token.value == instead_of or until <= trio.current_time():
                token = await self._fetch(challenge, scope)
                self._kept[scope] = token, trio.current_time() + token.lasts_seconds - SPARE_SECONDS
            return token

    async def log_in(self, challenge: Challenge) -> Token:
        """Return a token without a scope, with one to keep instead of the password if the server has such.

        Raises:
            RegistryError: the token server refuses, or cannot be asked.

        """
        return await self._fetch(challenge, "", offline=True)

    async def _fetch(self, challenge: Challenge, scope: str, *, offline: bool = False) -> Token:
        realm = _realm(challenge, plain_allowed=self.plain or not self._secret)
        request = self._request(realm, challenge.parameters.get("service", ""), scope, offline=offline)
        for _ in range(REDIRECT_LIMIT):
            async with exchange(self.transport, request) as answer:
                if not is_followed(answer):
                    return await _given(answer)
            request = self._moved(answer)
        raise endless(request)

    def _moved(self, answer: Answer) -> Request:
        """Return the request to where the server says it is to be sent; a password goes to no other one."""
        moved = answer.request.to(followed(answer, plain_allowed=self.plain))
        at_home = origin(moved.url) == origin(answer.request.url)
        return moved if at_home else attrs.evolve(moved, headers={})

    def _request(self, realm: httpx.URL, service: str, scope: str, *, offline: bool) -> Request:
        """Make the request; `scope` may be several, with blanks between them."""
        who = self.credentials
        about = {"service": service, "scope": scope}
        if who.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": who.identity_token,
                "client_id": CLIENT_ID,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return Request("POST", realm, headers, urlencode(form | about).encode())
        asked = {"service": service, "account": who.username}
        if offline:
            asked |= {"offline_token": "true", "client_id": CLIENT_ID}
        params = httpx.QueryParams({name: value for name, value in asked.items() if value})
        for one in scope.split():
            params = params.add("scope", one)
        headers = {"Authorization": basic(who)} if who.username else {}
        return Request("GET", realm.copy_merge_params(params), headers)

    @property
    def _secret(self) -> bool:
        return bool(self.credentials.password or self.credentials.identity_token)


def basic(credentials: Credentials) -> str:
    """Return the header that shows a name and a password."""
    pair = f"{credentials.username}:{credentials.password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _realm(challenge: Challenge, *, plain_allowed: bool) -> httpx.URL:
    text = challenge.parameters.get("realm", "")
    realm = read_url(text)
    if realm is None:
        raise RegistryFailed(f"the registry names a token server that is none: {text[:200]!r}")
    if realm.scheme == "http" and not plain_allowed:
        raise RegistryFailed(
            f"the registry names a token server without TLS, which is not told passwords: {realm}"
        )
    return realm


async def _given(answer: Answer) -> Token:
    if answer.status != OK:
        raise await refusal(answer)
    return _read(answer, await answer.read())


def _read(answer: Answer, body: bytes) -> Token:
    """Read the answer; older servers call it `token`, OAuth2 `access_token`."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    fields: dict[str, Any] = document if isinstance(document, dict) else {}
    value = fields.get("token") or fields.get("access_token")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise RegistryFailed(
            f"{described(answer.request)}: authorization server did not include a token in the response"
        )
    lasts = fields.get("expires_in")
    refresh = fields.get("refresh_token")
    return Token(
        value,
        max(LEAST_SECONDS, lasts) if isinstance(lasts, int | float) else LEAST_SECONDS,
        refresh if isinstance(refresh, str) else "",
    )
