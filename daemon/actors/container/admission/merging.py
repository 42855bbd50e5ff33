"""A client's configuration laid over its image's.

What the client says wins; environment, labels, ports and volumes are united by name.  A client's entrypoint
takes the image's command away with it, because those arguments were meant for the other program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import attrs

from daemon.model import Config, Healthcheck

V = TypeVar("V")


def merged(client: Config, image: Config) -> Config:
    """Return the configuration of a container made by `client` from `image`."""
    return attrs.evolve(
        client,
        user=client.user or image.user,
        env=_environment(client.env, image.env),
        cmd=_command(client, image),
        entrypoint=_entrypoint(client, image),
        exposed_ports=_united(client.exposed_ports, image.exposed_ports),
        volumes=_united(client.volumes, image.volumes),
        labels=_united(client.labels, image.labels) or {},
        working_dir=client.working_dir or image.working_dir,
        stop_signal=client.stop_signal or image.stop_signal,
        stop_timeout=image.stop_timeout if client.stop_timeout is None else client.stop_timeout,
        shell=client.shell or image.shell,
        healthcheck=_healthcheck(client.healthcheck, image.healthcheck),
    )


def _environment(client: tuple[str, ...] | None, image: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if not client or not image:
        return client or image
    said = {entry.partition("=")[0] for entry in client}
    return (*client, *(entry for entry in image if entry.partition("=")[0] not in said))


def _command(client: Config, image: Config) -> tuple[str, ...] | None:
    return client.cmd if client.cmd or client.entrypoint else image.cmd


def _entrypoint(client: Config, image: Config) -> tuple[str, ...] | None:
    """Return the entrypoint; [""] is how a client says that it wants none."""
    chosen = image.entrypoint if client.entrypoint is None else client.entrypoint
    return None if chosen == ("",) else chosen


def _united(client: Mapping[str, V] | None, image: Mapping[str, V] | None) -> Mapping[str, V] | None:
    return {**(image or {}), **(client or {})} or client


def _healthcheck(client: Healthcheck | None, image: Healthcheck | None) -> Healthcheck | None:
    """Return the health check: what the client leaves open is the image's, each part for itself."""
    if client is None or image is None:
        return client or image
    said = attrs.asdict(client, recurse=False)
    return attrs.evolve(image, **{name: value for name, value in said.items() if value})
