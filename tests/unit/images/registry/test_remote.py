from __future__ import annotations

import contextlib

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from daemon.images import digests, references
from daemon.images.registry.credentials import ANONYMOUS, Credentials
from daemon.images.registry.errors import (
    AccessDenied,
    ImageUnusable,
    LoginRefused,
    NothingThere,
    RateLimited,
    RegistryError,
    RegistryFailed,
    WrongContent,
)
from daemon.images.registry.remote import RemoteRepository
from daemon.images.registry.repository import Action, Retry
from daemon.settings import Settings
from tests.registries.outgoing import Opened
from tests.registries.shelf import Reply, Request, Shelf, TokenServer, basic, corrupt, cut_at, instead, refuse
from tests.unit.images.registry.rig import HOST, HUB, Rig

ME = Credentials("me", "secret")
INDEX = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
NAME = references.parse(f"{HOST}/team/app")
HUB_NAME = references.parse("team/app")


async def read(repository: RemoteRepository, digest: str, offset: int = 0, *told: list[Retry]) -> bytes:
    async with repository.blob(digest, offset, told[0].append if told else None) as blob:
        return b"".join([chunk async for chunk in blob])


async def test_a_manifest_is_had_by_tag_and_by_digest(rig: Rig, shelf: Shelf) -> None:
    digest = shelf.add_manifest("team/app", "1", INDEX, str(INDEX["mediaType"]))
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        by_tag, by_digest = await repository.manifest("1"), await repository.manifest(digest)
    assert by_tag == by_digest
    assert (by_tag.digest, by_tag.media_type) == (digest, INDEX["mediaType"])
    assert "manifest.list" in shelf.asked[-1].headers["accept"]
    assert shelf.asked[-1].headers["user-agent"].startswith("longshore/")


@pytest.mark.parametrize("reference", ["tag", "digest"])
async def test_a_manifest_that_is_not_what_was_promised_is_refused(
    rig: Rig, shelf: Shelf, reference: str
) -> None:
    digest = shelf.add_manifest("team/app", "tag", INDEX)
    other = Reply(200, {"Docker-Content-Digest": digest}, b'{"schemaVersion":2}')
    shelf.fail("GET /v2/team/app/manifests", instead(other))
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(RegistryFailed, match="manifest verification failed for digest"):
            await repository.manifest(reference if reference == "tag" else digest)


async def test_a_manifest_that_is_too_large_is_not_read_to_its_end(rig: Rig, shelf: Shelf) -> None:
    shelf.fail("GET /v2/team/app/manifests", instead(Reply(body=b" " * (9 << 20))))
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(RegistryFailed, match="larger than 8388608 bytes"):
            await repository.manifest("1")


@pytest.mark.parametrize(
    ("media_type", "document"),
    [
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", {"schemaVersion": 1}),
        ("application/json", {"schemaVersion": 1}),
        ("application/vnd.docker.distribution.manifest.v1+json", {}),
        ("text/html", {"schemaVersion": 2}),
    ],
)
async def test_other_manifests_are_refused(
    rig: Rig, shelf: Shelf, media_type: str, document: dict[str, int]
) -> None:
    shelf.add_manifest("team/app", "1", document, media_type)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(ImageUnusable, match=r"schema 1 are not supported|unsupported media type"):
            await repository.manifest("1")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refuse(404, "MANIFEST_UNKNOWN", "manifest unknown"), "MANIFEST_UNKNOWN"),
        (Reply(404, body=b"<html>nothing here</html>"), "MANIFEST_UNKNOWN"),
        (refuse(404, "NAME_UNKNOWN"), "NAME_UNKNOWN"),
    ],
)
async def test_what_is_not_there_has_a_code(rig: Rig, shelf: Shelf, reply: Reply, code: str) -> None:
    shelf.fail("GET /v2/team/app/manifests", instead(reply))
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(NothingThere) as caught:
            await repository.manifest("1")
    assert caught.value.code == code
    assert code != "MANIFEST_UNKNOWN" or str(caught.value) == "manifest unknown: manifest unknown"


