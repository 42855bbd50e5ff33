"""The client over real sockets, against a registry that goes wrong as it is told."""

from __future__ import annotations

import gc
import os
import ssl
from functools import partial

import pytest
import trio
import trustme

from daemon.images import references
from daemon.images.references import Reference
from daemon.images.registry import retrying
from daemon.images.registry.credentials import ANONYMOUS, Credentials
from daemon.images.registry.errors import RateLimited
from daemon.images.registry.registries import RemoteRegistries
from daemon.images.registry.repository import Retry
from tests.registries.scripted import Scripted, serving
from tests.registries.shelf import Reply, Shelf, TokenServer, cut_at, instead, refuse

pytestmark = pytest.mark.runtime
INDEX = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
SIZE_BYTES = 24 << 20


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have attempts follow at once: the clock is real here."""
    monkeypatch.setattr(retrying, "FIRST_SECONDS", 0.01)


def named(scripted: Scripted) -> Reference:
    return references.parse(f"{scripted.address}/app")


@pytest.fixture(params=["plain", "tls"])
def context(request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    """What the registry speaks TLS with, if it does."""
    if request.param == "plain":
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_a_connection_cut_at_half_is_resumed(
    registries: RemoteRegistries, context: ssl.SSLContext | None
) -> None:
    shelf, content, told = Shelf(), os.urandom(SIZE_BYTES), list[Retry]()
    digest = shelf.add_blob("app", content)
    shelf.fail("GET /v2/app/blobs", cut_at(SIZE_BYTES // 2))
    async with (
        serving(shelf, context) as scripted,
        registries.repository(named(scripted), ANONYMOUS) as repository,
        repository.blob(digest, notice=told.append) as blob,
    ):
        received = b"".join([chunk async for chunk in blob])
    assert received == content
    assert [request.headers.get("range") for request in shelf.asked[1:]] == [
        None,
        f"bytes={SIZE_BYTES // 2}-",
    ]
    assert len(told) == 1


@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_download_may_be_left_in_the_middle(
    registries: RemoteRegistries, cancelled: bool, context: ssl.SSLContext | None
) -> None:
    shelf = Shelf()
    digest = shelf.add_blob("app", bytes(SIZE_BYTES))
    shelf.add_manifest("app", "1", INDEX)
    async with (
        serving(shelf, context) as scripted,
        registries.repository(named(scripted), ANONYMOUS) as repository,
    ):
        with trio.CancelScope() as scope:
            async with repository.blob(digest) as blob:
                async for chunk in blob:
                    assert chunk
                    if not cancelled:
                        break
                    scope.cancel("enough")
        gc.collect()  # a generator left over would be warned of here
        assert scope.cancelled_caught is cancelled
        await repository.manifest("1")


async def test_limits_and_failures_that_pass_are_waited_for(registries: RemoteRegistries) -> None:
    shelf = Shelf()
    digest = shelf.add_manifest("app", "1", INDEX)
    shelf.fail("GET /v2/app", instead(refuse(429, "TOOMANYREQUESTS", Retry_After="0")))
    shelf.fail("GET /v2/app", instead(Reply(502, body=b"bad gateway")))
    shelf.fail("GET /v2/app", cut_at(10))
    async with serving(shelf) as scripted, registries.repository(named(scripted), ANONYMOUS) as repository:
        assert (await repository.manifest("1")).digest == digest
        shelf.fail("GET /v2/app", instead(refuse(429, "TOOMANYREQUESTS", "enough")), times=99)
        with pytest.raises(RateLimited, match=r"^toomanyrequests: enough$"):
            await repository.manifest("1")


async def test_credentials_stay_at_the_registry(registries: RemoteRegistries) -> None:
    shelf, storage, server = Shelf(), Shelf(), TokenServer({"me": "secret"})
    digest = shelf.add_blob("app", b"content")
    storage.add_blob("app", b"content")
    async with serving(storage) as elsewhere, serving(server) as tokens, serving(shelf) as scripted:
        shelf.token_url = f"{tokens.url}/token"
        location = f"{elsewhere.url}/v2/app/blobs/{digest}?signature=x"
        shelf.fail("GET /v2/app/blobs", partial(redirected, location), times=2)
        async with (
            registries.repository(named(scripted), Credentials("me", "secret")) as repository,
            repository.blob(digest) as blob,
        ):
            assert b"".join([chunk async for chunk in blob]) == b"content"
    assert shelf.asked[-1].headers["authorization"] == "Bearer token-for-app#1"
    assert ["authorization" in request.headers for request in storage.asked] == [False]


def redirected(location: str, reply: Reply) -> Reply:
    """Redirect what is allowed."""
    return reply if reply.status == 401 else Reply(307, {"Location": location})
