from __future__ import annotations

import contextlib
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import InvalidParameter
from daemon.images.references import is_domain
from daemon.images.registry.endpoints import Endpoint, endpoints_of, is_insecure, registry
from daemon.images.registry.repository import Action
from daemon.images.registry.urls import read_url
from daemon.settings import Settings

DOMAINS = st.from_regex(r"[a-z0-9.:\[\]A-F-]{1,20}", fullmatch=True).filter(is_domain)
HUB = httpx.URL("https://registry-1.docker.io")


async def resolve(host: str) -> Sequence[str]:
    return {"inside": ["10.1.2.3", "192.0.2.1"], "localhost": ["127.0.0.1"], "six": ["fe80::1%eth0"]}.get(
        host, ()
    )


async def test_docker_hub_has_mirrors_for_pulls() -> None:
    settings = Settings(registry_mirrors=("https://a.example/", "http://127.0.0.1:5000"))
    pulls = await endpoints_of("docker.io", Action.PULL, settings, resolve)
    assert pulls == (
        Endpoint("a.example", (httpx.URL("https://a.example"),)),
        Endpoint("127.0.0.1:5000", (httpx.URL("http://127.0.0.1:5000"),), insecure=True),
        Endpoint("registry-1.docker.io", (HUB,)),
    )
    assert await endpoints_of("docker.io", Action.PUSH, settings, resolve) == pulls[-1:]
    assert len(await endpoints_of("other", Action.PULL, settings, resolve)) == 1


@pytest.mark.parametrize(
    ("name", "listed", "insecure"),
    [
        ("127.0.0.1:5000", (), True),
        ("127.9.9.9", (), True),
        ("[::1]:5000", (), True),
        ("localhost:5000", (), True),
        ("r.example", (), False),
        ("r.example:5000", ("r.example:5000",), True),
        ("r.example:5000", ("r.example",), False),
        ("inside:5000", (), False),
        ("inside:5000", ("10.0.0.0/8",), True),
        ("10.3.2.1", ("10.0.0.0/8",), True),
        ("six", ("fe80::/64",), True),
        ("unknown", ("0.0.0.0/0", "::/0"), False),
    ],
)
async def test_who_is_taken_on_trust(name: str, listed: tuple[str, ...], insecure: bool) -> None:
    settings = Settings(insecure_registries=listed)
    assert await is_insecure(name, settings, resolve) is insecure
    schemes = [base.scheme for base in (await registry(name, settings, resolve)).bases]
    assert schemes == (["https", "http"] if insecure else ["https"])


@given(DOMAINS)
async def test_a_name_that_a_reference_may_have_is_a_place_or_refused(name: str) -> None:
    with contextlib.suppress(InvalidParameter):
        (base,) = (await registry(name, Settings(), resolve)).bases[:1]
        assert base.scheme == "https"


@pytest.mark.parametrize("name", ["[1]", "r:99999", "xn--a.example", "r:4294967296", "a" * 64 + ".b"])
async def test_where_nothing_can_be_is_refused(name: str) -> None:
    assert is_domain(name)
    with pytest.raises(InvalidParameter, match="no such host or port"):
        await registry(name, Settings(), resolve)


@given(st.text(), st.sampled_from([None, HUB]))
def test_no_url_breaks_the_reader(text: str, base: httpx.URL | None) -> None:
    url = read_url(text, base)
    assert url is None or (url.scheme in {"http", "https"} and url.host and not url.userinfo)
