from __future__ import annotations

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import EngineError
from daemon.images.registry.errors import (
    AccessDenied,
    ContentRefused,
    LoginRefused,
    NothingThere,
    RateLimited,
    RegistryDown,
    RegistryError,
    RegistryFailed,
)
from daemon.images.registry.exchange import Request, exchange
from daemon.images.registry.refusals import refusal
from tests.registries.shelf import Reply
from tests.registries.wires import Wires

UNEXPECTED = 'Get "https://r/v2/x": received unexpected HTTP status:'
ASKED = Request("GET", httpx.URL("https://r/v2/x?secret=1"))


async def refused(reply: Reply) -> RegistryError:
    async with exchange(Wires({"https://r": lambda request: reply}), ASKED) as answer:
        return await refusal(answer)


def errors(*pairs: tuple[str, str]) -> bytes:
    return orjson.dumps({"errors": [{"code": code, "message": message} for code, message in pairs]})


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (401, errors(("UNAUTHORIZED", "log in")), LoginRefused, "unauthorized: log in"),
        (401, b"", LoginRefused, "unauthorized: authentication required"),
        (401, b'{"details":"incorrect password"}', LoginRefused, "unauthorized: incorrect password"),
        (403, b"", AccessDenied, "denied: requested access to the resource is denied"),
        (403, errors(("DENIED", "no"), ("UNAUTHORIZED", "x")), AccessDenied, "denied: no"),
        (404, errors(("NAME_UNKNOWN", "not known")), NothingThere, "name unknown: not known"),
        (404, b"nothing", NothingThere, f"{UNEXPECTED} 404 Not Found"),
        (429, b"<html>", RateLimited, "toomanyrequests: too many requests"),
        (400, errors(("DIGEST_INVALID", "")), ContentRefused, "digest invalid: digest invalid"),
        (400, errors(("SOMETHING_NEW", "a\x1b[31mb\nc")), ContentRefused, "something new: a [31mb c"),
        (418, b"{}", RegistryFailed, f"{UNEXPECTED} 418 I'm a Teapot"),
        (500, errors(("UNKNOWN", "disk full")), RegistryDown, 'Get "https://r/v2/x": unknown: disk full'),
        (502, b"", RegistryDown, f"{UNEXPECTED} 502 Bad Gateway"),
        (599, b"", RegistryDown, f"{UNEXPECTED} 599"),
    ],
)
async def test_a_refusal_says_why(status: int, body: bytes, kind: type[RegistryError], text: str) -> None:
    error = await refused(Reply(status, {}, body))
    assert (type(error), str(error)) == (kind, text)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("9" * 20, None)],
)
@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (503, RegistryDown)])
async def test_a_registry_may_say_when_to_ask_again(
    header: str, seconds: float | None, status: int, kind: type[RegistryError]
) -> None:
    error = await refused(Reply(status, {"Retry-After": header}))
    assert isinstance(error, kind)
    assert error.retry_after_seconds == seconds


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["errors", "code", "message", "details", "x"]), inner, max_size=4)
    ),
)


@given(st.integers(400, 599), JSON.map(orjson.dumps) | st.binary(max_size=50))
async def test_whatever_a_registry_says_is_an_error_a_client_may_see(status: int, body: bytes) -> None:
    error = await refused(Reply(status, {}, body))
    assert isinstance(error, EngineError)
    assert str(error).isprintable()
