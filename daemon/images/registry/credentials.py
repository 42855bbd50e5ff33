"""Who somebody is to a registry, as clients send it: to `POST /auth`, or in headers (`headers.py`).

Source: API contract 3.16; `moby:api/pkg/authconfig/authconfig.go`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import attrs

from daemon.errors import InvalidParameter
from daemon.model import wire
from daemon.wire import parse_client


@attrs.frozen
class Credentials:
    """A name and a password, or a token that stands for them; all empty for somebody without a name.

    `identity_token` is exchanged for other tokens (OAuth2's refresh token), `registry_token` is one
    to be shown as it is.  What is secret is not in the repr.
    """

    username: str = ""
    password: str = attrs.field(default="", repr=False)
    identity_token: str = attrs.field(default="", repr=False)
    registry_token: str = attrs.field(default="", repr=False)


ANONYMOUS: Final = Credentials()


@attrs.frozen
class Login:
    """The body of `POST /auth`, and what headers have."""

    username: str = wire("username", default="")
    password: str = wire("password", default="", repr=False)
    auth: str = wire("auth", default="", repr=False)  # base64 of USERNAME:PASSWORD
    server_address: str = wire("serveraddress", default="")
    identity_token: str = wire("identitytoken", default="", repr=False)
    registry_token: str = wire("registrytoken", default="", repr=False)

    @property
    def credentials(self) -> Credentials:
        """Who this is.

        Raises:
            InvalidParameter: `auth` is not base64 of a name and a password, or a token is nothing to show.

        """
        for token in (self.identity_token, self.registry_token):
            if not (token.isascii() and token.isprintable()):
                raise InvalidParameter("invalid auth configuration: a token must be printable ASCII")
        username, password = self.username, self.password
        if self.auth and not (username or password):
            username, password = _split_auth(self.auth)
        return Credentials(username, password, self.identity_token, self.registry_token)


def read_login(document: object) -> Login:
    """Read the body of `POST /auth`, or what a header has.

    Raises:
        InvalidParameter: it has another shape.

    """
    return parse_client(document, Login)


def _split_auth(auth: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(auth, validate=True).decode()
    except (ValueError, binascii.Error):
        raise InvalidParameter("invalid auth configuration: auth is not base64") from None
    username, colon, password = text.partition(":")
    if not colon:
        raise InvalidParameter("invalid auth configuration: auth has no colon between name and password")
    return username, password.strip("\0")
