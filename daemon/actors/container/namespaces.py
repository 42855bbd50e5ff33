"""Where the namespaces are that a container is to share with another one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import attrs

from daemon.actors.container.actor import Container
from daemon.actors.container.snapshot import ContainerRecord
from daemon.errors import Conflict

PREFIX: Final = "container:"
FILES: Final[Mapping[str, str]] = {"network": "net", "ipc": "ipc", "pid": "pid"}


class Containers(Protocol):
    """Who knows the other containers."""

    def resolve(self, reference: str) -> Container:
        """Return the container that `reference` means."""
        ...


@attrs.define
class NamespaceFinder:
    """Looks up `container:<x>` modes; `containers` is set once, before the first launch."""

    containers: Containers | None = None

    def joined(self, record: ContainerRecord) -> dict[str, Path]:
        """Return the namespace file for each kind ("network", "ipc", "pid") that is another container's.

        Raises:
            NotFound: there is no such container.
            Conflict: it does not run.

        """
        host_config = record.host_config
        modes = {
            "network": host_config.network_mode,
            "ipc": host_config.ipc_mode,
            "pid": host_config.pid_mode,
        }
        return {
            kind: self._file(kind, mode.removeprefix(PREFIX))
            for kind, mode in modes.items()
            if mode.startswith(PREFIX)
        }

    def _file(self, kind: str, reference: str) -> Path:
        assert self.containers is not None
        other = self.containers.resolve(reference).snapshot
        if not other.pid:
            raise Conflict(f"cannot join {kind} namespace of a non running container: {reference}")
        return Path(f"/proc/{other.pid}/ns/{FILES[kind]}")
