from __future__ import annotations

import orjson
import pytest
import trio

from daemon.errors import InvalidParameter
from daemon.images.registry.credentials import ANONYMOUS, Credentials
from daemon.images.registry.errors import LoginRefused, RegistryFailed
from daemon.images.registry.login import registry_name
from daemon.images.registry.repository import SearchResult
from daemon.images.registry.search import split_term
from tests.registries.shelf import Reply, Request, Shelf, TokenServer
from tests.unit.images.registry.rig import HOST, HUB, Rig

ME, STRANGER = Credentials("me", "secret"), Credentials("me", "wrong")
INCORRECT = "unauthorized: incorrect username or password$"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("", "registry-1.docker.io"),
        ("https://index.docker.io/v1/", "registry-1.docker.io"),
        ("docker.io", "registry-1.docker.io"),
        ("r:5000", "r:5000"),
        ("http://r:5000/v2/", "r:5000"),
        ("https://r", "r"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_a_registry_goes_by_many_names(address: str, name: str) -> None:
    assert registry_name(address) == name


@pytest.mark.parametrize("address", ["https://", "a b", "r:x", "me@r", "\n", "..", "https://[::"])
async def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidParameter):
        await Rig().registries.log_in(address, ME)


async def test_basic_credentials_are_checked() -> None:
    rig = Rig({f"https://{HOST}": Shelf(users={"me": "secret"})})
    assert await rig.registries.log_in(HOST, ME) == ""
    for who in (STRANGER, ANONYMOUS):
        with pytest.raises(LoginRefused, match=INCORRECT):
            await rig.registries.log_in(HOST, who)


async def test_a_token_server_gives_an_identity_token() -> None:
    server = TokenServer({"me": "secret"})
    rig = Rig({HUB: Shelf(token_url="https://auth.example/token"), "https://auth.example": server})
    assert await rig.registries.log_in("", ME) == "identity"
    assert server.asked[0].query["offline_token"] == "true"
    assert "scope" not in server.asked[0].query
    with pytest.raises(LoginRefused, match=INCORRECT):
        await rig.registries.log_in("", STRANGER)


async def test_an_open_registry_lets_everybody_in() -> None:
    assert await Rig({f"https://{HOST}": Shelf()}).registries.log_in(HOST, ME) == ""


async def test_a_registry_that_is_not_there_is_no_wrong_password() -> None:
    with pytest.raises(RegistryFailed, match="connection refused"):
        await Rig().registries.log_in(HOST, ME)


@pytest.mark.parametrize(
    ("term", "split"),
    [
        ("busybox", ("index.docker.io", "busybox")),
        ("library/busybox", ("index.docker.io", "busybox")),
        ("team/app", ("index.docker.io", "team/app")),
        ("docker.io/library/busybox", ("index.docker.io", "busybox")),
        ("index.docker.io/x", ("index.docker.io", "x")),
        ("r:5000/team/app", ("r:5000", "team/app")),
        ("localhost/x", ("localhost", "x")),
    ],
)
def test_a_term_may_name_a_registry(term: str, split: tuple[str, str]) -> None:
    assert split_term(term) == split


@pytest.mark.parametrize("term", ["https://r/x", "r:x/y", "a b.c/x"])
def test_a_registry_in_a_term_must_be_one(term: str) -> None:
    with pytest.raises(InvalidParameter):
        split_term(term)


async def test_results_are_read_as_far_as_they_make_sense() -> None:
    found = [
        {"name": "a", "description": None, "star_count": 3, "is_official": True, "is_automated": "yes"},
        "nonsense",
        {"name": "b", "star_count": "x"},
        {"name": "c"},
    ]
    asked: list[Request] = []

    def index(request: Request) -> Reply:
        asked.append(request)
        return Reply(body=orjson.dumps({"results": found}))

    rig = Rig({"https://index.docker.io": index})
    assert await rig.registries.search("a b&c", 3, ANONYMOUS) == (
        SearchResult("a", "", 3, is_official=True, is_automated=False),
        SearchResult("b", "", 0, is_official=False, is_automated=False),
    )
    assert (asked[-1].path, asked[-1].query) == ("/v1/search", {"q": "a b&c", "n": "3"})


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(404), r"^Unexpected status code 404$"),
        (Reply(503), r"^Unexpected status code 503$"),
        (Reply(body=b"<html>"), "no list of results"),
        (Reply(body=b'{"results":{}}'), "no list of results"),
    ],
)
async def test_a_registry_without_search_says_so(
    reply: Reply, text: str, autojump_clock: trio.testing.MockClock
) -> None:
    rig = Rig({f"https://{HOST}": lambda request: reply})
    with pytest.raises(RegistryFailed, match=text):
        await rig.registries.search(f"{HOST}/x", 25, ANONYMOUS)
