"""The client that brings in images, names them and removes them, and reloads the configuration in between."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from benchmarks.registry import ADDRESS
from tests.clients.engine import configure
from tests.clients.http_api import Api
from tests.clients.networks.conftest import WITH_BRIDGE
from tests.clients.restarts.crash.archives import archive, layer
from tests.clients.restarts.crash.client import call
from tests.clients.restarts.crash.promised import Promised
from tests.clients.restarts.crash.shop import Shop

KEPT: Final = 4  # names, before one has to go
FOCUS: Final = 0.8


@attrs.define(eq=False)
class Pictures:
    """The client; `held` are the names that it was promised."""

    api: Api
    root: Path
    dice: random.Random
    shop: Shop
    held: Promised = attrs.field(factory=Promised)
    _serial: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    def act(self, wanted: Collection[str] = ()) -> None:
        """Do one thing, if possible one of the `wanted`.

        Raises:
            EngineDied: there was no answer.

        """
        focused = [name for name in PICTURE_DEEDS if name in wanted]
        choices = focused if focused and self.dice.random() < FOCUS else [*PICTURE_DEEDS]
        if len(self.held.names) >= KEPT:
            choices = ["untag"]
        PICTURE_DEEDS[self.dice.choice(choices)](self)

    def _fresh(self) -> str:
        return f"crash/image:{next(self._serial)}"

    def load(self) -> None:
        name = self._fresh()
        with self.held.attempt(name):
            content = archive(name, self.dice.randrange(3))
            answer = call(self.api, "POST", "/images/load", content)
            assert answer.status == 200, answer
            assert b"Loaded image" in answer.body, answer
        self.held.names.add(name)

    def bring_in(self) -> None:
        """Import a file system."""
        name = self._fresh()
        repository, _, tag = name.partition(":")
        with self.held.attempt(name):
            content, query = (
                layer("imported", name.encode()),
                {"fromSrc": "-", "repo": repository, "tag": tag},
            )
            answer = call(self.api, "POST", "/images/create", content, **query)
            assert answer.status == 200, answer
            assert b"sha256" in answer.body, answer
        self.held.names.add(name)

    def pull(self) -> None:
        """Fetch an image, which may be there already."""
        repository = self.dice.choice(self.shop.images)
        with self.held.attempt(f"{repository}:latest"):
            answer = call(self.api, "POST", "/images/create", fromImage=repository, tag="latest")
            assert answer.status == 200, answer
            assert b'"Status: ' in answer.body, answer
        self.held.names.add(f"{repository}:latest")

    def push(self) -> None:
        """Give an image a name at the registry, and bring it there."""
        repository, tag = f"{ADDRESS}/crash/bought", str(next(self._serial))
        self._tag(repository, tag)
        answer = call(self.api, "POST", f"/images/{repository}/push", tag=tag)
        assert answer.status == 200, answer
        assert b" digest: sha256:" in answer.body, answer

    def tag(self) -> None:
        """Give an image one more name."""
        self._tag("crash/image", str(next(self._serial)))

    def _tag(self, repository: str, tag: str) -> None:
        source = self.dice.choice(sorted(self.held.names) or ["busybox:latest"])
        with self.held.attempt(f"{repository}:{tag}"):
            answer = call(self.api, "POST", f"/images/{source}/tag", repo=repository, tag=tag)
            assert answer.status == 201, answer
        self.held.names.add(f"{repository}:{tag}")

    def untag(self) -> None:
        """Remove a name, and the image with it if it has no other."""
        if not self.held.names:
            return
        name = self.dice.choice(sorted(self.held.names))
        with self.held.attempt(name):
            answer = call(self.api, "DELETE", f"/images/{name}")
            assert answer.status == 200, answer
        self.held.names.remove(name)

    def reload(self) -> None:
        """Have another configuration put in force, with another wrapper script."""
        arguments = [f"--log={self.root}/runtime-{self.dice.randrange(5)}.log"]
        runtimes = {"wrapped": {"path": "crun", "runtimeArgs": arguments}}
        configure(self.root, {**WITH_BRIDGE, "runtimes": runtimes})
        answer = call(self.api, "POST", "/reload")
        assert answer.status == 200, answer


PICTURE_DEEDS: Final[Mapping[str, Callable[[Pictures], None]]] = {
    "load": Pictures.load,
    "bring_in": Pictures.bring_in,
    "pull": Pictures.pull,
    "push": Pictures.push,
    "tag": Pictures.tag,
    "untag": Pictures.untag,
    "reload": Pictures.reload,
}
