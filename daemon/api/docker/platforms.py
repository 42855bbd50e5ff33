"""The platform that a request chooses of an image: a JSON object in the query.

An image here has one platform.  So there is nothing to choose, but who asks for another one must be told.

Source: api-contract sections 1.4 and 3.4; `OCIPlatform` of the API's schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from daemon.actors.image_catalog import ImageSnapshot
from daemon.api.body import parse_json
from daemon.api.query import texts
from daemon.api.versions import api_version
from daemon.errors import InvalidParameter
from daemon.images import platforms
from daemon.images.platforms import Platform

LONGEST: Final = 1000


def chosen(name: str, since: tuple[int, int]) -> Platform | None:
    """Return the platform that parameter `name` asks for, if any; requests before version `since` have none.

    Raises:
        InvalidParameter: it is no platform, or several.

    """
    values = [value for value in texts(name) if value] if api_version() >= since else []
    if len(values) > 1:
        raise InvalidParameter("multiple platform parameters not supported")
    return decode(values[0]) if values else None


def decode(text: str) -> Platform:
    """Read a platform.

    Raises:
        InvalidParameter: it is not JSON, or lacks the system or the architecture.

    """
    try:
        document = parse_json(text.encode())
    except (InvalidParameter, UnicodeEncodeError):  # a lone surrogate
        raise InvalidParameter(f"failed to parse platform: {text[:LONGEST]!r} is not JSON") from None
    if not isinstance(document, Mapping):
        raise InvalidParameter("failed to parse platform: it must be a JSON object")
    system, architecture, variant = (_text(document, key) for key in ("os", "architecture", "variant"))
    if not system or not architecture:
        raise InvalidParameter("failed to parse platform: both os and architecture must be provided")
    return platforms.make(system, architecture, variant)


def check(images: Sequence[tuple[str, ImageSnapshot]], wanted: Platform | None) -> None:
    """Refuse images, each with the name it was asked for by, that are not for the platform `wanted`.

    Raises:
        NotFound: one is for another.

    """
    for name, image in images:
        platforms.check(name, image.platform, wanted)


def _text(document: Mapping[str, Any], key: str) -> str:
    value = next((value for name, value in document.items() if name.lower() == key), None)
    if not isinstance(value, str | None):
        raise InvalidParameter(f"failed to parse platform: {key} must be a string")
    return value or ""