async def test_a_blob_is_read_from_any_offset(rig: Rig, shelf: Shelf) -> None:
    content = bytes(range(256)) * 20
    digest = shelf.add_blob("team/app", content)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        for offset in (0, 1, 1000, len(content)):
            async with repository.blob(digest, offset) as blob:
                assert blob.size_bytes == len(content)
                assert b"".join([chunk async for chunk in blob]) == content[offset:]


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_broken_download_goes_on_where_it_was(
    rig: Rig, shelf: Shelf, ranges: bool, autojump_clock: trio.testing.MockClock
) -> None:
    content = bytes(range(256)) * 40
    digest = shelf.add_blob("team/app", content)
    shelf.ranges = ranges
    shelf.fail("GET /v2/team/app/blobs", cut_at(5000))
    told: list[Retry] = []
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        assert await read(repository, digest, 0, told) == content
    assert [request.headers.get("range") for request in shelf.asked[1:]] == [None, "bytes=5000-"]
    assert [retry.delay_seconds for retry in told] == [1]
    assert "peer closed connection" in told[0].reason


async def test_attempts_count_only_as_long_as_nothing_comes(
    rig: Rig, shelf: Shelf, autojump_clock: trio.testing.MockClock
) -> None:
    content = bytes(range(256)) * 40
    digest = shelf.add_blob("team/app", content)
    shelf.fail("GET /v2/team/app/blobs", cut_at(1000), times=8)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        assert await read(repository, digest) == content
    assert trio.current_time() == 8
    shelf.fail("GET /v2/team/app/blobs", cut_at(0), times=8)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(RegistryFailed, match="peer closed connection"):
            await read(repository, digest)
    assert trio.current_time() == 8 + 1 + 2 + 4 + 8


async def test_a_stalled_download_is_begun_again(
    rig: Rig, shelf: Shelf, autojump_clock: trio.testing.MockClock
) -> None:
    digest = shelf.add_blob("team/app", b"content")
    shelf.fail("GET /v2/team/app/blobs", lambda reply: attrs.evolve(reply, stalls=True))
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        assert await read(repository, digest) == b"content"
    assert trio.current_time() == 61


@pytest.mark.parametrize(
    "reply",
    [
        Reply(206, {}, b"tent"),
        Reply(206, {"Content-Range": "bytes 5-6/7"}, b"nt"),
        Reply(416, {"Content-Range": "bytes */9"}),
    ],
)
async def test_another_part_than_was_asked_for_is_refused(rig: Rig, shelf: Shelf, reply: Reply) -> None:
    digest = shelf.add_blob("team/app", b"content")
    shelf.fail("GET /v2/team/app/blobs", instead(reply))
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(RegistryFailed, match="part of the blob"):
            await read(repository, digest, 3)


@pytest.mark.parametrize(
    ("reply", "waited"),
    [
        (refuse(429, "TOOMANYREQUESTS", "slow down"), 1 + 2),
        (refuse(429, "TOOMANYREQUESTS", "slow down", Retry_After="7"), 7 + 7),
        (Reply(503, body=b"busy"), 1 + 2),
    ],
)
async def test_what_may_pass_is_waited_for(
    rig: Rig, shelf: Shelf, reply: Reply, waited: float, autojump_clock: trio.testing.MockClock
) -> None:
    digest = shelf.add_manifest("team/app", "1", INDEX)
    shelf.fail("GET /v2/team/app/manifests", instead(reply), times=2)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        assert (await repository.manifest("1")).digest == digest
    assert trio.current_time() == waited


@pytest.mark.parametrize(("after", "waited"), [("3600", 0), ("x", 15), ("60", 240)])
async def test_a_rate_limit_that_does_not_pass_is_told(
    rig: Rig, shelf: Shelf, after: str, waited: float, autojump_clock: trio.testing.MockClock
) -> None:
    text = "You have reached your pull rate limit."
    shelf.fail("GET", instead(refuse(429, "TOOMANYREQUESTS", text, Retry_After=after)), times=99)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(RateLimited, match=rf"^toomanyrequests: {text}"):
            await repository.manifest("1")
    assert trio.current_time() == waited


async def test_a_registry_that_is_not_there_is_not_waited_for(rig: Rig) -> None:
    rig.hosts.clear()
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(RegistryFailed) as caught:
            await repository.manifest("1")
    assert str(caught.value) == (f'Get "https://{HOST}/v2/": dial tcp {HOST}: connect: connection refused')


async def test_a_password_is_shown_where_it_is_wanted(rig: Rig, shelf: Shelf) -> None:
    shelf.users = {"me": "secret"}
    shelf.add_manifest("team/app", "1", INDEX)
    async with rig.registries.repository(NAME, ME) as repository:
        await repository.manifest("1")
    check, asked = shelf.asked
    assert "authorization" not in check.headers
    assert asked.headers["authorization"] == basic("me", "secret")


