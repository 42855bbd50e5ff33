"""The client that brings in images, names them and removes them, and reloads the configuration in between."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from tests.clients.engine import configure
from tests.clients.http_api import Api
from tests.clients.networks.conftest import WITH_BRIDGE
from tests.clients.restarts.crash.archives import archive, layer
from tests.clients.restarts.crash.client import call

KEPT: Final = 4  # names, before one has to go
FOCUS: Final = 0.8


@attrs.define(eq=False)
class Pictures:
    """The client; `names` are those that are there, `unsure` those of the call under way."""

    api: Api
    root: Path
    dice: random.Random
    names: set[str] = attrs.field(factory=set)
    unsure: set[str] = attrs.field(factory=set)
    _serial: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    def act(self, wanted: Collection[str] = ()) -> None:
        """Do one thing, if possible one of the `wanted`.

        Raises:
            EngineDied: there was no answer.

        """
        focused = [name for name in PICTURE_DEEDS if name in wanted]
        choices = focused if focused and self.dice.random() < FOCUS else [*PICTURE_DEEDS]
        if len(self.names) >= KEPT:
            choices = ["untag"]
        PICTURE_DEEDS[self.dice.choice(choices)](self)

    @contextmanager
    def _attempt(self, *names: str) -> Generator[None, None, None]:
        self.unsure = set(names)
        yield  # ruff: ignore[fallible-context-manager]  without an answer both stay possible
        self.unsure.clear()

    def _fresh(self) -> str:
        return f"crash/image:{next(self._serial)}"

    def load(self) -> None:
        name = self._fresh()
        with self._attempt(name):
            content = archive(name, self.dice.randrange(3))
            answer = call(self.api, "POST", "/images/load", content)
            assert answer.status == 200, answer
            assert b"Loaded image" in answer.body, answer
        self.names.add(name)

    def bring_in(self) -> None:
        """Import a file system."""
        name = self._fresh()
        repository, _, tag = name.partition(":")
        with self._attempt(name):
            content, query = (
                layer("imported", name.encode()),
                {"fromSrc": "-", "repo": repository, "tag": tag},
            )
            answer = call(self.api, "POST", "/images/create", content, **query)
            assert answer.status == 200, answer
            assert b"sha256" in answer.body, answer
        self.names.add(name)

    def tag(self) -> None:
        source, name = self.dice.choice(sorted(self.names) or ["busybox:latest"]), self._fresh()
        repository, _, tag = name.partition(":")
        with self._attempt(name):
            answer = call(self.api, "POST", f"/images/{source}/tag", repo=repository, tag=tag)
            assert answer.status == 201, answer
        self.names.add(name)

    def untag(self) -> None:
        """Remove a name, and the image with it if it has no other."""
        if not self.names:
            return
        name = self.dice.choice(sorted(self.names))
        with self._attempt(name):
            answer = call(self.api, "DELETE", f"/images/{name}")
            assert answer.status == 200, answer
        self.names.remove(name)

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
    "tag": Pictures.tag,
    "untag": Pictures.untag,
    "reload": Pictures.reload,
}
