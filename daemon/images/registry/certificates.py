"""Whom TLS is spoken with: the system's authorities, those of `certs.d`, and certificates of our own.

`<directory>/<host[:port]>/` may hold authorities (`*.crt`) and pairs of a certificate and its key
(`*.cert`, `*.key`). It is read for each registry that is opened, so what is put there needs no reload. All
of this blocks.

Source: dockerd's documentation "Verify repository client with certificates".
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Final

from daemon.images.registry.errors import RegistryFailed

DIRECTORY: Final = Path("/etc/docker/certs.d")


def context(authorities: Iterable[Path], pairs: Path | None, *, insecure: bool) -> ssl.SSLContext:
    """Return the context for one host: authorities of some directories, pairs of one, if of any.

    Raises:
        RegistryFailed: a file is not what its name says, or one of a pair is missing.

    """
    if insecure:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    else:
        made = ssl.create_default_context()
        for file in (file for directory in authorities for file in _files(directory, ".crt")):
            with _named(file):
                made.load_verify_locations(file)
    if pairs is not None:
        _load_pairs(made, pairs)
    return made


def trusting_nobody() -> ssl.SSLContext:
    """Return a context for where there is no TLS."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _load_pairs(made: ssl.SSLContext, directory: Path) -> None:
    certificates, keys = _files(directory, ".cert"), _files(directory, ".key")
    for file in certificates:
        if (key := file.with_suffix(".key")) not in keys:
            raise RegistryFailed(
                f"missing key {key.name} for client certificate {file.name} in {directory}. "
                "CA certificates must use the extension .crt"
            )
        with _named(file):
            made.load_cert_chain(file, key, password=_no_password)
    for key in keys:
        if (file := key.with_suffix(".cert")) not in certificates:
            raise RegistryFailed(f"missing client certificate {file.name} for key {key.name} in {directory}")


@contextlib.contextmanager
def _named(file: Path) -> Generator[None, None, None]:
    try:
        yield
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise RegistryFailed(f"cannot use {file}: {error}") from error


def _no_password() -> str:
    raise ValueError("its key is encrypted")


def _files(directory: Path, suffix: str) -> list[Path]:
    try:
        return sorted(file for file in directory.iterdir() if file.suffix == suffix)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RegistryFailed(f"cannot read {directory}: {error}") from error
