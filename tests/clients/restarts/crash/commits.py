"""What clients make of their containers: images, one for each client at a time."""

from __future__ import annotations

from typing import Final

from tests.clients.restarts.crash.client import Client, call
from tests.clients.restarts.crash.model import Subject

REPOSITORY: Final = "crash/commit"


def names_of(client: Client, names: set[str]) -> set[str]:
    """Return those of some names that are a client's."""
    return {name for name in names if name.startswith(f"{REPOSITORY}:{client.number}-")}


def commit(client: Client, subject: Subject) -> None:
    """Make an image of a container, or remove the one that was made before."""
    for name in sorted(client.images.names):
        with client.images.attempt(name):
            answer = call(client.api, "DELETE", f"/images/{name}")
            assert answer.status == 200, answer
        client.images.names.remove(name)
        return
    tag = f"{client.number}-{next(client.serial)}"
    with client.images.attempt(f"{REPOSITORY}:{tag}"):
        answer = call(client.api, "POST", "/commit", container=subject.id, repo=REPOSITORY, tag=tag)
        gone = subject.auto_remove and answer.status in {404, 409}
        assert answer.status == 201 or gone, answer
    if answer.status == 201:
        client.images.names.add(f"{REPOSITORY}:{tag}")
