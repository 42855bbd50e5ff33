"""Why a connection did not come about or did not last, in the words people look for.

httpx and trio wrap the kernel's and OpenSSL's errors several times; what went wrong is the innermost.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import httpcore
import httpx

PLAIN_HTTP: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


def reason_of(error: BaseException, url: httpx.URL) -> str:
    """Say why a request to `url` got no answer."""
    causes = list(_causes(error))
    for cause in causes:
        if text := _known(cause, url):
            return text
    return str(error) or str(causes[-1]) or type(causes[-1]).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it was raised from, the members of groups included."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _causes(member)
    if (inner := error.__cause__ or error.__context__) is not None:
        yield from _causes(inner)


def _known(cause: BaseException, url: httpx.URL) -> str | None:
    place = f"{url.host}:{url.port or {'http': 80}.get(url.scheme, 443)}"
    match cause:
        case socket.gaierror():
            return f"dial tcp: lookup {url.host}: no such host"
        case ssl.SSLCertVerificationError():
            return f"tls: failed to verify certificate: x509: {cause.verify_message}"
        case ssl.SSLError() if cause.reason in PLAIN_HTTP:
            return "http: server gave HTTP response to HTTPS client"
        case ssl.SSLError():
            return f"tls: {cause.reason or cause}"
        case httpx.ConnectTimeout() | httpcore.ConnectTimeout():
            return f"dial tcp {place}: i/o timeout"
        case httpx.ReadTimeout() | httpx.WriteTimeout():
            return "the transfer stalled: i/o timeout"
        case httpx.ProxyError():
            return f"proxyconnect tcp: {cause}"
        case OSError(errno=errno.ECONNREFUSED):
            return f"dial tcp {place}: connect: connection refused"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number).lower()
    return None
