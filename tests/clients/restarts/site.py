"""A place where engines run one after the other, which is how a restart and a crash look from outside."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

from tests.clients.cli import Docker, connect
from tests.clients.engine import Engine, configure, running
from tests.clients.http_api import Api

WRAPPER_MODE = 0o700


@attrs.define
class Site:
    """The roots and the configuration of engines of which at most one runs, and clients for it."""

    root: Path
    stack: ExitStack
    namespace: str = ""
    engine: Engine = attrs.field(init=False)
    docker: Docker = attrs.field(init=False)
    api: Api = attrs.field(init=False)

    def configure(self, document: Mapping[str, Any] | str) -> None:
        """Write daemon.json anew."""
        configure(self.root, document)

    def start(self, *arguments: str, **environment: str) -> None:
        """Start an engine on what the last one has left."""
        self.engine = self.stack.enter_context(
            running(self.root, *arguments, environment=environment, namespace=self.namespace)
        )
        self.docker = connect(self.engine.url, self.root / "home")
        self.api = Api(self.engine.socket_path)

    def restart(self) -> None:
        """Stop the engine and start the next one."""
        self.engine.stop()
        self.start()

    def crash(self) -> None:
        """Kill the engine and start the next one."""
        self.engine.kill()
        self.start()

    def reload(self) -> None:
        """Have the engine read daemon.json again."""
        self.api.reload()

    @property
    def runtimes(self) -> Path:
        """Where the wrapper scripts are."""
        return self.root / "data" / "runtimes"

    def scripts(self) -> list[str]:
        """Return the names of all wrapper scripts, none of which is anything but what its name promises."""
        files = sorted(self.runtimes.iterdir())
        for file in files:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            assert file.name.rpartition(".")[2] == digest, f"{file.name} has another content: {digest}"
            assert file.stat().st_mode & 0o7777 == WRAPPER_MODE, f"{file.name}: {file.stat().st_mode:o}"
        return [file.name for file in files]