@pytest.mark.parametrize(
    ("who", "text"),
    [
        (ANONYMOUS, "no basic auth credentials"),
        (Credentials("me", "wrong"), "unauthorized: authentication required"),
    ],
)
async def test_who_is_not_let_in_is_told(rig: Rig, shelf: Shelf, who: Credentials, text: str) -> None:
    shelf.users = {"me": "secret"}
    async with rig.registries.repository(NAME, who) as repository:
        with pytest.raises(LoginRefused, match=text):
            await repository.manifest("1")
    assert len(shelf.asked) == 2


async def test_a_token_is_fetched_once_for_a_scope(rig: Rig, shelf: Shelf) -> None:
    server = TokenServer({"me": "secret"})
    rig.hosts["https://auth.example"] = server
    shelf.token_url = "https://auth.example/token"
    digest = shelf.add_blob("team/app", b"content")
    shelf.add_manifest("team/app", "1", INDEX)
    async with rig.registries.repository(NAME, ME) as repository:
        await repository.manifest("1")
        assert await read(repository, digest) == b"content"
    (asked,) = server.asked
    assert asked.query == {"service": "tests", "account": "me", "scope": "repository:team/app:pull"}
    assert asked.headers["authorization"] == basic("me", "secret")


async def test_a_token_that_has_expired_is_fetched_again(
    rig: Rig, shelf: Shelf, autojump_clock: trio.testing.MockClock
) -> None:
    server = TokenServer(lasts_seconds=1)  # less than a minute is a minute
    rig.hosts["https://auth.example"] = server
    shelf.token_url = "https://auth.example/token"
    shelf.add_manifest("team/app", "1", INDEX)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        for wait in (0, 40, 20):
            await trio.sleep(wait)
            await repository.manifest("1")
    assert [request.headers.get("authorization") for request in server.asked] == [None, None]
    assert "account" not in server.asked[0].query


async def test_an_identity_token_is_exchanged(rig: Rig, shelf: Shelf) -> None:
    server = TokenServer(identity_tokens={"id": "me"})
    rig.hosts["https://auth.example"] = server
    shelf.token_url = "https://auth.example/token"
    shelf.add_manifest("team/app", "1", INDEX)
    async with rig.registries.repository(NAME, Credentials(identity_token="id")) as repository:
        await repository.manifest("1")
    (asked,) = server.asked
    assert asked.method == "POST"
    assert b"grant_type=refresh_token&refresh_token=id&client_id=docker" in asked.body
    assert "authorization" not in asked.headers


async def test_a_registry_token_is_shown_as_it_is(rig: Rig, shelf: Shelf) -> None:
    shelf.token_url = "https://auth.example/token"
    shelf.add_manifest("team/app", "1", INDEX)
    async with rig.registries.repository(NAME, Credentials(registry_token="any-token")) as repository:
        await repository.manifest("1")
    assert shelf.asked[-1].headers["authorization"] == "Bearer any-token"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://auth.example/token", "token server without TLS"),
        ("/token", "token server that is none"),
        ("https://auth.example/nobody", "connection refused"),
    ],
)
async def test_no_password_goes_to_a_token_server_that_should_not_have_it(
    rig: Rig, shelf: Shelf, url: str, text: str, autojump_clock: trio.testing.MockClock
) -> None:
    shelf.token_url = url
    server = TokenServer({"me": "secret"})
    rig.hosts["http://auth.example"] = server
    async with rig.registries.repository(NAME, ME) as repository:
        with pytest.raises(RegistryFailed, match=text):
            await repository.manifest("1")
    assert server.asked == []


@pytest.mark.parametrize(
    ("target", "shown"),
    [("/v2/token", {"authorization": basic("me", "secret")}), ("https://elsewhere.example/token", {})],
)
async def test_a_token_server_may_send_one_on(
    rig: Rig, shelf: Shelf, target: str, shown: dict[str, str]
) -> None:
    there = TokenServer({"me": "secret"})
    moved = Reply(307, {"Location": f"{target}?scope=repository:team/app:pull"})
    rig.hosts["https://auth.example"] = lambda asked: moved if asked.path == "/token" else there(asked)
    rig.hosts["https://elsewhere.example"] = there
    shelf.token_url = "https://auth.example/token"
    shelf.add_manifest("team/app", "1", INDEX)
    async with rig.registries.repository(NAME, ME) as repository:
        await repository.manifest("1")
    (asked,) = there.asked
    assert {name: value for name, value in asked.headers.items() if name == "authorization"} == shown


