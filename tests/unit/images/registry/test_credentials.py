from __future__ import annotations

import base64

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.images.registry.credentials import ANONYMOUS, Credentials, read_login
from daemon.images.registry.headers import sender

HUB = "docker.io"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def encoded(document: object, *, padded: bool = True, url: bool = True) -> str:
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    text = encode(orjson.dumps(document)).decode()
    return text if padded else text.rstrip("=")


@given(username=TEXT.filter(bool), password=TEXT, padded=st.booleans(), url=st.booleans())
def test_a_name_and_a_password_are_read_however_they_were_encoded(
    username: str, password: str, padded: bool, url: bool
) -> None:
    document = {"username": username, "password": password, "serveraddress": "r:5000", "email": ""}
    assert sender(encoded(document, padded=padded, url=url), "", HUB) == Credentials(username, password)


@pytest.mark.parametrize("value", ["", "e30=", "e30", encoded(None), encoded({"username": None})])
def test_nothing_is_nobody(value: str) -> None:
    assert sender(value, "", HUB) == ANONYMOUS


@pytest.mark.parametrize(
    ("document", "read"),
    [
        ({"identitytoken": "t"}, Credentials(identity_token="t")),
        ({"registrytoken": "t"}, Credentials(registry_token="t")),
        ({"auth": base64.b64encode(b"a:b:c").decode()}, Credentials("a", "b:c")),
        ({"username": "x", "password": "y", "auth": "!"}, Credentials("x", "y")),
    ],
)
def test_tokens_and_the_old_form_are_read(document: dict[str, str], read: Credentials) -> None:
    assert sender(encoded(document), "", HUB) == read


@pytest.mark.parametrize(
    "value",
    [
        "!",
        "e",
        encoded([]),
        encoded({"username": 1}),
        encoded({"auth": "YQ=="}),
        encoded({"registrytoken": "a\r\nb"}),
    ],
)
def test_what_cannot_be_read_is_nobodys(value: str) -> None:
    assert sender(value, "", HUB) == ANONYMOUS


@given(st.text())
def test_no_header_breaks_the_reader(value: str) -> None:
    sender(value, "", HUB)


@pytest.mark.parametrize(
    ("address", "registry", "is_meant"),
    [
        ("r:5000", "r:5000", True),
        ("https://r:5000/v2/", "r:5000", True),
        ("https://index.docker.io/v1/", HUB, True),
        ("docker.io", "index.docker.io", True),
        ("r", "r:5000", False),
        ("r:5000", "evil.r:5000", False),
        ("no address", "r:5000", False),
    ],
)
def test_of_several_registries_the_one_that_is_asked_counts(
    address: str, registry: str, is_meant: bool
) -> None:
    config = encoded({"other:1": {"username": "they"}, address: {"username": "me", "password": "x"}})
    assert sender("", config, registry) == (Credentials("me", "x") if is_meant else ANONYMOUS)
    assert sender(encoded({"username": "you"}), config, registry) == Credentials("you")


@given(st.text(), st.text())
@example("", encoded({"r": 1}))
@example("", encoded({"r": {"auth": "!"}}))
@example("", encoded([{"r": {}}]))
def test_nothing_that_is_no_entry_breaks_the_reader(auth: str, config: str) -> None:
    assert sender(auth, config, "r") == ANONYMOUS


def test_secrets_are_in_no_repr() -> None:
    login = read_login(
        {"username": "me", "password": "s1", "identitytoken": "s2", "registrytoken": "s3", "auth": "s4"}
    )
    assert "s1" not in repr(login) + repr(login.credentials)
    assert not {"s2", "s3", "s4"} & set(repr(login).replace("'", " ").split())
    assert "me" in repr(login.credentials)
