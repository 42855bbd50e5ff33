from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.images.registry.errors import RegistryFailed
from daemon.images.registry.proxies import Proxies


def proxy(url: str, **environment: str) -> str | None:
    found = Proxies.from_environment(environment).of(httpx.URL(url))
    return None if found is None else str(found.url)


@pytest.mark.parametrize(
    ("environment", "url", "taken"),
    [
        ({}, "https://r/", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://r/", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://r/", None),
        ({"https_proxy": "p:3128"}, "https://r/", "http://p:3128"),
        ({"HTTP_PROXY": "https://upper", "http_proxy": "http://lower"}, "http://r/", "https://upper"),
        ({"HTTP_PROXY": "", "http_proxy": "http://lower"}, "http://r/", "http://lower"),
        ({"HTTP_PROXY": "http://p"}, "http://localhost:5000/", None),
        ({"HTTP_PROXY": "http://p"}, "http://127.3.2.1/", None),
        ({"HTTP_PROXY": "http://p"}, "http://[::1]:80/", None),
    ],
)
def test_the_environment_names_a_proxy_for_each_scheme(
    environment: dict[str, str], url: str, taken: str | None
) -> None:
    assert proxy(url, **environment) == taken


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("*", "http://r.example.com/", True),
        ("example.com", "http://example.com/", True),
        ("example.com", "http://r.EXAMPLE.com:5000/", True),
        ("example.com", "http://anexample.com/", False),
        (".example.com", "http://example.com/", False),
        (".example.com", "http://r.example.com/", True),
        ("*.example.com", "http://r.example.com/", True),
        ("*.example.com", "http://example.com/", False),
        ("example.com:5000", "http://example.com:5000/", True),
        ("example.com:5000", "http://example.com/", False),
        ("example.com:80", "http://example.com/", True),
        ("10.0.0.0/8", "http://10.1.2.3:5000/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.1.2.3", "http://10.1.2.3/", True),
        ("10.1.2.3:81", "http://10.1.2.3/", False),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("[fd00::1]:5000", "http://[fd00::1]:5000/", True),
        ("fd00::1", "http://[fd00::1]:5000/", True),
        (" a , ,b.c ", "http://b.c/", True),
        (".", "http://r.example.com/", False),
        ("", "http://r/", False),
    ],
)
def test_exceptions_are_those_of_go(exceptions: str, url: str, direct: bool) -> None:
    assert (proxy(url, HTTP_PROXY="http://p", NO_PROXY=exceptions) is None) is direct


@pytest.mark.parametrize("value", ["socks5://p:1080", "ftp://p", "http://", "http://p:99999", "::"])
def test_another_proxy_is_refused_and_its_password_not_repeated(value: str) -> None:
    with pytest.raises(RegistryFailed, match="only http and https are spoken") as caught:
        proxy("http://r/", HTTP_PROXY=value.replace("//p", "//me:secret@p"))
    assert "secret" not in str(caught.value)


@given(
    st.text(max_size=30), st.sampled_from(["http://r.example:81/", "http://10.0.0.1/", "http://[fd00::1]/"])
)
def test_no_exception_breaks_a_request(exceptions: str, url: str) -> None:
    proxy(url, HTTP_PROXY="http://p", NO_PROXY=exceptions)