@pytest.mark.parametrize(
    ("credentials", "target", "text"),
    [
        (ME, "http://auth.example/v2/token", "refuses to go on without TLS"),
        (ME, "https://auth.example/token", "stopped after 10 redirects"),
        (Credentials(identity_token="id"), "https://auth.example/v2/token", "307 Temporary Redirect"),
    ],
)
async def test_a_token_server_that_sends_one_astray_is_left(
    rig: Rig, shelf: Shelf, credentials: Credentials, target: str, text: str
) -> None:
    rig.hosts["https://auth.example"] = lambda _: Reply(307, {"Location": target})
    shelf.token_url = "https://auth.example/token"
    async with rig.registries.repository(NAME, credentials) as repository:
        with pytest.raises(RegistryFailed, match=text):
            await repository.manifest("1")


async def test_a_wrong_password_is_the_token_servers_to_refuse(rig: Rig, shelf: Shelf) -> None:
    rig.hosts["https://auth.example"] = TokenServer({"me": "secret"})
    shelf.token_url = "https://auth.example/token"
    async with rig.registries.repository(NAME, Credentials("me", "wrong")) as repository:
        with pytest.raises(LoginRefused, match=r"^unauthorized: incorrect username or password$"):
            await repository.manifest("1")


async def test_too_small_a_scope_is_a_denial(rig: Rig, shelf: Shelf) -> None:
    challenge = 'Bearer realm="https://auth.example/token",error="insufficient_scope"'
    refusal = refuse(401, "UNAUTHORIZED", WWW_Authenticate=challenge)
    rig.hosts["https://auth.example"] = TokenServer()
    shelf.fail("GET /v2/team", instead(refusal), times=2)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(AccessDenied, match=r"^denied: requested access to the resource is denied$"):
            await repository.manifest("1")


@pytest.mark.parametrize("target", ["https://cdn.example", "http://cdn.example", f"http://{HOST}"])
async def test_a_redirect_elsewhere_is_followed_without_credentials(
    rig: Rig, shelf: Shelf, target: str
) -> None:
    cdn = Shelf()
    rig.hosts[target] = cdn
    shelf.users = {"me": "secret"}
    digest = shelf.add_blob("team/app", b"content")
    cdn.add_blob("team/app", b"content")
    shelf.fail(
        "GET /v2/team", instead(Reply(307, {"Location": f"{target}/v2/team/app/blobs/{digest}?sig=1"}))
    )
    async with rig.registries.repository(NAME, ME) as repository:
        assert await read(repository, digest) == b"content"
    (followed,) = cdn.asked
    assert "authorization" not in followed.headers
    assert followed.query == {"sig": "1"}


async def test_a_redirect_at_home_goes_with_credentials(rig: Rig, shelf: Shelf) -> None:
    shelf.users = {"me": "secret"}
    digest = shelf.add_blob("other", b"content")
    shelf.fail("GET /v2/team", instead(Reply(302, {"Location": f"/v2/other/blobs/{digest}"})))
    async with rig.registries.repository(NAME, ME) as repository:
        assert await read(repository, digest) == b"content"
    assert shelf.asked[-1].headers["authorization"] == basic("me", "secret")


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("http://elsewhere/", "refuses to go on without TLS"),
        ("", "points to no place"),
        ("gopher://x/", "points to no place"),
        ("/v2/team/app/manifests/1", "stopped after 10 redirects"),
    ],
)
async def test_redirects_that_lead_nowhere_are_refused(
    rig: Rig, shelf: Shelf, location: str, text: str
) -> None:
    shelf.fail("GET /v2/team", instead(Reply(301, {"Location": location})), times=99)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(RegistryFailed, match=text):
            await repository.manifest("1")


