"""One place where repositories can be had: its base URL, who asks there, redirects.

The base is found once: HTTPS, and for an insecure registry plain HTTP where HTTPS could not be spoken.  That
first request is the API's version check, whose refusal says how the registry wants to be told who asks.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from typing import Final

import attrs
import httpx
import trio

from daemon.images.registry.authorization import Authorization
from daemon.images.registry.credentials import Credentials
from daemon.images.registry.endpoints import Endpoint
from daemon.images.registry.errors import LoginRefused, RegistryError, RegistryFailed
from daemon.images.registry.exchange import Answer, Request, Unreachable, described, exchange, send
from daemon.images.registry.redirects import REDIRECT_LIMIT, endless, followed, is_followed
from daemon.images.registry.refusals import refusal
from daemon.images.registry.tokens import Tokens
from daemon.images.registry.urls import origin

UNAUTHORIZED: Final = 401


class NotReached(RegistryFailed):
    """There was no connection at all; waiting mends no name and no configuration."""


@attrs.define(eq=False)
class Site:
    """A registry or a mirror, as somebody; `transport` reaches it and what it points to."""

    endpoint: Endpoint
    transport: httpx.AsyncBaseTransport
    credentials: Credentials
    user_agent: str
    _known: tuple[httpx.URL, Authorization] | None = attrs.field(default=None, init=False)
    _meeting: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def ask(
        self,
        method: str,
        target: str | httpx.URL,
        scope: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] = b"",
        plain_allowed: bool = False,
    ) -> Answer:
        """Ask for a path below the base, or for a URL this site gave; the caller closes the answer.

        A redirect from TLS to plain HTTP is followed only if `plain_allowed`: where a digest is known.

        Raises:
            NotReached: the site could not be spoken to at all.
            Unreachable: there was no answer, or (to a stream) that the token had expired.
            RegistryError: no token could be had.

        """
        base, authorization = await self.meet()
        url = base.join(target)
        request = Request(
            method, url, {"User-Agent": self.user_agent, **IDENTITY, **(headers or {})}, content
        )
        for _ in range(REDIRECT_LIMIT):
            answer = await self._ask_as(authorization, request, scope)
            if not is_followed(answer):
                return answer
            await answer.aclose()
            request = request.to(followed(answer, plain_allowed=plain_allowed or self.endpoint.insecure))
        raise endless(request)

    async def expect(self, answer: Answer, *statuses: int) -> Answer:
        """Return an answer with one of these statuses.

        Raises:
            RegistryError: it has another; the answer is closed.

        """
        if answer.status in statuses:
            return answer
        try:
            raise await self._refused(answer)
        finally:
            await answer.aclose()

    async def meet(self) -> tuple[httpx.URL, Authorization]:
        """Return the base URL, and who asks there.

        Raises:
            NotReached: nobody answers there.

        """
        async with self._meeting:
            if self._known is None:
                self._known = await self._find()
            return self._known

    async def _ask_as(self, authorization: Authorization, request: Request, scope: str) -> Answer:
        shown = await authorization.headers(request.url, scope)
        answer = await send(self.transport, request.having(shown))
        if answer.status != UNAUTHORIZED:
            return answer
        try:
            again = await authorization.challenged(answer.headers, request.url, scope, shown)
        except BaseException:
            await answer.aclose()
            raise
        if not again:
            return answer
        await answer.aclose()
        if not isinstance(request.content, bytes):
            raise Unreachable(f"{described(request)}: the token expired")
        shown = await authorization.headers(request.url, scope)
        return await send(self.transport, request.having(shown))

    async def _find(self) -> tuple[httpx.URL, Authorization]:
        failure: RegistryError | None = None
        for base in self.endpoint.bases:
            try:
                return await self._try(base)
            except Unreachable as error:
                failure = error
        raise NotReached(str(failure)) from failure

    async def _try(self, base: httpx.URL) -> tuple[httpx.URL, Authorization]:
        tokens = Tokens(self.transport, self.credentials, plain=base.scheme == "http")
        authorization = Authorization(origin(base), self.credentials, tokens)
        check = Request("GET", base.join("/v2/"), {"User-Agent": self.user_agent, **IDENTITY})
        async with exchange(self.transport, check) as answer:
            if answer.status == UNAUTHORIZED:
                authorization.learn(answer.headers)
        return base, authorization

    async def _refused(self, answer: Answer) -> RegistryError:
        _, authorization = await self.meet()
        wanted = authorization.challenge
        nameless = wanted is not None and wanted.scheme == "basic" and not self.credentials.username
        if answer.status == UNAUTHORIZED and nameless:
            return LoginRefused(f"{described(answer.request)}: no basic auth credentials", "UNAUTHORIZED")
        return await refusal(answer)


IDENTITY: Final[Mapping[str, str]] = {"Accept-Encoding": "identity"}  # digests are of what is stored
