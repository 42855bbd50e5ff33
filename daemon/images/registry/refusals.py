"""What a registry's refusal says, as an error of ours.

Source: OCI distribution specification, "Error Codes", for the form;
`distribution:registry/client/errors.go` for the older `{"details": ...}`, for what a challenge can say and
for the texts.
"""

from __future__ import annotations

import http
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Final

import attrs
import httpx
import orjson

from daemon.images.registry import challenges
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
from daemon.images.registry.exchange import Answer, Unreachable, described

BODY_BYTES: Final = 64 << 10
TEXT_CHARACTERS: Final = 1000
Refusing = Callable[[str, str], RegistryError]

KINDS: Final[Mapping[str, Refusing]] = MappingProxyType(
    {
        "UNAUTHORIZED": LoginRefused,
        "DENIED": AccessDenied,
        "TOOMANYREQUESTS": RateLimited,
        "UNAVAILABLE": RegistryDown,
        "NAME_UNKNOWN": NothingThere,
        "MANIFEST_UNKNOWN": NothingThere,
        "MANIFEST_BLOB_UNKNOWN": NothingThere,
        "BLOB_UNKNOWN": NothingThere,
        "BLOB_UPLOAD_UNKNOWN": NothingThere,
        "BLOB_UPLOAD_INVALID": NothingThere,
        "DIGEST_INVALID": ContentRefused,
        "SIZE_INVALID": ContentRefused,
        "RANGE_INVALID": ContentRefused,
        "NAME_INVALID": ContentRefused,
        "TAG_INVALID": ContentRefused,
        "MANIFEST_INVALID": ContentRefused,
        "MANIFEST_UNVERIFIED": ContentRefused,
    }
)
STATUSES: Final[Mapping[int, Refusing]] = MappingProxyType(
    {
        400: ContentRefused,
        401: LoginRefused,
        403: AccessDenied,
        404: NothingThere,
        413: ContentRefused,
        416: ContentRefused,
        429: RateLimited,
    }
)
CODES: Final[Mapping[int, str]] = MappingProxyType(
    {401: "UNAUTHORIZED", 403: "DENIED", 429: "TOOMANYREQUESTS"}
)
DEFAULT_TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "UNAUTHORIZED": "authentication required",
        "DENIED": "requested access to the resource is denied",
        "TOOMANYREQUESTS": "too many requests",
        "UNKNOWN": "unknown error",
    }
)
_BEARER_ERRORS: Final[Mapping[str, str]] = MappingProxyType(
    {"invalid_token": "UNAUTHORIZED", "insufficient_scope": "DENIED"}
)


@attrs.frozen
class Reason:
    """One reason that a registry gives."""

    code: str
    message: str

    def __str__(self) -> str:
        message = self.message or DEFAULT_TEXTS.get(self.code, self.code.lower().replace("_", " "))
        return f"{self.code.lower().replace('_', ' ')}: {message}"


async def refusal(answer: Answer) -> RegistryError:
    """Return the error that an answer stands for; reads its body.

    Of several reasons the first is given, as dockerd does: what a challenge says comes before the body.
    """
    try:
        body = await answer.read(BODY_BYTES)
    except (Unreachable, RegistryFailed):
        body = b""
    found = next(chain(_from_challenges(answer), _from_body(answer.status, body)), None)
    error = _refusing(answer, found)
    if error.transient:
        error.retry_after_seconds = retry_after_seconds(answer.headers)
    return error


def retry_after_seconds(headers: httpx.Headers) -> float | None:
    """Return how long the other side wants to be left alone; a date is passed over."""
    value = headers.get("Retry-After", "").strip()
    return float(value) if value.isascii() and value.isdigit() and len(value) < 9 else None


def _refusing(answer: Answer, reason: Reason | None) -> RegistryError:
    status = answer.status
    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        text = reason or f"received unexpected HTTP status: {_named(status)}"
        return RegistryDown(f"{described(answer.request)}: {text}")
    if reason is None and status in CODES:
        reason = Reason(CODES[status], "")
    if reason is not None:
        kind = KINDS.get(reason.code) or STATUSES.get(status, RegistryFailed)
        return kind(str(reason), reason.code)
    text = f"{described(answer.request)}: received unexpected HTTP status: {_named(status)}"
    return STATUSES.get(status, RegistryFailed)(text, "")


def _named(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _from_challenges(answer: Answer) -> Iterator[Reason]:
    """What RFC 6750 lets a challenge say of the token that was shown."""
    for challenge in challenges.read(answer.headers.get_list("WWW-Authenticate")):
        if code := _BEARER_ERRORS.get(challenge.parameters.get("error", "")):
            yield Reason(code, _printable(challenge.parameters.get("error_description", "")))


def _from_body(status: int, body: bytes) -> Iterator[Reason]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    if not isinstance(document, dict):
        return
    if isinstance(details := document.get("details"), str) and details:
        yield Reason(CODES.get(status, "UNKNOWN"), _printable(details))
    entries = document.get("errors")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(code := entry.get("code"), str) and code:
            message = entry.get("message")
            yield Reason(_printable(code), _printable(message) if isinstance(message, str) else "")


def _printable(text: str) -> str:
    """Cut what a registry says down to one line that a terminal can be shown."""
    shown = text[:TEXT_CHARACTERS]
    return "".join(letter if letter.isprintable() else " " for letter in shown)