@pytest.mark.parametrize("fault", [None, Reply(404), Reply(500), refuse(401, "UNAUTHORIZED"), "absent"])
async def test_a_mirror_that_does_not_serve_is_passed_over(rig: Rig, fault: Reply | str | None) -> None:
    hub, mirror = Shelf(), Shelf()
    rig.hosts = {HUB: hub, "https://mirror:5000": mirror}
    if fault == "absent":
        del rig.hosts["https://mirror:5000"]
    rig.settings = Settings(registry_mirrors=("https://mirror:5000/",))
    digests_ = {shelf.add_manifest("team/app", "1", INDEX) for shelf in (hub, mirror)}
    blobs = {shelf.add_blob("team/app", b"content") for shelf in (hub, mirror)}
    if isinstance(fault, Reply):
        mirror.fail("GET /v2/team", instead(fault), times=99)
    async with rig.registries.repository(HUB_NAME, ANONYMOUS) as repository:
        assert {(await repository.manifest("1")).digest} == digests_
        assert await read(repository, blobs.pop()) == b"content"
    assert bool(hub.asked) is bool(fault)


async def test_a_mirror_that_breaks_off_is_left_for_the_registry(
    rig: Rig, autojump_clock: trio.testing.MockClock
) -> None:
    hub, mirror = Shelf(), Shelf()
    rig.hosts = {HUB: hub, "http://mirror:5000": mirror}
    rig.settings = Settings(registry_mirrors=("http://mirror:5000",))
    content = b"x" * 4000
    (digest,) = {shelf.add_blob("team/app", content) for shelf in (hub, mirror)}
    mirror.fail("GET /v2/team", cut_at(3000))
    async with rig.registries.repository(HUB_NAME, ANONYMOUS) as repository:
        assert await read(repository, digest) == content
    assert hub.asked[-1].headers["range"] == "bytes=3000-"


def mirrored(rig: Rig, *names: str) -> tuple[Shelf, ...]:
    """Have the Hub behind mirrors; return it, and them."""
    shelves = {f"https://{name}": Shelf() for name in names}
    hub = Shelf()
    rig.hosts = {HUB: hub, **shelves}
    rig.settings = Settings(registry_mirrors=tuple(shelves))
    return (hub, *shelves.values())


async def test_what_a_name_stands_for_is_said_by_the_first_place_that_says_it(rig: Rig) -> None:
    hub, first, second = mirrored(rig, "first", "second")
    first.fail("HEAD /v2/team/app", instead(refuse(500, "UNKNOWN")), times=99)
    second.fail("HEAD /v2/team/app", instead(Reply(200, {"Docker-Content-Digest": "nonsense"})), times=1)
    digest = hub.add_manifest("team/app", "1", INDEX, str(INDEX["mediaType"]))
    async with rig.registries.repository(HUB_NAME, ANONYMOUS) as repository:
        assert await repository.digest_of("1") == digest
        second.add_manifest("team/app", "1", {"schemaVersion": 2})
        assert await repository.digest_of("1") == digests.of(b'{"schemaVersion":2}')
    for shelf, times in ((first, 2), (second, 2), (hub, 1)):
        assert shelf.lines() == ["HEAD /v2/team/app/manifests/1"] * times
    assert "manifest.list" in hub.asked[-1].headers["accept"]


@pytest.mark.parametrize(
    "reply", [refuse(404, "MANIFEST_UNKNOWN"), refuse(429, "TOOMANYREQUESTS"), Reply(405), Reply(200)]
)
async def test_a_registry_that_does_not_say_what_it_has_is_no_error(
    rig: Rig, shelf: Shelf, reply: Reply
) -> None:
    shelf.add_manifest("team/app", "1", INDEX)
    shelf.fail("HEAD /v2/team/app", instead(reply), times=99)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        assert await repository.digest_of("1") is None
    assert shelf.lines() == ["HEAD /v2/team/app/manifests/1"]


async def test_mirrors_that_served_another_blob_are_not_asked_for_it_again(rig: Rig) -> None:
    hub, first, second = mirrored(rig, "first", "second")
    (digest,) = {shelf.add_blob("team/app", b"content") for shelf in (hub, first, second)}
    (other,) = {shelf.add_blob("team/app", b"other") for shelf in (hub, first, second)}
    for shelf in (first, second):
        shelf.fail(f"GET /v2/team/app/blobs/{digest}", corrupt, times=9)
    with capture_logs() as logged:
        async with rig.registries.repository(HUB_NAME, ANONYMOUS) as repository:
            for distrusted in (True, True, False):
                assert (await read(repository, digest) == b"content") is not distrusted
                assert repository.distrust(digest) is distrusted
            assert await read(repository, other) == b"other"
    asked = [[digest in line for line in shelf.lines()] for shelf in (first, second, hub)]
    assert asked == [[True, False], [True], [True]], "another blob of theirs may be right"
    warnings = [entry["mirror"] for entry in logged if entry["log_level"] == "warning"]
    assert warnings == ["first", "second"]


