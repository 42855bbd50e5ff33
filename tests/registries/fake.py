"""Registries without a network: what there is, is in dicts, and each fault is put there by the test."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

import attrs
import trio

from daemon.images import digests
from daemon.images.digests import Measured
from daemon.images.references import Reference
from daemon.images.registry.credentials import ANONYMOUS, Credentials
from daemon.images.registry.errors import LoginRefused, NothingThere, RegistryError
from daemon.images.registry.repository import (
    Action,
    Manifest,
    Notice,
    Outgoing,
    SearchResult,
)

CHUNK_BYTES = 1 << 16


@attrs.define
class FakeBlob:
    """The rest of a blob, in chunks; `broken` is raised after the first of them."""

    size_bytes: int | None
    content: bytes
    broken: RegistryError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), CHUNK_BYTES):
            await trio.lowlevel.checkpoint()
            yield self.content[start : start + CHUNK_BYTES]
            if self.broken is not None:
                raise self.broken


@attrs.define(eq=False)
class FakeRepository:
    """A repository; `asked` has a line for each call, `refusals` an error for the calls that fail."""

    manifests: dict[str, Manifest] = attrs.field(factory=dict)  # by tag and by digest
    blobs: dict[str, bytes] = attrs.field(factory=dict)
    mountable: dict[tuple[str, str], bytes] = attrs.field(factory=dict)  # by digest and path
    refusals: dict[str, RegistryError] = attrs.field(factory=dict)
    impostors: dict[str, list[bytes]] = attrs.field(factory=dict)  # what mirrors have, by digest
    silent: bool = False  # about digests
    asked: list[str] = attrs.field(factory=list)

    def add_manifest(self, media_type: str, raw: bytes, tag: str = "") -> Manifest:
        """Have a manifest, under its digest and under `tag`."""
        manifest = Manifest(media_type, digests.of(raw), raw)
        self.manifests[manifest.digest] = manifest
        if tag:
            self.manifests[tag] = manifest
        return manifest

    def add_blob(self, content: bytes) -> str:
        """Have a blob, and return its digest."""
        digest = digests.of(content)
        self.blobs[digest] = content
        return digest

    async def manifest(self, tag_or_digest: str) -> Manifest:
        await self._ask(f"manifest {tag_or_digest}")
        if tag_or_digest not in self.manifests:
            raise NothingThere("manifest unknown: manifest unknown", "MANIFEST_UNKNOWN")
        return self.manifests[tag_or_digest]

    async def digest_of(self, tag_or_digest: str) -> str | None:
        self.asked.append(f"digest_of {tag_or_digest}")
        await trio.lowlevel.checkpoint()
        known = self.manifests.get(tag_or_digest)
        return known.digest if known and not self.silent else None

    @contextlib.asynccontextmanager
    async def blob(
        self, digest: str, offset_bytes: int = 0, notice: Notice | None = None
    ) -> AsyncGenerator[FakeBlob, None]:
        await self._ask(f"blob {digest} {offset_bytes}")
        if digest not in self.blobs:
            raise NothingThere("blob unknown: blob unknown to registry", "BLOB_UNKNOWN")
        mirrors = self.impostors.get(digest)
        content = mirrors[0] if mirrors else self.blobs[digest]
        yield FakeBlob(len(content), content[offset_bytes:], self.refusals.get(f"rest of {digest}"))

    def distrust(self, digest: str) -> bool:
        mirrors = self.impostors.get(digest, [])
        served = bool(mirrors)
        del mirrors[:1]
        return served

    async def blob_size(self, digest: str) -> int | None:
        await self._ask(f"blob_size {digest}")
        return len(self.blobs[digest]) if digest in self.blobs else None

    async def mount(self, digest: str, from_path: str) -> bool:
        await self._ask(f"mount {digest} {from_path}")
        content = self.mountable.get((digest, from_path))
        if content is None:
            return False
        self.blobs[digest] = content
        return True

    async def upload(self, blob: Outgoing, notice: Notice | None = None) -> Measured:
        await self._ask(f"upload {blob.measured.digest}" if blob.measured else "upload")
        async with blob.open(0) as chunks:
            sent = b"".join([chunk async for chunk in chunks])
        assert blob.measured == Measured(digests.of(sent), len(sent))
        self.blobs[blob.measured.digest] = sent
        return blob.measured

    async def put_manifest(self, tag_or_digest: str, media_type: str, raw: bytes) -> str:
        await self._ask(f"put_manifest {tag_or_digest}")
        return self.add_manifest(
            media_type, raw, "" if digests.is_digest(tag_or_digest) else tag_or_digest
        ).digest

    async def tags(self) -> tuple[str, ...]:
        await self._ask("tags")
        return tuple(sorted(name for name in self.manifests if not digests.is_digest(name)))

    async def _ask(self, call: str) -> None:
        self.asked.append(call)
        await trio.lowlevel.checkpoint()
        refusal = self.refusals.get(call) or self.refusals.get(call.partition(" ")[0])
        if refusal is not None:
            raise refusal


@attrs.define(eq=False)
class FakeRegistries:
    """Repositories by their canonical name, and who may log in; nobody in `members` is everybody."""

    repositories: dict[str, FakeRepository] = attrs.field(factory=dict)
    members: Mapping[str, str] = attrs.field(factory=dict)
    found: tuple[SearchResult, ...] = ()
    opened: list[tuple[str, Credentials, Action]] = attrs.field(factory=list)

    def add(self, name: str) -> FakeRepository:
        """Have a repository, and return it."""
        return self.repositories.setdefault(name, FakeRepository())

    @contextlib.asynccontextmanager
    async def repository(
        self, reference: Reference, credentials: Credentials, action: Action = Action.PULL
    ) -> AsyncGenerator[FakeRepository, None]:
        self.opened.append((reference.repository, credentials, action))
        if reference.repository not in self.repositories and action is Action.PUSH:
            self.add(reference.repository)
        yield self.repositories.get(reference.repository, FakeRepository())

    async def log_in(self, server_address: str, credentials: Credentials) -> str:
        await trio.lowlevel.checkpoint()
        known = self.members.get(credentials.username)
        if credentials != ANONYMOUS and self.members and known != credentials.password:
            raise LoginRefused("unauthorized: incorrect username or password", "UNAUTHORIZED")
        return ""

    async def search(self, term: str, limit: int, credentials: Credentials) -> tuple[SearchResult, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(result for result in self.found if term in result.name)[:limit]
