"""What the measures know of an engine: how to have containers, and what belongs to it."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs

from benchmarks import processes
from benchmarks.client import Client
from benchmarks.docker_api import Session
from benchmarks.floor import Floor
from benchmarks.netspace import NetSpace
from benchmarks.service import Service


@attrs.frozen
class Lab:
    """Where a benchmark works and what all engines share.

    Attributes:
        root: the directory below which all of them keep everything.
        cgroup: the name of the cgroup their containers go to.
        runtime: path of the OCI runtime they all use.
        archive: the image, as a tar of its root filesystem.
    """

    root: Path
    cgroup: str
    runtime: str
    archive: bytes

    @property
    def host_config(self) -> dict[str, Any]:
        """How all containers are to be run, as API clients say it."""
        hard_nofile = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        return {
            "NetworkMode": "none",
            "CgroupParent": f"/{self.cgroup}",
            # By itself podman sets limits above those of a confined host, which the kernel refuses.
            "Ulimits": [
                {"Name": "nofile", "Soft": 1024, "Hard": hard_nofile},
                {"Name": "nproc", "Soft": 4096, "Hard": 4096},
            ],
        }


class Output(Protocol):
    """The output of a container while it runs."""

    def __enter__(self) -> Output: ...
    def __exit__(self, *_: Any) -> None: ...
    def drain(self, deadline: float) -> tuple[int, bool]: ...


class Life(Protocol):
    """What even the floor can do with a container."""

    def close(self) -> None: ...
    def create(self, command: Sequence[str]) -> str: ...
    def start(self, container: str) -> None: ...
    def kill(self, container: str) -> None: ...
    def wait(self, container: str) -> int: ...
    def remove(self, container: str) -> None: ...
    def exec_output(self, container: str, command: Sequence[str]) -> bytes: ...
    def attach(self, container: str) -> Output: ...


@attrs.frozen
class FloorEngine:
    """No engine."""

    name: str
    version: str
    open_floor: Callable[[], Floor]

    @contextmanager
    def life(self) -> Generator[Life, None, None]:
        """Lend a floor with nothing in it."""
        with contextlib.closing(self.open_floor()) as floor:
            yield floor


@attrs.frozen
class ApiEngine:
    """An engine that answers on a socket.

    Attributes:
        parts: the processes it consists of, the one that serves the API first.
        root: named in the command line of every process that belongs to it.
        netspace: the network namespace it takes for the host's.
        config_file: what the first of its processes reads at its start and again on SIGHUP, if it does.
    """

    name: str
    version: str
    socket: Path
    root: Path
    parts: tuple[Service, ...]
    netspace: NetSpace
    host_config: dict[str, Any]
    config_file: Path | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """Its processes as they are now, without what they have started."""
        return tuple(part.pid for part in self.parts)

    def crash(self) -> None:
        """Have the process that serves the API die by SIGKILL; what else there is goes on."""
        self.parts[0].kill()

    def start_again(self) -> None:
        """Start that process once more; it does not answer at once."""
        self.parts[0].start()

    def life(self) -> AbstractContextManager[Session]:
        return self.session()

    @contextmanager
    def session(self) -> Generator[Session, None, None]:
        """Lend a client with a connection of its own."""
        with contextlib.closing(Session(Client(self.socket), self.host_config)) as session:
            yield session

    @contextmanager
    def bridged(self, ports: Sequence[int] = ()) -> Generator[Session, None, None]:
        """Lend a client whose containers are on the default bridge, with these ports published."""
        bindings = {f"{port}/tcp": [{"HostPort": str(port)}] for port in ports}
        config = {**self.host_config, "NetworkMode": "bridge", "PortBindings": bindings}
        with contextlib.closing(Session(Client(self.socket), config)) as session:
            yield session

    def configuration(self) -> dict[str, Any]:
        """Return what stands in its configuration file."""
        assert self.config_file is not None
        return dict(json.loads(self.config_file.read_bytes()))

    def configure(self, content: Mapping[str, Any]) -> None:
        """Replace what stands in its configuration file, which it does not read before it is told to."""
        assert self.config_file is not None
        self.config_file.write_text(json.dumps(content))

    def hang_up(self) -> None:
        """Tell it to read its configuration file again, by SIGHUP."""
        os.kill(self.pids[0], signal.SIGHUP)

    def own_processes(self) -> list[int]:
        """Return the pids of the engine and its helpers, without those that keep containers."""
        return [pid for main in self.pids for pid in processes.family(main)]


Engine = FloorEngine | ApiEngine
"""Either of the two."""