async def test_whoever_had_a_part_in_a_wrong_blob_is_passed_over(
    rig: Rig, autojump_clock: trio.testing.MockClock
) -> None:
    hub, mirror = mirrored(rig, "mirror")
    content = b"x" * 4000
    (digest,) = {shelf.add_blob("team/app", content) for shelf in (hub, mirror)}
    mirror.fail("GET /v2/team", lambda reply: cut_at(3000)(corrupt(reply)))
    async with rig.registries.repository(HUB_NAME, ANONYMOUS) as repository:
        assert await read(repository, digest) != content
        assert repository.distrust(digest)
        assert await read(repository, digest) == content
    assert [request.headers.get("range") for request in hub.asked[1:]] == ["bytes=3000-", None]
    assert len(mirror.lines()) == 1


@pytest.mark.parametrize(
    "reply", [Reply(206, {}, b"tent"), Reply(206, {"Content-Range": "bytes 5-6/7"}, b"nt"), Reply(416)]
)
async def test_a_mirror_that_sends_another_part_of_a_blob_is_passed_over(rig: Rig, reply: Reply) -> None:
    hub, mirror = mirrored(rig, "mirror")
    digest = hub.add_blob("team/app", b"content")
    mirror.fail("GET /v2/team", instead(reply))
    async with rig.registries.repository(HUB_NAME, ANONYMOUS) as repository:
        assert await read(repository, digest, 3) == b"tent"
        assert not repository.distrust(digest), "nothing of it came from there"


async def test_a_blob_that_is_of_another_size_elsewhere_is_wrong(
    rig: Rig, autojump_clock: trio.testing.MockClock
) -> None:
    hub, mirror = mirrored(rig, "mirror")
    digest = hub.add_blob("team/app", b"content")
    mirror.blobs["team/app", digest] = b"other content"
    mirror.fail("GET /v2/team", cut_at(3))
    async with rig.registries.repository(HUB_NAME, ANONYMOUS) as repository:
        with pytest.raises(WrongContent, match="the blob has changed its size"):
            await read(repository, digest)
        assert repository.distrust(digest)
        assert await read(repository, digest) == b"content"


async def test_a_mirror_with_another_manifest_is_passed_over(rig: Rig) -> None:
    hub, mirror = mirrored(rig, "mirror")
    digest = hub.add_manifest("team/app", "1", INDEX)
    mirror.fail("GET /v2/team", instead(Reply(200, {}, b'{"schemaVersion":2}')))
    with capture_logs() as logged:
        async with rig.registries.repository(HUB_NAME, ANONYMOUS) as repository:
            assert (await repository.manifest(digest)).digest == digest
    assert [entry["event"] for entry in logged if entry["log_level"] == "warning"] == [
        "a mirror serves another manifest"
    ]


async def test_credentials_are_not_for_mirrors(rig: Rig) -> None:
    hub, mirror = Shelf(users={"me": "secret"}), Shelf(users={"me": "secret"})
    rig.hosts = {HUB: hub, "https://mirror": mirror}
    rig.settings = Settings(registry_mirrors=("https://mirror",))
    for shelf in (hub, mirror):
        shelf.add_manifest("team/app", "1", INDEX)
    async with rig.registries.repository(HUB_NAME, ME) as repository:
        await repository.manifest("1")
    assert not any("authorization" in request.headers for request in mirror.asked)
    assert "authorization" in hub.asked[-1].headers


async def test_pushes_are_not_for_mirrors(rig: Rig) -> None:
    hub, mirror = Shelf(), Shelf()
    rig.hosts = {HUB: hub, "https://mirror": mirror}
    rig.settings = Settings(registry_mirrors=("https://mirror",))
    async with rig.registries.repository(HUB_NAME, ME, Action.PUSH) as repository:
        await repository.put_manifest("1", "application/vnd.oci.image.index.v1+json", b"{}")
    assert mirror.asked == []
    assert hub.lines() == ["PUT /v2/team/app/manifests/1"]


@pytest.mark.parametrize("listed", [(HOST,), ("10.0.0.0/8",)])
async def test_an_insecure_registry_is_spoken_to_plainly_where_it_has_no_tls(
    listed: tuple[str, ...],
) -> None:
    shelf = Shelf()
    rig = Rig({f"http://{HOST}": shelf}, Settings(insecure_registries=listed))
    rig.addresses = {"registry.example": ("10.1.2.3",)}
    shelf.add_manifest("team/app", "1", INDEX)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        await repository.manifest("1")
    assert rig.wires[0].refused == [f"https://{HOST}"]


