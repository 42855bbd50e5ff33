"""A client on a network of handlers, by their origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs
import httpx

from daemon.images.registry.endpoints import Endpoint
from daemon.images.registry.registries import RemoteRegistries
from daemon.settings import Settings
from tests.registries.shelf import Handler
from tests.registries.wires import Wires

HOST = "registry.example:5000"
HUB = "https://registry-1.docker.io"


@attrs.define(eq=False)
class Rig:
    """What is on the network, what is configured, and the client of both."""

    hosts: dict[str, Handler] = attrs.field(factory=dict)
    settings: Settings = attrs.field(factory=Settings)
    addresses: Mapping[str, Sequence[str]] = attrs.field(factory=dict)
    wires: list[Wires] = attrs.field(factory=list)
    watch: Callable[[httpx.Request], None] = lambda request: None  # told of every message

    @property
    def registries(self) -> RemoteRegistries:
        return RemoteRegistries(lambda: self.settings, resolve=self._resolve, transport_for=self._transport)

    def _transport(self, endpoint: Endpoint, settings: Settings) -> httpx.AsyncBaseTransport:
        self.wires.append(Wires(self.hosts, self.watch))
        return self.wires[-1]

    async def _resolve(self, host: str) -> Sequence[str]:
        return self.addresses.get(host, ())
