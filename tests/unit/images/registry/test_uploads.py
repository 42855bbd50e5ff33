"""How a blob gets to a registry: whole, in a session, and after something went wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from daemon.images import digests, references
from daemon.images.digests import Measured
from daemon.images.registry.credentials import ANONYMOUS, Credentials
from daemon.images.registry.errors import RegistryError
from daemon.images.registry.repository import Action, Retry
from tests.registries.outgoing import Made, Opened
from tests.registries.shelf import Reply, Shelf, TokenServer, refuse
from tests.unit.images.registry.rig import HOST, Rig

ME = Credentials("me", "secret")
NAME = references.parse(f"{HOST}/team/app")


@pytest.mark.parametrize("size_bytes", [0, 7, 4 << 20, (5 << 20) + 1])
async def test_a_blob_is_uploaded(rig: Rig, shelf: Shelf, size_bytes: int) -> None:
    content = b"x" * size_bytes
    digest = digests.of(content)
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        assert await repository.blob_size(digest) is None
        assert await repository.upload(Opened(content)) == Measured(digest, size_bytes)
        assert await repository.blob_size(digest) == size_bytes
    methods = [request.method for request in shelf.asked[2:-1]]
    assert methods == (["POST", "PUT"] if size_bytes <= 4 << 20 else ["POST", "PATCH", "PUT"])
    assert {request.query.get("_state") for request in shelf.asked[3:-1]} <= {"0", str(size_bytes)}


async def test_a_broken_upload_goes_on_where_the_registry_is(
    rig: Rig, shelf: Shelf, autojump_clock: trio.testing.MockClock
) -> None:
    content = bytes(range(256)) * (5 << 12)
    digest = digests.of(content)
    got_half = len(content) // 2

    def half(reply: Reply) -> Reply:
        (session,) = shelf.uploads
        shelf.uploads[session] = shelf.uploads[session][:got_half]
        return Reply(502)

    shelf.fail("PATCH", half)
    opened, told = Opened(content), list[Retry]()
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        await repository.upload(opened, told.append)
    assert opened.offsets == [0, got_half]
    assert shelf.blobs["team/app", digest] == content
    assert [request.method for request in shelf.asked[1:]] == ["POST", "PATCH", "GET", "PATCH", "PUT"]
    assert shelf.asked[-2].headers["content-range"] == f"{got_half}-{len(content) - 1}"
    assert [retry.delay_seconds for retry in told] == [1]


async def test_an_upload_that_the_registry_has_forgotten_is_begun_anew(
    rig: Rig, shelf: Shelf, autojump_clock: trio.testing.MockClock
) -> None:
    content = b"y" * (5 << 20)

    def forget(reply: Reply) -> Reply:
        shelf.uploads.clear()
        return Reply(503)

    shelf.fail("PATCH", forget)
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        await repository.upload(Opened(content))
    assert shelf.blobs["team/app", digests.of(content)] == content


async def test_a_token_that_expires_under_an_upload_is_fetched_again(
    rig: Rig, shelf: Shelf, autojump_clock: trio.testing.MockClock
) -> None:
    server = TokenServer({"me": "secret"})
    rig.hosts["https://auth.example"] = server
    shelf.token_url = "https://auth.example/token"
    content = b"z" * (5 << 20)
    shelf.fail("PATCH", expire(shelf))
    async with rig.registries.repository(NAME, ME, Action.PUSH) as repository:
        await repository.upload(Opened(content))
    assert shelf.blobs["team/app", digests.of(content)] == content
    assert len(server.asked) == 2


def expire(shelf: Shelf) -> Callable[[Reply], Reply]:
    """Return a fault that takes nothing and wants another token."""

    def spoil(reply: Reply) -> Reply:
        shelf.uploads.update(dict.fromkeys(shelf.uploads, b""))
        return refuse(401, "UNAUTHORIZED", WWW_Authenticate=f'Bearer realm="{shelf.token_url}"')

    return spoil


async def test_an_upload_may_take_long_to_be_stored(
    rig: Rig, shelf: Shelf, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[tuple[str, float]] = []
    rig.watch = lambda request: seen.append((request.method, request.extensions["timeout"]["read"]))
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        await repository.upload(Opened(b"x"))
    assert seen == [("GET", 60), ("POST", 60), ("PUT", 900)]


async def test_content_with_another_digest_is_the_registrys_to_refuse(rig: Rig, shelf: Shelf) -> None:
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        with pytest.raises(RegistryError, match="digest invalid: provided digest did not match"):
            await repository.upload(Opened(b"content", digests.of(b"other")))


@pytest.mark.parametrize("size_bytes", [0, 7, (5 << 20) + 1])
async def test_a_blob_that_is_made_on_the_way_is_named_at_the_end(
    rig: Rig, shelf: Shelf, size_bytes: int
) -> None:
    content = b"x" * size_bytes
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        measured = await repository.upload(Made(content))
    assert measured == Measured(digests.of(content), size_bytes)
    assert shelf.blobs["team/app", measured.digest] == content
    begun, sent, ended = shelf.asked[1:]
    assert [request.method for request in (begun, sent, ended)] == ["POST", "PATCH", "PUT"]
    assert sent.headers["transfer-encoding"] == "chunked"
    assert not {"content-length", "content-range"} & set(sent.headers)
    assert (ended.query["digest"], ended.body) == (measured.digest, b"")


async def test_one_that_broke_off_before_its_end_goes_on_without_a_length(
    rig: Rig, shelf: Shelf, autojump_clock: trio.testing.MockClock
) -> None:
    content = bytes(range(256)) * (5 << 12)
    made, had = Made(content), 3 << 20

    def half(reply: Reply) -> Reply:
        made.measured = None  # as if the connection had gone before the end
        (session,) = shelf.uploads
        shelf.uploads[session] = shelf.uploads[session][:had]
        return Reply(503)

    shelf.fail("PATCH", half)
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        await repository.upload(made)
    assert made.offsets == [0, had]
    assert shelf.blobs["team/app", digests.of(content)] == content
    assert shelf.asked[-2].headers["transfer-encoding"] == "chunked"


async def test_one_that_was_sent_whole_is_not_made_again_to_be_named(
    rig: Rig, shelf: Shelf, autojump_clock: trio.testing.MockClock
) -> None:
    made = Made(b"z" * (5 << 20))
    shelf.fail("PATCH", lambda _: Reply(502))
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        await repository.upload(made)
    assert made.offsets == [0]
    assert [request.method for request in shelf.asked[1:]] == ["POST", "PATCH", "GET", "PUT"]


async def test_a_registry_that_does_not_wait_for_the_end_is_asked_again_and_then_given_up(
    rig: Rig, shelf: Shelf, autojump_clock: trio.testing.MockClock
) -> None:
    made = Made(b"z" * 100)

    def early(reply: Reply) -> Reply:
        made.measured = None
        return reply

    shelf.fail("PATCH", early, times=99)
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        with pytest.raises(RegistryError, match="has not waited for the end of the blob"):
            await repository.upload(made)
