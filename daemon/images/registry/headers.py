"""Who a client is to a registry, by the headers of its request.

`X-Registry-Auth` says it of the registry that the request is about, `X-Registry-Config` of several, by
their addresses.  Both are base64, of either alphabet and padded or not, of JSON.  What is empty or cannot be
read is nobody's, as to dockerd.

Source: API contract 3.16; `moby:api/pkg/authconfig/authconfig.go`; for the second, which dockerd reads for
builds alone and podman for whatever speaks to a registry, `podman:pkg/auth/auth.go`.
"""

from __future__ import annotations

import base64
import binascii

import orjson

from daemon.errors import InvalidParameter
from daemon.images.registry.credentials import ANONYMOUS, Credentials, read_login
from daemon.images.registry.login import registry_name


def sender(auth: str, config: str, registry: str) -> Credentials:
    """Return who sends these headers to `registry`, a HOST[:PORT]; the first counts if it names anybody."""
    who = _read(_decode(auth))
    return _read(_entry(_decode(config), registry)) if who == ANONYMOUS else who


def _read(document: object) -> Credentials:
    try:
        return read_login(document or {}).credentials
    except InvalidParameter:
        return ANONYMOUS


def _entry(document: object, registry: str) -> object:
    entries = document if isinstance(document, dict) else {}
    return next((entry for address, entry in entries.items() if _is_at(address, registry)), None)


def _is_at(address: str, registry: str) -> bool:
    try:
        return registry_name(address) == registry_name(registry)
    except InvalidParameter:
        return False


def _decode(header: str) -> object:
    plain = header.strip().rstrip("=").replace("+", "-").replace("/", "_")
    padded = plain + "=" * (-len(plain) % 4)
    try:
        return orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        return None
