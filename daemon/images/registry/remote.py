"""A repository at its registry and its mirrors.

Reads begin at the first mirror; whatever goes wrong at one, the next place is asked, and only the
registry's own errors are anybody's business. It alone is asked again after a failure that may pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, TypeVar

import attrs
import httpx
import structlog

from daemon.images import digests
from daemon.images.digests import Measured
from daemon.images.documents import DOCUMENT_LIMIT_BYTES
from daemon.images.registry.downloads import EXPECTED, Download
from daemon.images.registry.errors import NothingThere, RegistryError, WrongContent
from daemon.images.registry.exchange import Answer, described
from daemon.images.registry.manifests import TAKEN, media_type_of
from daemon.images.registry.redirects import location
from daemon.images.registry.repository import Action, Manifest, Notice, Outgoing
from daemon.images.registry.retrying import retrying
from daemon.images.registry.site import Site
from daemon.images.registry.suspicion import Suspicion
from daemon.images.registry.tags import read_tags
from daemon.images.registry.uploads import ACCEPTED, CREATED, Upload

T = TypeVar("T")
LOG: Final = structlog.get_logger(__name__)
OK: Final = 200
NOT_FOUND: Final = 404
ACTIONS: Final = {Action.PULL: "pull", Action.PUSH: "pull,push"}
MEDIA_TYPES: Final = {"Accept": ", ".join(TAKEN)}
CONTENT_DIGEST: Final = "Docker-Content-Digest"


def scope_of(path: str, action: Action) -> str:
    """Return what a token has to allow, in the words of token servers."""
    return f"repository:{path}:{ACTIONS[action]}"


@attrs.define(eq=False)
class RemoteRepository:
    """The repository `path` at `sites`, of which the last is the registry."""

    path: str
    action: Action
    sites: list[Site]
    attempts: int
    _sessions: list[httpx.URL] = attrs.field(factory=list, init=False)
    _suspicion: Suspicion = attrs.field(factory=Suspicion, init=False)

    @property
    def registry(self) -> Site:
        """The registry itself."""
        return self.sites[-1]

    @property
    def _scope(self) -> str:
        return scope_of(self.path, self.action)

    async def manifest(self, tag_or_digest: str) -> Manifest:
        """Return a manifest or an index; schema 1 is refused."""
        return await self._anywhere(lambda site: self._manifest_at(site, tag_or_digest))

    async def digest_of(self, tag_or_digest: str) -> str | None:
        """Return the digest of what the first place has that says it; each is asked once."""
        for site in self.sites:
            try:
                if digest := await self._digest_at(site, tag_or_digest):
                    return digest
            except RegistryError as error:
                LOG.info("a registry does not say what it has", name=site.endpoint.name, error=str(error))
        return None

    @contextlib.asynccontextmanager
    async def blob(
        self, digest: str, offset_bytes: int = 0, notice: Notice | None = None
    ) -> AsyncGenerator[Download, None]:
        """Open a blob at an offset, at whichever place has it."""
        places = self._suspicion.places(self.sites, digest)

        async def open_at(offset: int, take: Callable[[Answer], None]) -> None:
            """Ask the first place that is left; it is not asked again, unless it is the last."""
            while len(places) > 1:
                mirror = places.pop(0)
                try:
                    await self._blob_at(mirror, digest, offset, take)
                except RegistryError as error:
                    LOG.info("a mirror does not serve a blob", mirror=mirror.endpoint.name, error=str(error))
                else:
                    self._suspicion.served(mirror, digest)
                    return
            await self._blob_at(places[0], digest, offset, take)

        download = Download(open_at, self.attempts, notice, offset_bytes)
        try:
            await download.open()
            yield download
        finally:
            await download.aclose()

    def distrust(self, digest: str) -> bool:
        """Pass over whichever mirror has had a part in a blob that is wrong; say whether one had."""
        return self._suspicion.distrust(digest)

    async def blob_size(self, digest: str) -> int | None:
        """Return how large a blob is that the registry has, or None if it has not."""

        async def ask() -> int | None:
            answer = await self.registry.ask("HEAD", self._blob_path(digest), self._scope)
            if answer.status == NOT_FOUND:
                await answer.aclose()
                return None
            await self.registry.expect(answer, OK)
            await answer.aclose()
            length = answer.headers.get("Content-Length", "")
            return int(length) if length.isdigit() else 0

        return await retrying(self.attempts, ask)

    async def mount(self, digest: str, from_path: str) -> bool:
        """Have the registry take a blob from another of its repositories; False if it does not.

        A registry that does not begins a session instead, which is kept for the next upload.
        One that refuses may refuse only what the blob was to be taken from: the upload will show.
        """
        scope = f"{self._scope} {scope_of(from_path, Action.PULL)}"
        target = httpx.URL(f"/v2/{self.path}/blobs/uploads/", params={"mount": digest, "from": from_path})

        async def ask() -> bool:
            answer = await self.registry.ask("POST", target, scope, headers={"Content-Length": "0"})
            await self.registry.expect(answer, CREATED, ACCEPTED)
            await answer.aclose()
            if answer.status == ACCEPTED:
                self._sessions.append(location(answer))
            return answer.status == CREATED

        try:
            return await retrying(self.attempts, ask)
        except RegistryError as error:
            if error.transient:
                raise
            LOG.info("a blob is not mounted", registry=self.registry.endpoint.name, error=str(error))
            return False

    async def upload(self, blob: Outgoing, notice: Notice | None = None) -> Measured:
        """Send a blob that the registry does not have, and return what it is known by."""
        session = self._sessions.pop() if self._sessions else None
        place = (self.registry, self._scope, self.path)
        return await Upload(*place, blob, self.attempts, notice, session).run()

    async def put_manifest(self, tag_or_digest: str, media_type: str, raw: bytes) -> str:
        """Store a manifest whose blobs the registry has; return its digest."""

        async def ask() -> None:
            headers = {"Content-Type": media_type}
            target = self._manifest_path(tag_or_digest)
            answer = await self.registry.ask("PUT", target, self._scope, headers=headers, content=raw)
            await self.registry.expect(answer, CREATED, OK, ACCEPTED)
            await answer.aclose()

        await retrying(self.attempts, ask)
        return digests.of(raw)

    async def tags(self) -> tuple[str, ...]:
        """Return the tags of the repository, in the registry's order."""
        return await self._anywhere(lambda site: read_tags(site, self._scope, self.path))

    async def _anywhere(self, call: Callable[[Site], Awaitable[T]]) -> T:
        for mirror in self.sites[:-1]:
            try:
                return await call(mirror)
            except WrongContent as error:
                LOG.warning("a mirror serves another manifest", mirror=mirror.endpoint.name, error=str(error))
            except RegistryError as error:
                LOG.info(
                    "a mirror does not serve a repository", mirror=mirror.endpoint.name, error=str(error)
                )
        return await retrying(self.attempts, lambda: call(self.registry))

    async def _manifest_at(self, site: Site, tag_or_digest: str) -> Manifest:
        answer = await site.ask("GET", self._manifest_path(tag_or_digest), self._scope, headers=MEDIA_TYPES)
        try:
            raw = await (await _known(site, answer, "manifest")).read(DOCUMENT_LIMIT_BYTES)
        finally:
            await answer.aclose()
        digest = digests.of(raw)
        promised = tag_or_digest if digests.is_digest(tag_or_digest) else answer.headers.get(CONTENT_DIGEST)
        if digests.is_digest(promised) and promised != digest:
            raise WrongContent(
                f"manifest verification failed for digest {promised}: "
                f"{described(answer.request)}: it has {digest}"
            )
        return Manifest(media_type_of(answer.headers.get("Content-Type", ""), raw), digest, raw)

    async def _digest_at(self, site: Site, tag_or_digest: str) -> str | None:
        target = self._manifest_path(tag_or_digest)
        answer = await site.expect(await site.ask("HEAD", target, self._scope, headers=MEDIA_TYPES), OK)
        await answer.aclose()
        digest = answer.headers.get(CONTENT_DIGEST, "")
        return digest if digests.is_digest(digest) else None

    async def _blob_at(
        self, site: Site, digest: str, offset_bytes: int, take: Callable[[Answer], None]
    ) -> None:
        headers = {"Range": f"bytes={offset_bytes}-"} if offset_bytes else {}
        target = self._blob_path(digest)
        answer = await site.ask("GET", target, self._scope, headers=headers, plain_allowed=True)
        answer = await _known(site, answer, "blob", *EXPECTED)
        try:
            take(answer)
        except RegistryError:
            await answer.aclose()
            raise

    def _manifest_path(self, tag_or_digest: str) -> str:
        return f"/v2/{self.path}/manifests/{tag_or_digest}"

    def _blob_path(self, digest: str) -> str:
        return f"/v2/{self.path}/blobs/{digest}"


async def _known(site: Site, answer: Answer, what: str, *statuses: int) -> Answer:
    """Return an answer with what was asked for; a bare 404 is given the code it stands for."""
    try:
        return await site.expect(answer, *(statuses or (OK,)))
    except NothingThere as error:
        if error.code:
            raise
        raise NothingThere(f"{what} unknown: {what} unknown", f"{what.upper()}_UNKNOWN") from error
