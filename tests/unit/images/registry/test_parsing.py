"""What registries say in headers and documents is anything at all: it is read, or refused."""

from __future__ import annotations

import contextlib

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.images.registry.downloads import Extent, extent_of
from daemon.images.registry.errors import ImageUnusable, RegistryFailed
from daemon.images.registry.exchange import Answer, Request
from daemon.images.registry.manifests import TAKEN, media_type_of
from daemon.images.registry.tags import next_page
from daemon.images.registry.uploads import received
from tests.registries.shelf import Reply
from tests.registries.wires import Body

ASKED = Request("GET", httpx.URL("https://r/v2/app/tags/list?n=1"))
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
SIZES = st.integers(0, 10**17)
OBJECTS = st.dictionaries(
    st.sampled_from(["schemaVersion", "mediaType", "manifests", "x"]),
    st.one_of(st.none(), st.integers(0, 3), st.sampled_from([*TAKEN, "", "text/plain"]), st.lists(st.none())),
)


def answer(status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(ASKED, status, httpx.Headers(named), Body(Reply()))


@given(start=SIZES, length=st.integers(1, 10**6), beyond=SIZES)
def test_a_content_range_is_read(start: int, length: int, beyond: int) -> None:
    end, size = start + length - 1, start + length + beyond
    assert extent_of(answer(206, Content_Range=f"bytes {start}-{end}/{size}")) == Extent(start, size)
    assert extent_of(answer(206, Content_Range=f"bytes {start}-{end}/*")) == Extent(start, None)
    assert extent_of(answer(416, Content_Range=f"bytes */{size}")) == Extent(size, size)
    assert extent_of(answer(200, Content_Length=str(size))) == Extent(0, size)
    assert extent_of(answer(200)) == Extent(0, None)


@given(st.sampled_from([200, 206, 416]), HEADER)
def test_any_content_range_is_read_or_refused(status: int, text: str) -> None:
    with contextlib.suppress(RegistryFailed):
        extent_of(answer(status, Content_Range=text, Content_Length=text))


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("", None),
        ('</v2/app/tags/list?last=b&n=1>; rel="next"', "https://r/v2/app/tags/list?last=b&n=1"),
        ("<list?last=b>;rel=next", "https://r/v2/app/tags/list?last=b"),
        ('<https://r/x>; title="a"; rel="next"', "https://r/x"),
        ('</first>; rel="first", </next>; rel="next"', "https://r/next"),
        ('</first>; rel="first"', None),
    ],
)
def test_a_link_leads_on(link: str, page: str | None) -> None:
    found = next_page(answer(Link=link))
    assert (None if found is None else str(found)) == page


@given(HEADER)
def test_any_link_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(RegistryFailed):
        next_page(answer(Link=f'<{text}>; rel="next"'))


@given(SIZES)
def test_a_range_says_how_far_an_upload_got(size: int) -> None:
    assert received(answer(202, Range=f"0-{size + 1}")) == size + 2
    assert received(answer(202, Range="0-0")) == received(answer(202)) == 0


@given(HEADER)
def test_any_range_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(RegistryFailed):
        assert received(answer(202, Range=text)) >= 0


@given(HEADER | st.sampled_from(TAKEN), OBJECTS.map(orjson.dumps) | st.binary(max_size=20))
def test_any_manifest_is_one_that_is_taken_or_refused(content_type: str, raw: bytes) -> None:
    with contextlib.suppress(ImageUnusable, RegistryFailed):
        assert media_type_of(content_type, raw) in TAKEN


def test_a_manifest_that_says_nothing_is_told_by_its_members() -> None:
    assert media_type_of("application/json", b'{"schemaVersion":2,"manifests":[]}').endswith("index.v1+json")
    assert media_type_of("", b'{"schemaVersion":2,"config":{}}').endswith("oci.image.manifest.v1+json")
