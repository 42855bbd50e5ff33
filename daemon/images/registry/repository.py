"""The seam between whoever moves images and whatever speaks to a registry.

`Registries` opens a `Repository`, which stands for one repository wherever it can be had: the mirrors of
Docker Hub first, then the registry itself.  All that comes of it has been verified, except for a blob's
bytes: they are not kept here, so whoever takes them verifies them on the way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Protocol

import attrs

from daemon.images.digests import Measured
from daemon.images.references import Reference
from daemon.images.registry.credentials import Credentials


class Action(Enum):
    """What a repository is opened for, which says whom it asks and which permissions it asks for."""

    PULL = "pull"  # of mirrors and the registry
    PUSH = "push"  # of the registry alone, to write and to read


@attrs.frozen
class Manifest:
    """A manifest or an index as it came; `raw` has the digest `digest`."""

    media_type: str
    digest: str
    raw: bytes


@attrs.frozen
class Retry:
    """An attempt that failed, and how long it takes until the next one."""

    delay_seconds: float
    reason: str


Notice = Callable[[Retry], None]
Content = AbstractAsyncContextManager[AsyncIterator[bytes]]


class Outgoing(Protocol):
    """A blob to send, whose bytes can be had from any offset on, and again: the same ones each time."""

    @property
    def measured(self) -> Measured | None:
        """What it is known by; None before its end was reached, of one that is only made while it is sent."""
        ...

    def open(self, offset_bytes: int) -> Content:
        """Open it at an offset, to send the rest of it."""
        ...


class Blob(Protocol):
    """The bytes of a blob from an offset on, in chunks of up to a MiB; iterated once.

    A connection that breaks is made again and goes on where it broke.  Raises RegistryError while it is
    iterated when it does not come back.
    """

    @property
    def size_bytes(self) -> int | None:
        """How large the whole blob is, if the registry says so."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Repository(Protocol):
    """One repository.

    Every method raises a RegistryError when the last place to ask has failed.
    Tags and digests are those of a parsed Reference.
    """

    async def manifest(self, tag_or_digest: str) -> Manifest:
        """Return a manifest or an index; schema 1 is refused."""
        ...

    async def digest_of(self, tag_or_digest: str) -> str | None:
        """Return the digest of a manifest or an index that is there, or None where nobody says it.

        Nothing is fetched, so registries that count pulls do not count this.  Raises nothing: why it is
        not said, `manifest` will tell.
        """
        ...

    def blob(
        self, digest: str, offset_bytes: int = 0, notice: Notice | None = None
    ) -> AbstractAsyncContextManager[Blob]:
        """Open a blob at an offset, at whichever place has it.

        `notice` is told of each wait for another attempt, also while the blob is iterated.
        """
        ...

    def distrust(self, digest: str) -> bool:
        """Say that what came of a blob is wrong; return whether there are other places to ask.

        Then the mirrors it came from are not asked for it any more.  All that came of it is to be dropped.
        """
        ...

    async def blob_size(self, digest: str) -> int | None:
        """Return how large a blob is that the registry has, or None if it has not."""
        ...

    async def mount(self, digest: str, from_path: str) -> bool:
        """Have the registry take a blob from another of its repositories; False if it does not."""
        ...

    async def upload(self, blob: Outgoing, notice: Notice | None = None) -> Measured:
        """Send a blob that the registry does not have, and return what it is known by.

        It is opened again, at another offset, when a connection breaks.
        """
        ...

    async def put_manifest(self, tag_or_digest: str, media_type: str, raw: bytes) -> str:
        """Store a manifest whose blobs the registry has; return its digest."""
        ...

    async def tags(self) -> tuple[str, ...]:
        """Return the tags of the repository, in the registry's order."""
        ...


@attrs.frozen
class SearchResult:
    """A repository that a search found; the fields are the API's (`GET /images/search`)."""

    name: str
    description: str
    star_count: int
    is_official: bool
    is_automated: bool


class Registries(Protocol):
    """All registries, as they are configured at the moment of each call."""

    def repository(
        self, reference: Reference, credentials: Credentials, action: Action = Action.PULL
    ) -> AbstractAsyncContextManager[Repository]:
        """Open the repository of `reference`; nothing is asked before its first method is."""
        ...

    async def log_in(self, server_address: str, credentials: Credentials) -> str:
        """Check credentials; return an identity token to keep instead of the password, or "".

        Raises:
            RegistryError: the registry refuses them, or cannot be asked.

        """
        ...

    async def search(self, term: str, limit: int, credentials: Credentials) -> tuple[SearchResult, ...]:
        """Return the repositories that a registry finds for `[HOST/]TERM`, the best first.

        Raises:
            RegistryError: the registry has no search, or cannot be asked.

        """
        ...