async def test_any_other_registry_is_not() -> None:
    rig = Rig({f"http://{HOST}": Shelf()}, Settings(insecure_registries=("registry.example:80",)))
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(RegistryFailed, match="connection refused"):
            await repository.manifest("1")


async def test_tags_are_read_page_by_page(rig: Rig, shelf: Shelf) -> None:
    shelf.page_tags = 2
    for tag in ("a", "b", "c", "d", "e"):
        shelf.add_manifest("team/app", tag, INDEX)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        assert await repository.tags() == ("a", "b", "c", "d", "e")
        shelf.manifests.clear()
        assert await repository.tags() == ()


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(200, {"Link": '</v2/team/app/tags/list?n=1>; rel="next"'}, b'{"tags":["a"]}'), "no end"),
        (Reply(200, {"Link": '<https://elsewhere/>; rel="next"'}, b'{"tags":["a"]}'), "another host"),
        (Reply(200, {}, b'{"tags":["../a"]}'), "no list of tags"),
        (Reply(200, {}, b"[]"), "no list of tags"),
    ],
)
async def test_a_list_of_tags_that_makes_no_sense_is_refused(
    rig: Rig, shelf: Shelf, reply: Reply, text: str
) -> None:
    shelf.fail("GET /v2/team/app/tags", instead(reply), times=99)
    async with rig.registries.repository(NAME, ANONYMOUS) as repository:
        with pytest.raises(RegistryError, match=text):
            await repository.tags()


async def test_a_blob_is_mounted_from_another_repository(rig: Rig, shelf: Shelf) -> None:
    digest = shelf.add_blob("team/base", b"content")
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        assert await repository.mount(digest, "team/base")
        assert await repository.blob_size(digest) == 7


async def test_a_mount_that_is_refused_is_none(rig: Rig, shelf: Shelf) -> None:
    shelf.fail("POST", instead(refuse(403, "DENIED")))
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        assert not await repository.mount(digests.of(b"content"), "team/base")
        await repository.upload(Opened(b"content"))
    assert shelf.blobs["team/app", digests.of(b"content")] == b"content"


async def test_a_session_begun_instead_of_a_mount_is_used(rig: Rig, shelf: Shelf) -> None:
    digest = digests.of(b"content")
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        assert not await repository.mount(digest, "team/base")
        await repository.upload(Opened(b"content"))
    assert [request.method for request in shelf.asked[1:]] == ["POST", "PUT"]


async def test_a_push_asks_for_its_scopes(rig: Rig, shelf: Shelf) -> None:
    server = TokenServer({"me": "secret"})
    rig.hosts["https://auth.example"] = server
    shelf.token_url = "https://auth.example/token"
    async with rig.registries.repository(NAME, ME, Action.PUSH) as repository:
        await repository.blob_size(digests.of(b""))
        await repository.mount(digests.of(b""), "team/base")
    assert [request.target.partition("?")[2] for request in server.asked] == [
        "service=tests&account=me&scope=repository%3Ateam%2Fapp%3Apull%2Cpush",
        "service=tests&account=me&scope=repository%3Ateam%2Fapp%3Apull%2Cpush&scope=repository%3Ateam%2Fbase%3Apull",
    ]


async def test_the_registry_is_read_only(rig: Rig, shelf: Shelf) -> None:
    shelf.fail("PUT", instead(refuse(403, "DENIED", "requested access to the resource is denied")))
    async with rig.registries.repository(NAME, ANONYMOUS, Action.PUSH) as repository:
        with pytest.raises(AccessDenied, match=r"^denied: requested access"):
            await repository.put_manifest("1", "application/vnd.oci.image.index.v1+json", b"{}")


async def test_requests_are_made_of_parsed_names_only(rig: Rig, shelf: Shelf) -> None:
    odd = attrs.evolve(references.parse(f"{HOST}/a-b/c__d.e:T_1.x-y"))
    with contextlib.suppress(RegistryError):
        async with rig.registries.repository(odd, ANONYMOUS) as repository:
            await repository.manifest(odd.tag)
    assert shelf.asked[-1] == Request("GET", "/v2/a-b/c__d.e/manifests/T_1.x-y", shelf.asked[-1].headers)
