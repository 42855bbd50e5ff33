"""What clients copy into their containers and out of them, whatever these do; no copy outlives an engine."""

from __future__ import annotations

import io
import tarfile
from typing import Final

from tests.clients.restarts.crash.archives import layer
from tests.clients.restarts.crash.client import Client, call
from tests.clients.restarts.crash.model import Subject

PLACE: Final = "/tmp"
NAME: Final = "copied"


def copy(client: Client, subject: Subject) -> None:
    """Put a file into a container and fetch it again; there may be no more container that could have it."""
    content = f"{subject.key} {client.dice.random()}\n".encode() * 1000
    path = f"/containers/{subject.id}/archive"
    put = call(client.api, "PUT", path, layer(NAME, content), path=PLACE)
    if put.status == 404 and subject.auto_remove:
        return
    assert put.status == 200, put
    got = call(client.api, "GET", path, path=f"{PLACE}/{NAME}")
    if got.status == 404 and subject.auto_remove:
        return
    assert got.status == 200, got
    with tarfile.open(fileobj=io.BytesIO(got.body)) as tar:
        member = tar.extractfile(NAME)
        assert member is not None
        assert member.read() == content, f"{subject.key} has lost what was copied into it"
