"""Debian's `docker-registry` on loopback: plain or with TLS, open or with a password."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

import attrs
import orjson
import pytest
import trio
import trustme

USER, PASSWORD = "somebody", "secret"
HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"  # bcrypt of PASSWORD
START_SECONDS = 60
STOP_SECONDS = 10
LISTENS = re.compile(r"listening on 127\.0\.0\.1:([0-9]+)[\",]")


@attrs.frozen
class RealRegistry:
    """A running registry; `authority` is what clients have to trust, where there is TLS."""

    port: int
    storage: Path
    authority: trustme.CA | None

    @property
    def address(self) -> str:
        """Its host[:port], as images name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{'http' if self.authority is None else 'https'}://{self.address}"


def installed(name: str) -> str:
    """Return the path of a program; without it the test is skipped, and fails in CI."""
    beside_python = Path(sys.executable).with_name(name)
    found = shutil.which(name) or (str(beside_python) if beside_python.exists() else None)
    if found is None:
        report = pytest.fail if "CI" in os.environ else pytest.skip
        report(f"{name} is not installed: run scripts/setup --test")
    return found


@contextlib.asynccontextmanager
async def docker_registry(
    directory: Path, *, tls: bool = False, password: bool = False
) -> AsyncGenerator[RealRegistry, None]:
    """Run a registry with files of its own below `directory`, until the block ends."""
    directory = Path(tempfile.mkdtemp(prefix="registry-", dir=directory))
    authority = trustme.CA() if tls else None
    configuration = directory / "registry.json"
    configuration.write_bytes(orjson.dumps(_configuration(directory, authority, password=password)))
    log = directory / "registry.log"
    with log.open("wb") as output:
        command = [installed("docker-registry"), "serve", str(configuration)]
        process = await trio.lowlevel.open_process(command, stdout=output, stderr=output)
    try:
        yield RealRegistry(await _port(log, process), directory / "storage", authority)
    finally:
        process.terminate()
        with trio.move_on_after(STOP_SECONDS, shield=True):
            await process.wait()


def _configuration(directory: Path, authority: trustme.CA | None, *, password: bool) -> dict[str, object]:
    """Return its configuration: JSON is YAML.  The kernel chooses a port, which nobody else can take."""
    http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "tests"}
    if authority is not None:
        issued = authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(directory / "registry.key")
        for i, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(directory / "registry.pem", append=i > 0)
        http["tls"] = {"certificate": str(directory / "registry.pem"), "key": str(directory / "registry.key")}
    configuration: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "storage")},
            "delete": {"enabled": True},
        },
        "http": http,
    }
    if password:
        (directory / "htpasswd").write_text(HTPASSWD)
        configuration["auth"] = {"htpasswd": {"realm": "tests", "path": str(directory / "htpasswd")}}
    return configuration


async def _port(log: Path, process: trio.Process) -> int:
    """Wait until the registry says where it listens."""
    with trio.fail_after(START_SECONDS):
        while process.poll() is None:
            if (said := LISTENS.search(log.read_text())) is not None:
                return int(said[1])
            await trio.sleep(0.02)
    raise AssertionError(f"docker-registry ended at once: {log.read_text()}")
